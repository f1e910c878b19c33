//! The engine as the window and the command line see it: commands in, events out.

mod common;

use common::tiny::Tiny;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tuck::engine::{Command, DeviceChoice, Engine, EventKind, JobId, PackRequest};
use tuck::model::{Model, Pruning};
use tuck::recipe::{PRESETS, Recipe};

fn request(model: &Path, kind: &str, output: &Path) -> PackRequest {
    PackRequest {
        model: Arc::new(Model::open(model).unwrap()),
        recipe: Recipe::parse(kind, &[]).unwrap(),
        output: output.to_owned(),
        overwrite: false,
        allow_nonfinite: false,
        device: DeviceChoice::Cpu,
    }
}

/// Follows a job until it ends, calling `seen` for each event before.
fn follow(engine: &Engine, job: JobId, mut seen: impl FnMut(&EventKind)) -> EventKind {
    let deadline = Instant::now() + Duration::from_secs(120);
    while Instant::now() < deadline {
        for event in engine.wait(Duration::from_millis(5)).into_iter().filter(|event| event.job == job) {
            match event.kind {
                EventKind::Progress(_) | EventKind::Warning(_) => seen(&event.kind),
                ended => return ended,
            }
        }
    }
    panic!("the job did not end");
}

/// Large enough that a pack takes seconds anywhere.
fn large(folder: &Path) -> PathBuf {
    let model = folder.join("model");
    common::sparse::sparse_llama(&model, 4, 4096, 14_336, 32, 8, 32_000);
    model
}

fn files(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

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

/// The whole way through a GPU, in every type: on a driver that runs shaders on the processor the file is the
/// processor's, byte for byte.
#[test]
fn a_gpu_writes_the_same_files() {
    let mut engine = Engine::start(Box::new(|| {}));
    let job = engine.submit(Command::ListDevices);
    let EventKind::Devices(devices) = follow(&engine, job, |_| {}) else { panic!("no devices") };
    let software = devices.iter().find(|device| device.kind == "software");
    let gpu = software.or(devices.iter().find(|device| device.name != "CPU"));
    let gpu = gpu.expect("no GPU here, not even a software one: apt-get install mesa-vulkan-drivers libvulkan1");
    let folder = tempfile::tempdir().unwrap();
    Tiny::default().write(&folder.path().join("tiny"));
    let one_layer = Pruning::parse("1").unwrap();
    for preset in PRESETS {
        // A software GPU would search the sample for code words for a minute.
        let searches = ["IQ1", "IQ2", "IQ3"].iter().any(|name| preset.name.starts_with(name));
        let path = if searches { folder.path().join("tiny") } else { common::sample() };
        let files = [DeviceChoice::Cpu, DeviceChoice::Named(gpu.name.clone())].map(|device| {
            let output = folder.path().join(format!("{}-{device:?}.gguf", preset.name).replace('/', "-"));
            let mut request = PackRequest { device, ..request(&path, preset.name, &output) };
            if searches {
                request.model = Arc::new(request.model.edited(&[], &one_layer).unwrap());
            }
            let job = engine.submit(Command::Pack(request));
            let ended = follow(&engine, job, |_| {});
            assert!(matches!(ended, EventKind::Packed(_)), "{}: {ended:?}", preset.name);
            std::fs::read(output).unwrap()
        });
        assert_eq!(files[0].len(), files[1].len(), "{}", preset.name);
        assert!(
            software.is_none() || files[0] == files[1],
            "{} differs between {} and the processor",
            preset.name,
            gpu.name
        );
    }
}
