//! Files that Tuck writes, loaded and spoken with by llama.cpp itself (through the `xllamacpp` package).

mod common;

use serde_json::Value as Json;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use tuck::recipe::{PRESETS, Preset, preset_from_name};

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

/// Of each recipe: predicted bytes are the bytes written, types are as planned when `gguf` reads them, and it speaks.
fn recipes(model: &Path, presets: &[&Preset]) {
    let folder = tempfile::tempdir().unwrap();
    let mut files: Vec<PathBuf> = Vec::new();
    let mut plans: Vec<Json> = Vec::new();
    for preset in presets {
        let path = model.to_str().unwrap();
        let plan: Json =
            serde_json::from_str(&common::tuck_ok(&["pack", path, "--type", preset.name, "--dry-run", "--json"]))
                .unwrap();
        let file = common::pack(model, preset.name, folder.path(), &["--device", "cpu"]);
        assert_eq!(plan["file_bytes"], std::fs::metadata(&file).unwrap().len(), "{}", preset.name);
        plans.push(plan);
        files.push(file);
    }
    // The package `gguf` has not heard of these two; llama.cpp has.
    let known = |plan: &&Json| !["Q1_0", "Q2_0"].iter().any(|name| plan["type"] == *name);
    let paths: Vec<&str> = files.iter().map(|file| file.to_str().unwrap()).collect();
    let readable: Vec<&str> = plans.iter().zip(&paths).filter(|(plan, _)| known(plan)).map(|(_, path)| *path).collect();
    let described = common::peer_json("describe.py", &readable);
    assert_eq!(described.len(), readable.len());
    for (plan, described) in plans.iter().filter(known).zip(&described) {
        let types: HashMap<&str, &str> = described["tensors"].as_array().unwrap().iter().map(tensor_type).collect();
        let planned = plan["tensors"].as_array().unwrap();
        assert_eq!(types.len(), planned.len());
        for tensor in planned {
            let name = tensor["name"].as_str().unwrap();
            assert_eq!(types[name], tensor["format"], "{}, {name}", plan["type"]);
        }
    }
    let spoken = generate(&files.iter().map(PathBuf::as_path).collect::<Vec<_>>());
    assert_eq!(spoken.len(), presets.len());
    for (preset, spoken) in presets.iter().zip(spoken) {
        assert_eq!(spoken["tokens"].as_array().map(Vec::len), Some(32), "{}: {spoken}", preset.name);
    }
}

/// Of `[name, shape, type, hash]`.
fn tensor_type(tensor: &Json) -> (&str, &str) {
    (tensor[0].as_str().unwrap(), tensor[2].as_str().unwrap())
}

#[test]
fn every_recipe_of_the_sample_loads_and_speaks() {
    recipes(&common::sample(), &PRESETS.iter().collect::<Vec<_>>());
}

/// Its rows of 576 weights make most formats fall back. One recipe of each kind, for time's sake.
#[test]
fn recipes_of_smollm2_load_and_speak() {
    let names = [
        "COPY", "BF16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_0", "IQ4_XS", "Q3_K_M", "IQ2_XS", "TQ2_0", "Q2_0",
        "Q1_0",
    ];
    recipes(&common::smollm2(), &names.map(|name| preset_from_name(name).unwrap()));
}
