//! What Tuck writes equals what llama.cpp's own converter writes: the same keys with the same values in the same order,
//! the same tensors with the same bytes.
//!
//! `tests/data/converter/*.json` and `tests/data/families/*.reference.json` describe the converter's files
//! (`tests/peers/converter_reference.py`, `tests/peers/family_references.py`).

mod common;

use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A file of Tuck's, what it is compared with, and as what it is known in messages.
struct Case {
    what: String,
    file: PathBuf,
    reference: Json,
}

impl Case {
    /// Packs `model` and compares it with `reference`.
    fn new(what: String, model: &Path, preset: &str, folder: &Path, reference: Json) -> Result<Self, String> {
        let file = folder.join(format!("{}.gguf", what.replace(' ', "-")));
        let (model, output) = (model.to_str().unwrap(), file.to_str().unwrap());
        let result = common::tuck(&["pack", model, "--type", preset, "--device", "cpu", "-o", output]);
        match result.status.success() {
            true => Ok(Self { what, file, reference }),
            false => Err(format!("{what}: {}", String::from_utf8_lossy(&result.stderr).trim())),
        }
    }
}

/// Compares all files with their references, and fails with everything that differs.
fn compare(cases: Vec<Result<Case, String>>, is_compared: impl Fn(&str, &str) -> bool) {
    let (cases, mut problems): (Vec<_>, Vec<_>) = cases.into_iter().partition(Result::is_ok);
    let cases: Vec<Case> = cases.into_iter().filter_map(Result::ok).collect();
    let files: Vec<&str> = cases.iter().map(|case| case.file.to_str().unwrap()).collect();
    let described = common::peer_json("describe.py", &files);
    assert_eq!(described.len(), cases.len());
    let mut found: Vec<String> = problems.drain(..).filter_map(Result::err).collect();
    for (case, ours) in cases.iter().zip(&described) {
        found.extend(
            differences(case, ours, &is_compared).into_iter().map(|problem| format!("{}: {problem}", case.what)),
        );
    }
    assert!(found.is_empty(), "{} differences:\n{}", found.len(), found.join("\n"));
}

fn differences(case: &Case, ours: &Json, is_compared: &impl Fn(&str, &str) -> bool) -> Vec<String> {
    let metadata = |json: &Json| -> Vec<Json> {
        let entries = json["metadata"].as_array().unwrap().iter();
        entries.filter(|entry| is_compared(&case.what, entry[0].as_str().unwrap())).cloned().collect()
    };
    let (theirs, own) = (metadata(&case.reference), metadata(ours));
    let lacks = |from: &[Json], entry: &&Json| !from.contains(entry);
    let mut found: Vec<String> = Vec::new();
    found.extend(theirs.iter().filter(|entry| lacks(&own, entry)).map(|entry| format!("lacks {entry}")));
    found.extend(own.iter().filter(|entry| lacks(&theirs, entry)).map(|entry| format!("has {entry}")));
    if found.is_empty() && theirs != own {
        let at = theirs.iter().zip(&own).position(|(theirs, ours)| theirs != ours);
        found.push(format!("has its metadata in another order from {:?} on", at.map(|at| &theirs[at][0])));
    }
    let tensors = |json: &Json| -> BTreeMap<String, Json> {
        json["tensors"].as_array().unwrap().iter().map(|t| (t[0].as_str().unwrap().to_owned(), t.clone())).collect()
    };
    let (theirs, own) = (tensors(&case.reference), tensors(ours));
    found.extend(theirs.keys().filter(|name| !own.contains_key(*name)).map(|name| format!("lacks the tensor {name}")));
    found.extend(own.keys().filter(|name| !theirs.contains_key(*name)).map(|name| format!("has the tensor {name}")));
    let both = theirs.iter().filter_map(|(name, theirs)| Some((theirs, own.get(name)?)));
    found.extend(
        both.filter(|(theirs, ours)| theirs != ours).map(|(theirs, ours)| format!("{ours} should be {theirs}")),
    );
    found
}

fn read(path: &Path) -> Json {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn tiny_models_and_the_sample() {
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("models");
    common::peer("tiny_models.py", &[common::sample().to_str().unwrap(), made.to_str().unwrap()]);
    let mut models: Vec<PathBuf> = fs::read_dir(&made).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(models.len() >= 5, "tiny_models.py made {models:?}");
    models.push(common::sample());
    let mut cases = Vec::new();
    for model in models {
        let name = model.file_name().unwrap().to_string_lossy().into_owned();
        let before = cases.len();
        // "auto" keeps the source's precision, as COPY does for BF16 and F16 sources.
        for (kind, preset) in [("f16", "F16"), ("bf16", "BF16"), ("f32", "F32")] {
            let path = common::root().join(format!("tests/data/converter/{name}-{kind}.json"));
            if path.is_file() {
                cases.push(Case::new(format!("{name} as {kind}"), &model, preset, folder.path(), read(&path)));
            }
        }
        assert!(cases.len() > before, "no reference for {name}");
    }
    let auto = read(&common::root().join("tests/data/converter/sample-auto.json"));
    cases.push(Case::new("sample as it is".to_owned(), &common::sample(), "COPY", folder.path(), auto));
    compare(cases, |_, _| true);
}

/// Vocabularies that Tuck does not read yet; another one stands in, and its keys are not compared.
const READ: &[&str] = &["bpe-llama3", "bpe-qwen2", "bpe-gpt2"];

#[test]
fn cards_of_every_family() {
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("models");
    let listed = common::peer("family_models.py", &[made.to_str().unwrap()]);
    let mut cases = Vec::new();
    let mut stand_ins = Vec::new();
    for model in listed.lines().map(Path::new) {
        let name = model.file_name().unwrap().to_str().unwrap();
        let data = common::root().join("tests/data/families");
        let card = read(&data.join(format!("{name}.json")));
        if card["base"].is_string() || std::env::var("CARD").is_ok_and(|only| !name.contains(&only)) {
            continue;
        }
        if !READ.contains(&card["vocabulary"].as_str().unwrap()) {
            stand_ins.push(name.to_owned());
            for file in ["tokenizer_config.json", "tokenizer.model"] {
                let _ = fs::remove_file(model.join(file));
            }
            common::tiny::Tiny::default().write_tokenizer(model);
        }
        for (kind, reference) in read(&data.join(format!("{name}.reference.json"))).as_object().unwrap() {
            // Tuck's COPY keeps F32; the converter's "auto" does not.
            let preset = match (kind.as_str(), card["dtype"].as_str().unwrap()) {
                ("auto", "F32") => "F16",
                ("auto", _) => "COPY",
                (kind, _) => kind,
            };
            cases.push(Case::new(format!("{name} as {kind}"), model, preset, folder.path(), reference.clone()));
        }
    }
    compare(cases, |what, key| {
        !key.starts_with("tokenizer.") || !stand_ins.iter().any(|name| what.split(' ').next() == Some(name))
    });
}

#[test]
fn a_real_model() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("smollm2");
    // The folder's name becomes the model's name, so it has to be the reference's.
    #[cfg(unix)]
    std::os::unix::fs::symlink(common::smollm2(), &model).unwrap();
    let reference = read(&common::root().join("tests/data/converter/smollm2-f16.json"));
    compare(vec![Case::new("smollm2".to_owned(), &model, "F16", folder.path(), reference)], |_, _| true);
}
