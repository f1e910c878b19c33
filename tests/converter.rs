//! What Tuck writes equals what llama.cpp's own converter writes: the same keys with the same values in the same order,
//! the same tensors with the same bytes.
//!
//! `tests/data/converter/*.json` and `tests/data/families/*.reference.json` describe the converter's files
//! (`tests/peers/converter_reference.py`, `tests/peers/family_references.py`).

mod common;

use common::families;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// How a key differs from the converter's.
#[derive(Clone, Copy, PartialEq)]
enum How {
    /// The converter does not write it.
    Added,
    /// Its value is another one.
    Value,
    /// It stands at another place, which means nothing to a reader.
    Place,
}

const SPACE_PREFIX: &str = "tokenizer.ggml.add_space_prefix";

/// Every deliberate difference: the model, the key, how it differs, and why.
const DELIBERATE: &[(&str, &str, How, &str)] = &[
    ("gptneox", "general.file_type", How::Added, "every file of Tuck's says its type"),
    ("gptneox-serial", "general.file_type", How::Added, "every file of Tuck's says its type"),
    ("phi3-longrope", "phi3.rope.scaling.attn_factor", How::Place, "with the other keys of rope"),
    ("phi4-mini", "phi3.rope.scaling.attn_factor", How::Place, "with the other keys of rope"),
    ("command-r", "tokenizer.chat_templates", How::Value, "in the order of the model's list, not of a Python set"),
    ("cohere2", "tokenizer.chat_templates", How::Value, "in the order of the model's list, not of a Python set"),
    ("nomic-bert-moe", SPACE_PREFIX, How::Value, "as tokenizer.json has it; the converter's false finds other tokens"),
    (
        "xlm-roberta-json",
        SPACE_PREFIX,
        How::Value,
        "as tokenizer.json has it; the converter's false finds other tokens",
    ),
    ("llama-longrope", "tokenizer.ggml.scores", How::Value, "the converter's make llama.cpp find other tokens"),
];

/// A file of Tuck's and what it is compared with.
struct Case {
    model: String,
    kind: String,
    file: PathBuf,
    reference: Json,
}

impl Case {
    /// Packs a model as `preset`, which is the converter's `kind`.
    fn new(model: &Path, kind: &str, preset: &str, folder: &Path, reference: Json) -> Self {
        let file = common::pack(model, preset, folder, &["--device", "cpu"]);
        let model = model.file_name().unwrap().to_string_lossy().into_owned();
        Self { model, kind: kind.to_owned(), file, reference }
    }

    /// Everything in which the file, as `gguf` reads it, differs from the reference.
    fn differences(&self, ours: &Json) -> Vec<String> {
        let mut found = Vec::new();
        let metadata = |json: &Json| json["metadata"].as_array().unwrap().clone();
        let (mut theirs, mut own) = (metadata(&self.reference), metadata(ours));
        for (_, key, how, why) in DELIBERATE.iter().filter(|(model, ..)| *model == self.model) {
            let take = |entries: &mut Vec<Json>| {
                let at = entries.iter().position(|entry| entry[0] == *key);
                at.map(|at| entries.remove(at)[2].take())
            };
            let (theirs, own) = (take(&mut theirs), take(&mut own));
            let differs = match how {
                How::Added => theirs.is_none() && own.is_some(),
                How::Value => theirs.is_some() && own.is_some() && theirs != own,
                How::Place => theirs.is_some() && theirs == own,
            };
            if !differs {
                found.push(format!("{key} is not different any more, or in another way ({why})"));
            }
        }
        let lacking = |entries: &[Json], others: &[Json], what: &str| -> Vec<String> {
            let lacking = entries.iter().filter(|entry| !others.contains(entry));
            lacking.map(|entry| format!("{what} {entry}")).collect()
        };
        found.extend(lacking(&theirs, &own, "lacks"));
        found.extend(lacking(&own, &theirs, "has"));
        if found.is_empty() && theirs != own {
            let at = theirs.iter().zip(&own).position(|(theirs, ours)| theirs != ours);
            found.push(format!("has its metadata in another order from {:?} on", at.map(|at| &theirs[at][0])));
        }
        found.extend(tensor_differences(&self.reference, ours));
        found
    }
}

fn tensor_differences(theirs: &Json, ours: &Json) -> Vec<String> {
    let tensors = |json: &Json| -> BTreeMap<String, Json> {
        json["tensors"].as_array().unwrap().iter().map(|t| (t[0].as_str().unwrap().to_owned(), t.clone())).collect()
    };
    let (theirs, own) = (tensors(theirs), tensors(ours));
    let absent = |names: &BTreeMap<String, Json>, others: &BTreeMap<String, Json>, what: &str| -> Vec<String> {
        let absent = names.keys().filter(|name| !others.contains_key(*name));
        absent.map(|name| format!("{what} the tensor {name}")).collect()
    };
    let mut found = absent(&theirs, &own, "lacks");
    found.extend(absent(&own, &theirs, "has"));
    let both = theirs.iter().filter_map(|(name, theirs)| Some((theirs, own.get(name)?)));
    found.extend(
        both.filter(|(theirs, ours)| theirs != ours).map(|(theirs, ours)| format!("{ours} should be {theirs}")),
    );
    found
}

/// Fails with everything that differs.
fn compare(cases: &[Case]) {
    let files: Vec<&str> = cases.iter().map(|case| case.file.to_str().unwrap()).collect();
    let described = common::peer_json("describe.py", &files);
    assert_eq!(described.len(), cases.len());
    let mut found = Vec::new();
    for (case, ours) in cases.iter().zip(&described) {
        found
            .extend(case.differences(ours).iter().map(|problem| format!("{} as {}: {problem}", case.model, case.kind)));
    }
    assert!(found.is_empty(), "{} differences:\n{}", found.len(), found.join("\n"));
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
    let reference = |name: &str, kind: &str| {
        let path = common::root().join(format!("tests/data/converter/{name}-{kind}.json"));
        path.is_file().then(|| common::vocab::json(&path))
    };
    for model in models {
        let name = model.file_name().unwrap().to_string_lossy().into_owned();
        let before = cases.len();
        // "auto" keeps the source's precision, as COPY does for BF16 and F16 sources.
        for (kind, preset) in [("f16", "F16"), ("bf16", "BF16"), ("f32", "F32")] {
            let found = reference(&name, kind);
            cases.extend(found.map(|found| Case::new(&model, kind, preset, folder.path(), found)));
        }
        assert!(cases.len() > before, "no reference for {name}");
    }
    let auto = reference("sample", "auto").unwrap();
    cases.push(Case::new(&common::sample(), "auto", "COPY", folder.path(), auto));
    compare(&cases);
}

#[test]
fn cards_of_every_family() {
    let folder = tempfile::tempdir().unwrap();
    let mut cases = Vec::new();
    for card in families::make(folder.path()) {
        let references = card.references();
        for (kind, reference) in references.as_object().unwrap() {
            // Tuck's COPY keeps F32; the converter's "auto" does not.
            let preset = match (kind.as_str(), card.dtype()) {
                ("auto", "F32") => "F16",
                ("auto", _) => "COPY",
                (kind, _) => kind,
            };
            cases.push(Case::new(&card.folder, kind, preset, folder.path(), reference.clone()));
        }
    }
    compare(&cases);
}

#[test]
fn a_real_model() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("smollm2");
    // The folder's name becomes the model's name, so it has to be the reference's.
    #[cfg(unix)]
    std::os::unix::fs::symlink(common::smollm2(), &model).unwrap();
    let reference = common::vocab::json(&common::root().join("tests/data/converter/smollm2-f16.json"));
    compare(&[Case::new(&model, "f16", "F16", folder.path(), reference)]);
}
