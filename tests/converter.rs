//! What Tuck writes equals what llama.cpp's own converter writes: the same keys with the same values in the same order,
//! the same tensors with the same bytes.
//!
//! `tests/data/converter/*.json` describe the converter's files (`tests/peers/converter_reference.py`).

mod common;

use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Keys from the front matter of a README, which Tuck does not read yet.
const FROM_README: &[&str] =
    &["general.license", "general.base_model.", "general.dataset.", "general.tags", "general.languages"];

fn reference(name: &str, kind: &str) -> Option<Json> {
    let path = common::root().join(format!("tests/data/converter/{name}-{kind}.json"));
    path.is_file().then(|| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
}

fn compare(name: &str, kind: &str, file: &Path, reference: &Json) {
    let ours = &common::peer_json("describe.py", &[file.to_str().unwrap()])[0];
    let list = |json: &Json| json["metadata"].as_array().unwrap().clone();
    let expected: Vec<Json> = list(reference)
        .into_iter()
        .filter(|entry| !FROM_README.iter().any(|key| entry[0].as_str().unwrap().starts_with(key)))
        .collect();
    for (theirs, ours) in expected.iter().zip(list(ours)) {
        assert_eq!(*theirs, ours, "{name} as {kind}: metadata");
    }
    assert_eq!(expected.len(), list(ours).len(), "{name} as {kind}: number of metadata keys");

    let tensors = |json: &Json| -> BTreeMap<String, Json> {
        json["tensors"].as_array().unwrap().iter().map(|t| (t[0].as_str().unwrap().to_owned(), t.clone())).collect()
    };
    let (theirs, ours) = (tensors(reference), tensors(ours));
    assert_eq!(theirs.keys().collect::<Vec<_>>(), ours.keys().collect::<Vec<_>>(), "{name} as {kind}: tensor names");
    for (tensor, theirs) in theirs {
        assert_eq!(theirs, ours[&tensor], "{name} as {kind}: shape, type or bytes");
    }
}

#[test]
fn tiny_models_of_every_family_and_the_sample() {
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("models");
    common::peer("tiny_models.py", &[common::sample().to_str().unwrap(), made.to_str().unwrap()]);
    let mut models: Vec<PathBuf> = std::fs::read_dir(&made).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(models.len() >= 5, "tiny_models.py made {models:?}");
    models.push(common::sample());
    for model in models {
        let name = model.file_name().unwrap().to_string_lossy().into_owned();
        let mut compared = 0;
        // "auto" keeps the source's precision, as COPY does for BF16 and F16 sources.
        for (kind, preset) in [("f16", "F16"), ("bf16", "BF16"), ("f32", "F32")] {
            if let Some(reference) = reference(&name, kind) {
                let file = common::pack(&model, preset, folder.path(), &["--device", "cpu"]);
                compare(&name, kind, &file, &reference);
                compared += 1;
            }
        }
        assert!(compared > 0, "no reference for {name}");
    }
    let sample = common::pack(&common::sample(), "COPY", folder.path(), &["--device", "cpu"]);
    compare("sample", "auto", &sample, &reference("sample", "auto").unwrap());
}

#[test]
fn a_real_model() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("smollm2");
    // The folder's name becomes the model's name, so it has to be the reference's.
    #[cfg(unix)]
    std::os::unix::fs::symlink(common::smollm2(), &model).unwrap();
    let file = common::pack(&model, "F16", folder.path(), &["--device", "cpu"]);
    compare("smollm2", "f16", &file, &reference("smollm2", "f16").unwrap());
}
