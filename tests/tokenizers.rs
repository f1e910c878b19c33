//! Tokenizers: the keys equal those of llama.cpp's own converter, and llama.cpp finds the tokens of the original.

mod common;

use common::vocab;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::path::Path;
use tuck::checkpoint::Documents;
use tuck::gguf;
use tuck::tokenizer::{self, Encoder, Family, Written};

fn cases() -> Vec<Json> {
    let cases = vocab::json(&vocab::data().join("tokenizers/cases.json"));
    cases.as_array().unwrap().clone()
}

/// Makes a case's folder and reads its tokenizer.
fn read(case: &Json, folder: &Path) -> (Documents, Written) {
    vocab::make(case, folder);
    let documents = Documents::read(folder).unwrap();
    let size = documents.config["vocab_size"].as_u64().unwrap();
    let family = Family::of(case["family"].as_str().unwrap());
    let written =
        tokenizer::metadata(&documents, size, &family).unwrap_or_else(|error| panic!("{}: {error}", case["name"]));
    assert_eq!(written.question, None, "{}", case["name"]);
    (documents, written)
}

#[test]
fn keys_equal_those_of_the_converter() {
    let scratch = tempfile::tempdir().unwrap();
    let references = vocab::json(&vocab::data().join("tokenizers/references.json"));
    let references: BTreeMap<&str, &Json> =
        references.as_array().unwrap().iter().map(|r| (r["name"].as_str().unwrap(), r)).collect();
    let differences = vocab::json(&vocab::data().join("tokenizers/differences.json"));
    let mut files = Vec::new();
    let cases = cases();
    for (index, case) in cases.iter().enumerate() {
        let (_, written) = read(case, &scratch.path().join(index.to_string()));
        let file = scratch.path().join(format!("{index}.gguf"));
        std::fs::write(&file, gguf::encode_header(&written.keys, &[], &[])).unwrap();
        files.push(file);
    }
    let paths: Vec<&str> = files.iter().map(|file| file.to_str().unwrap()).collect();
    let mut wrong = Vec::new();
    for (case, described) in cases.iter().zip(common::peer_json("describe.py", &paths)) {
        let name = case["name"].as_str().unwrap();
        let reference = references[name];
        assert!(reference["refused"].is_null(), "{name}: the converter refused it: {}", reference["refused"]);
        let deliberate = |key: &Json| {
            let listed = differences["keys"].as_array().unwrap().iter();
            listed.clone().any(|d| d["key"] == *key && d["cases"].as_array().unwrap().contains(&json!(name)))
        };
        let keys = |json: &Json| -> Vec<Json> {
            json["metadata"].as_array().unwrap().iter().filter(|entry| !deliberate(&entry[0])).cloned().collect()
        };
        let (ours, theirs) = (keys(&described), keys(reference));
        if ours != theirs {
            let missing: Vec<&Json> = theirs.iter().filter(|entry| !ours.contains(entry)).collect();
            let extra: Vec<&Json> = ours.iter().filter(|entry| !theirs.contains(entry)).collect();
            wrong.push(format!("{name}:\n  the converter has {missing:?}\n  Tuck has {extra:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
