//! The error of weights: what `tuck verify` says of models that are equal, packed, damaged, or not alike.

mod common;

use common::jobs::{self, follow};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use tuck::engine::{Command, Engine, EventKind, VerifyReport, VerifyRequest};
use tuck::eval::ErrorSums;
use tuck::imatrix::Imatrix;
use tuck::model::Model;
use tuck::quant::FORMATS;
use tuck::recipe::Recipe;

/// Runs one command to its end, cancelling it at its first progress if asked to.
fn run(command: Command, cancel: bool) -> EventKind {
    let mut engine = Engine::start(Box::new(|| {}));
    let job = engine.submit(command);
    let canceller = engine.canceller();
    follow(&engine, job, |event| {
        if matches!(event, EventKind::Progress(progress) if cancel && progress.done > 0) {
            canceller(job);
        }
    })
}

fn open(path: &Path) -> Arc<Model> {
    Arc::new(Model::open(path).unwrap())
}

fn request(candidate: &Path, reference: &Path, imatrix: Option<Imatrix>) -> Command {
    let imatrix = imatrix.map(Arc::new);
    Command::Verify(VerifyRequest { candidate: candidate.to_owned(), reference: open(reference), imatrix })
}

fn verify(candidate: &Path, reference: &Path, imatrix: Option<Imatrix>) -> Arc<VerifyReport> {
    match run(request(candidate, reference, imatrix), false) {
        EventKind::Verified(report) => report,
        other => panic!("{other:?}"),
    }
}

fn assert_near(what: &str, ours: f64, theirs: &Json) {
    let theirs = theirs.as_f64().unwrap();
    assert!((ours - theirs).abs() <= 1e-6 * theirs.abs(), "{what}: {ours:e}, and numpy has {theirs:e}");
}

fn assert_sums(name: &str, ours: &ErrorSums, theirs: &Json) {
    assert_near(&format!("RMSE of {name}"), ours.rmse(), &theirs["rmse"]);
    assert_near(&format!("relative RMSE of {name}"), ours.relative_rmse(), &theirs["relative_rmse"]);
    assert_near(&format!("cosine of {name}"), ours.cosine(), &theirs["cosine"]);
}

/// Every figure is what numpy computes from what the package `gguf` reads.
fn assert_as_numpy(report: &VerifyReport, theirs: &[Json]) {
    let theirs: BTreeMap<&str, &Json> = theirs.iter().map(|row| (row["name"].as_str().unwrap(), row)).collect();
    assert_eq!(report.tensors.len(), theirs.len());
    for tensor in &report.tensors {
        let theirs = theirs[tensor.name.as_str()];
        assert_sums(&tensor.name, &tensor.error.plain, theirs);
        assert_near(&format!("largest of {}", tensor.name), tensor.error.largest, &theirs["largest"]);
        assert_eq!(tensor.error.weighted.is_some(), !theirs["weighted"].is_null(), "{}", tensor.name);
        if let Some(weighted) = &tensor.error.weighted {
            assert_sums(&format!("weighted {}", tensor.name), weighted, &theirs["weighted"]);
        }
    }
}

#[test]
fn a_model_equals_itself() {
    let report = verify(&common::sample(), &common::sample(), None);
    assert_eq!((report.tensors.len(), report.mismatches.len()), (74, 0));
    assert_eq!(report.total.weights, 7_344_384);
    for tensor in &report.tensors {
        let plain = &tensor.error.plain;
        assert_eq!((plain.rmse(), tensor.error.largest, plain.cosine()), (0.0, 0.0, 1.0), "{}", tensor.name);
    }
    assert_eq!((report.total.plain.relative_rmse(), report.total.plain.cosine()), (0.0, 1.0));
}

#[test]
fn figures_are_those_of_numpy() {
    let folder = tempfile::tempdir().unwrap();
    let packed = common::pack(&common::sample(), "Q4_K_M", folder.path(), &["--device", "cpu"]);
    let imatrix = Imatrix::open(&common::root().join("tests/data/imatrix/sample.gguf")).unwrap();
    let file = folder.path().join("columns.json");
    std::fs::write(&file, json!(imatrix.columns).to_string()).unwrap();
    let paths = [&packed, &common::sample(), &file].map(|path| path.to_str().unwrap().to_owned());
    let theirs = common::peer_json("weight_error.py", &paths.each_ref().map(String::as_str));
    let report = verify(&packed, &common::sample(), Some(imatrix));
    assert_as_numpy(&report, &theirs);
    assert_eq!(report.tensors.iter().filter(|tensor| tensor.error.weighted.is_some()).count(), 56);
    let relative = report.total.plain.relative_rmse();
    assert!((0.05..0.07).contains(&relative), "Q4_K_M is off by {relative}");
}

#[test]
fn every_format_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let (reference, packed) = (folder.path().join("f16.gguf"), folder.path().join("mosaic.gguf"));
    // One matrix in each format.
    let matrices = open(&common::sample()).tensors.clone().into_iter().filter(|t| t.name.starts_with("blk."));
    let matrices = matrices.filter(|tensor| tensor.shape.len() == 2).map(|tensor| tensor.name);
    let overrides: Vec<String> =
        matrices.zip(FORMATS.iter().skip(3).cycle()).map(|(name, format)| format!("{name}={format}")).collect();
    let pack = |kind: &str, overrides: &[String], output: &Path| {
        let mut request = jobs::request(&common::sample(), kind, output);
        request.outputs[0].recipe = Recipe::parse(kind, overrides).unwrap();
        jobs::packed(&mut Engine::start(Box::new(|| {})), request);
    };
    pack("F16", &[], &reference);
    pack("BF16", &overrides, &packed);
    let report = verify(&packed, &reference, None);
    let found: Vec<_> = FORMATS.iter().filter(|f| report.tensors.iter().any(|t| t.format == **f)).collect();
    assert_eq!(found.len(), FORMATS.len() - 1, "only {found:?} are in the file; F16 is in the reference");
    let theirs = common::peer_json("weight_error.py", &[packed.to_str().unwrap(), reference.to_str().unwrap()]);
    assert_as_numpy(&report, &theirs);
}

#[test]
fn what_cannot_be_compared_is_listed_and_fails() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (folder.path().join("ours"), folder.path().join("theirs"));
    let mut tiny = common::tiny::Tiny::default();
    tiny.write(&ours);
    // Half the vocabulary, and an output matrix of its own.
    let embedding = tiny.get("model.embed_tokens.weight");
    embedding.shape[0] /= 2;
    embedding.bytes.truncate(embedding.bytes.len() / 2);
    let output = common::tiny::Stored { name: "lm_head.weight".to_owned(), ..embedding.clone() };
    tiny.tensors.push(output);
    tiny.config["vocab_size"] = json!(32);
    tiny.config["tie_word_embeddings"] = json!(false);
    let vocabulary = tiny.tokenizer["model"]["vocab"].as_object_mut().unwrap();
    vocabulary.retain(|_, id| id.as_u64().unwrap() < 32);
    tiny.tokenizer["model"]["merges"] = json!([]);
    tiny.write(&theirs);

    let arguments = ["verify", ours.to_str().unwrap(), "--against", theirs.to_str().unwrap()];
    let output = common::tuck(&arguments);
    assert_eq!(output.status.code(), Some(1));
    let (text, error) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(text.contains("token_embd.weight: 256 x 64 here, 256 x 32 in the reference"), "{text}");
    assert!(text.contains("output.weight: only in the reference"), "{text}");
    assert!(text.contains("19 compared"), "{text}");
    assert!(error.starts_with("tuck: 2 tensors could not be compared"), "{error}");

    let output = common::tuck(&[&arguments[..], &["--json"]].concat());
    assert_eq!(output.status.code(), Some(1));
    let json: Json = serde_json::from_slice(&output.stdout).unwrap();
    let expected = json!([
        {"name": "token_embd.weight", "shape": [256, 64], "reference_shape": [256, 32]},
        {"name": "output.weight", "shape": null, "reference_shape": [256, 32]},
    ]);
    assert_eq!((&json["mismatches"], json["tensors"].as_array().unwrap().len()), (&expected, 19));
    assert_eq!(json["total"]["relative_rmse"], 0.0);
}

#[test]
fn damage_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let damaged = folder.path().join("damaged");
    let mut tiny = common::tiny::Tiny::default();
    let gate = tiny.get("model.layers.1.mlp.gate_proj.weight");
    for (at, weight) in [(0, half::f16::NAN), (8, half::f16::INFINITY)] {
        gate.bytes[at..at + 2].copy_from_slice(&weight.to_le_bytes());
    }
    tiny.write(&damaged);
    let whole = folder.path().join("whole");
    common::tiny::Tiny::default().write(&whole);
    let report = verify(&damaged, &whole, None);
    let bad: Vec<_> = report.tensors.iter().filter(|tensor| tensor.error.nonfinite > 0).collect();
    assert_eq!((bad.len(), bad[0].name.as_str(), bad[0].error.nonfinite), (1, "blk.1.ffn_gate.weight", 2));
    assert_eq!((report.total.nonfinite, report.total.reference_nonfinite, report.total.plain.rmse()), (2, 0, 0.0));
    let text = common::tuck_ok(&["verify", damaged.to_str().unwrap(), "--against", whole.to_str().unwrap()]);
    assert!(text.contains("Left out  2 weights that are NaN or infinite, 0 in the reference"), "{text}");
}

#[test]
fn the_same_figures_with_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let packed = common::pack(&common::sample(), "Q5_0", folder.path(), &["--device", "cpu"]);
    let with_threads = |threads: usize| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_tuck"))
            .args(["verify", packed.to_str().unwrap(), "--against", common::sample().to_str().unwrap(), "--json"])
            .env("RAYON_NUM_THREADS", threads.to_string())
            .output()
            .unwrap();
        let mut json: Json = serde_json::from_slice(&output.stdout).unwrap();
        json["seconds"].take();
        json
    };
    assert_eq!(with_threads(1), with_threads(3));
}

#[test]
fn an_importance_matrix_of_another_model_is_refused() {
    let columns = BTreeMap::from([("blk.0.attn_q.weight".to_owned(), vec![1.0; 255])]);
    let imatrix = Imatrix { path: "other.gguf".into(), columns, ..Imatrix::default() };
    match run(request(&common::sample(), &common::sample(), Some(imatrix)), false) {
        EventKind::Failed(message) => {
            let named = message.contains("other.gguf") && message.contains("blk.0.attn_q.weight");
            assert!(named && message.contains("255") && message.contains("256"), "{message}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_comparison_can_be_cancelled() {
    let folder = tempfile::tempdir().unwrap();
    let model = jobs::large(folder.path());
    let ended = run(request(&model, &model, None), true);
    assert!(matches!(ended, EventKind::Cancelled), "{ended:?}");
}

#[test]
fn a_source_that_shrinks_after_opening_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    common::tiny::Tiny::default().write(&model);
    let whole = folder.path().join("whole");
    common::tiny::Tiny::default().write(&whole);
    let command = request(&whole, &model, None);
    std::fs::OpenOptions::new().write(true).open(model.join("model.safetensors")).unwrap().set_len(4096).unwrap();
    match run(command, false) {
        EventKind::Failed(message) => assert!(message.contains("could not be read"), "{message}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_importance_matrix_adds_weighted_figures() {
    let folder = tempfile::tempdir().unwrap();
    let packed = common::pack(&common::sample(), "Q4_0", folder.path(), &["--device", "cpu"]);
    let imatrix = common::root().join("tests/data/imatrix/sample.gguf");
    let sample = common::sample();
    let [packed, sample, imatrix] = [&packed, &sample, &imatrix].map(|path| path.to_str().unwrap());
    let arguments = ["verify", packed, "--against", sample, "--imatrix", imatrix, "--exclude-weights", "ffn_"];
    let text = common::tuck_ok(&arguments);
    assert!(text.contains("columns of 32 tensors as in"), "{text}");
    let json: Json = serde_json::from_str(&common::tuck_ok(&[&arguments[..], &["--json"]].concat())).unwrap();
    let weighted = json["total"]["weighted"]["relative_rmse"].as_f64().unwrap();
    assert!(weighted > 0.0 && weighted != json["total"]["relative_rmse"].as_f64().unwrap());
}
