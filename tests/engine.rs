//! The engine as the window and the command line see it: commands in, events out.

mod common;

use common::jobs::{computing, files, follow, gpu, large, packed, request};
use common::tiny::Tiny;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tuck::engine::{Command, DeviceChoice, Engine, EventKind, PackOutput, PackRequest};
use tuck::imatrix::Imatrix;
use tuck::model::Pruning;
use tuck::recipe::{PRESETS, Recipe};

#[test]
fn a_cancelled_pack_ends_at_once_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut engine = Engine::start(Box::new(|| {}));
    let model = large(folder.path());
    let job = engine.submit(Command::Pack(request(&model, "q6_k", &folder.path().join("out.gguf"))));
    let canceller = engine.canceller();
    let ended = follow(&engine, job, |event| {
        if matches!(event, EventKind::Progress(progress) if progress.done > 0) {
            canceller(job);
        }
    });
    assert!(matches!(ended, EventKind::Cancelled), "{ended:?}");
    assert_eq!(files(folder.path()), 1, "only the model");

    // The engine is ready for the next job.
    let job = engine.submit(Command::OpenSample);
    assert!(matches!(follow(&engine, job, |_| {}), EventKind::Opened(_)));
}

#[test]
fn a_job_cancelled_in_the_queue_never_starts() {
    let folder = tempfile::tempdir().unwrap();
    let mut engine = Engine::start(Box::new(|| {}));
    let first = engine.submit(Command::Pack(request(&common::sample(), "q8_0", &folder.path().join("first.gguf"))));
    let second = engine.submit(Command::Pack(request(&common::sample(), "q8_0", &folder.path().join("second.gguf"))));
    engine.cancel(second);
    let mut ended = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(60);
    while ended.len() < 2 && Instant::now() < deadline {
        let events = engine.wait(Duration::from_millis(5)).into_iter();
        ended.extend(events.filter(|event| !matches!(event.kind, EventKind::Progress(_) | EventKind::Warning(_))));
    }
    assert!(matches!(&ended[0], event if event.job == first && matches!(event.kind, EventKind::Packed(_))));
    assert!(matches!(&ended[1], event if event.job == second && matches!(event.kind, EventKind::Cancelled)));
    assert_eq!(files(folder.path()), 1);
}

#[test]
fn dropping_the_engine_cleans_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut engine = Engine::start(Box::new(|| {}));
    let model = large(folder.path());
    let job = engine.submit(Command::Pack(request(&model, "q6_k", &folder.path().join("out.gguf"))));
    while !engine.wait(Duration::from_millis(5)).iter().any(|event| event.job == job) {}
    drop(engine);
    assert_eq!(files(folder.path()), 1, "only the model");
}

#[test]
fn a_source_that_shrinks_after_opening_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    Tiny::default().write(&model);
    let request = request(&model, "q8_0", &folder.path().join("out.gguf"));
    std::fs::OpenOptions::new().write(true).open(model.join("model.safetensors")).unwrap().set_len(4096).unwrap();
    let mut engine = Engine::start(Box::new(|| {}));
    let job = engine.submit(Command::Pack(request));
    match follow(&engine, job, |_| {}) {
        EventKind::Failed(message) => {
            assert!(message.contains("model.safetensors") && message.contains("could not be read"), "{message}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(files(folder.path()), 1);
}

#[test]
fn devices_end_with_those_that_run_on_the_processor() {
    let mut engine = Engine::start(Box::new(|| {}));
    let job = engine.submit(Command::ListDevices);
    let EventKind::Devices(devices) = follow(&engine, job, |_| {}) else { panic!("no devices") };
    let processor = devices.iter().position(|device| device.name == "CPU").expect("the processor is always there");
    assert!(devices[..processor].iter().all(|device| device.kind.contains("GPU")), "{devices:?}");
    assert!(devices[processor..].iter().all(|device| !device.kind.contains("GPU")), "{devices:?}");
}

/// The whole way through a GPU, in every type and with importance: on a driver that runs shaders on the processor the
/// file is the processor's, byte for byte.
#[test]
fn a_gpu_writes_the_same_files() {
    let mut engine = Engine::start(Box::new(|| {}));
    let gpu = gpu(&mut engine);
    let folder = tempfile::tempdir().unwrap();
    Tiny::default().write(&folder.path().join("tiny"));
    let one_layer = Pruning::parse("1").unwrap();
    // A search of every kind, each guided by the importance of its columns.
    let kinds = ["q=IQ2_XS", "k=Q3_K", "v=IQ4_XS", "output=Q2_K", "gate=IQ3_S", "up=Q4_0", "down=Q5_K"];
    let weighted = Recipe {
        imatrix: Some(Arc::new(Imatrix::open(&common::root().join("tests/data/imatrix/sample.gguf")).unwrap())),
        ..Recipe::parse("Q4_K_M", &kinds.map(|kind| format!("_{kind}"))).unwrap()
    };
    let plain = PRESETS.iter().map(|preset| (preset.name, Recipe::new(preset)));
    for (name, recipe) in plain.chain([("importance", weighted)]) {
        // A software GPU would search the sample for points of a grid for a minute.
        let searches = ["IQ1", "IQ2", "IQ3"].iter().any(|kind| name.starts_with(kind));
        let model = if searches { folder.path().join("tiny") } else { common::sample() };
        let files = [DeviceChoice::Cpu, DeviceChoice::Named(gpu.name.clone())].map(|device| {
            let output = folder.path().join(format!("{name}-{device:?}.gguf").replace('/', "-"));
            let outputs = vec![PackOutput { recipe: recipe.clone(), path: output.clone() }];
            let mut request =
                PackRequest { computing: computing(&device), outputs, ..request(&model, "COPY", &output) };
            if searches {
                request.model = Arc::new(request.model.edited(&[], &one_layer).unwrap());
            }
            packed(&mut engine, request);
            std::fs::read(output).unwrap()
        });
        assert!(files[0] == files[1], "{name} differs between {} and the processor", gpu.name);
    }
}
