//! Jobs of an engine, for tests that talk to it directly.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tuck::engine::{
    Command, Computing, Device, DeviceChoice, Engine, EventKind, JobId, PackOutput, PackReport, PackRequest,
};
use tuck::model::Model;
use tuck::recipe::{Recipe, Split};

/// One output.
pub fn request(model: &Path, kind: &str, output: &Path) -> PackRequest {
    request_all(model, &[(kind, output.to_owned())])
}

/// Several types, each with its file.
pub fn request_all(model: &Path, outputs: &[(&str, PathBuf)]) -> PackRequest {
    let output =
        |(kind, path): &(&str, PathBuf)| PackOutput { recipe: Recipe::parse(kind, &[]).unwrap(), path: path.clone() };
    PackRequest {
        model: Arc::new(Model::open(model).unwrap()),
        outputs: outputs.iter().map(output).collect(),
        split: Split::Whole,
        overwrite: false,
        allow_nonfinite: false,
        recipes: false,
        computing: computing(&DeviceChoice::Cpu),
    }
}

/// On a device, in whatever is free of its memory.
pub fn computing(device: &DeviceChoice) -> Computing {
    Computing { device: device.clone(), memory: None }
}

/// Follows a job until it ends, calling `seen` for each event before.
pub fn follow(engine: &Engine, job: JobId, mut seen: impl FnMut(&EventKind)) -> EventKind {
    let deadline = Instant::now() + Duration::from_secs(600);
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
pub fn large(folder: &Path) -> PathBuf {
    let model = folder.join("model");
    super::sparse::sparse_llama(&model, 4, 4096, 14_336, 32, 8, 32_000);
    model
}

pub fn files(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

/// Packs, which has to succeed.
pub fn packed(engine: &mut Engine, request: PackRequest) -> Arc<PackReport> {
    let job = engine.submit(Command::Pack(request));
    match follow(engine, job, |_| {}) {
        EventKind::Packed(report) => report,
        other => panic!("{other:?}"),
    }
}

/// The GPU to test with: one whose driver runs shaders on the processor, whose files are the processor's byte for byte,
/// or else any.
pub fn gpu(engine: &mut Engine) -> Device {
    let job = engine.submit(Command::ListDevices);
    let EventKind::Devices(devices) = follow(engine, job, |_| {}) else { panic!("no devices") };
    let software = devices.iter().find(|device| device.kind == "software");
    let gpu = software.or(devices.iter().find(|device| device.name != "CPU"));
    gpu.expect("no GPU here, not even a software one: apt-get install mesa-vulkan-drivers libvulkan1").clone()
}
