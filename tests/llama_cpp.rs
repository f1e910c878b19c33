//! Files that Tuck writes, loaded and spoken with by llama.cpp itself (through the `xllamacpp` package).

mod common;

use serde_json::Value as Json;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use tuck::recipe::PRESETS;

fn generate(files: &[&Path]) -> Vec<Json> {
    let mut arguments: Vec<&str> = files.iter().map(|file| file.to_str().unwrap()).collect();
    arguments.extend(["--tokens", "32"]);
    common::peer_json("generate.py", &arguments)
}

/// Greedy text of our F16 export equals that of a file which the `gguf` package made from the same weights.
fn speaks_like_the_reference(model: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let ours = common::pack(model, "F16", folder.path(), &[]);
    let reference = folder.path().join("reference.gguf");
    common::peer("f16_reference.py", &[model.to_str().unwrap(), reference.to_str().unwrap()]);
    let spoken = generate(&[&ours, &reference]);
    assert_eq!(spoken[0]["text"], spoken[1]["text"]);
    assert_eq!(spoken[0]["tokens"].as_array().unwrap().len(), 32, "{}", spoken[0]);
    assert_eq!(spoken[0]["tokens"], spoken[1]["tokens"]);
}

#[test]
fn the_sample_speaks_like_the_reference() {
    speaks_like_the_reference(&common::sample());
}

#[test]
fn smollm2_speaks_like_the_reference() {
    speaks_like_the_reference(&common::smollm2());
}

/// Every recipe: predicted bytes are the bytes written, types are as planned when `gguf` reads them, and it speaks.
fn every_recipe(model: &Path, also: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let mut files: Vec<PathBuf> = Vec::new();
    for preset in PRESETS {
        let path = model.to_str().unwrap();
        let plan: Json =
            serde_json::from_str(&common::tuck_ok(&["pack", path, "--type", preset.name, "--dry-run", "--json"]))
                .unwrap();
        let file = common::pack(model, preset.name, folder.path(), also);
        assert_eq!(plan["file_bytes"], std::fs::metadata(&file).unwrap().len(), "{}", preset.name);

        let described = &common::peer_json("describe.py", &[file.to_str().unwrap()])[0];
        let types: HashMap<&str, &str> = described["tensors"].as_array().unwrap().iter().map(tensor_type).collect();
        let planned = plan["tensors"].as_array().unwrap();
        assert_eq!(types.len(), planned.len());
        for tensor in planned {
            let name = tensor["name"].as_str().unwrap();
            assert_eq!(types[name], tensor["format"], "{}, {name}", preset.name);
        }
        files.push(file);
    }
    let spoken = generate(&files.iter().map(PathBuf::as_path).collect::<Vec<_>>());
    assert_eq!(spoken.len(), PRESETS.len());
    for (preset, spoken) in PRESETS.iter().zip(spoken) {
        assert_eq!(spoken["tokens"].as_array().map(Vec::len), Some(32), "{}: {spoken}", preset.name);
    }
}

/// Of `[name, shape, type, hash]`.
fn tensor_type(tensor: &Json) -> (&str, &str) {
    (tensor[0].as_str().unwrap(), tensor[2].as_str().unwrap())
}

#[test]
fn every_recipe_of_the_sample_loads_and_speaks() {
    every_recipe(&common::sample(), &[]);
}

#[test]
fn every_recipe_of_smollm2_loads_and_speaks() {
    every_recipe(&common::smollm2(), &["--device", "cpu"]);
}
