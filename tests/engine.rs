//! The engine as the window and the command line see it: commands in, events out.

mod common;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tuck::engine::{Command, DeviceChoice, Engine, EventKind, JobId, PackRequest};
use tuck::model::Model;
use tuck::recipe::Recipe;

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
        for event in engine.wait(Duration::from_secs(1)).into_iter().filter(|event| event.job == job) {
            match event.kind {
                EventKind::Progress(_) | EventKind::Warning(_) => seen(&event.kind),
                ended => return ended,
            }
        }
    }
    panic!("the job did not end");
}

fn files(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

#[test]
fn a_cancelled_pack_ends_at_once_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut engine = Engine::start(Box::new(|| {}));
    let job = engine.submit(Command::Pack(request(&common::smollm2(), "q6_k", &folder.path().join("out.gguf"))));
    let canceller = engine.canceller();
    let ended = follow(&engine, job, |event| {
        if matches!(event, EventKind::Progress(progress) if progress.done > 0) {
            canceller(job);
        }
    });
    assert!(matches!(ended, EventKind::Cancelled), "{ended:?}");
    assert_eq!(files(folder.path()), 0);

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
    assert!(matches!(follow(&engine, first, |_| {}), EventKind::Packed(_)));
    assert!(matches!(follow(&engine, second, |_| {}), EventKind::Cancelled));
    assert_eq!(files(folder.path()), 1);
}

#[test]
fn dropping_the_engine_cleans_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut engine = Engine::start(Box::new(|| {}));
    let job = engine.submit(Command::Pack(request(&common::smollm2(), "q6_k", &folder.path().join("out.gguf"))));
    while !engine.wait(Duration::from_secs(1)).iter().any(|event| event.job == job) {}
    drop(engine);
    assert_eq!(files(folder.path()), 0);
}

#[test]
fn a_source_that_shrinks_after_opening_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    common::tiny::Tiny::default().write(&model);
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
