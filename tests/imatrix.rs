//! Importance matrices: files of llama.cpp and of other writers, what a pack makes of them, and what is refused.

mod common;

use common::tuck_ok;
use proptest::prelude::*;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tuck::imatrix::{Imatrix, factors};
use tuck::model::Model;
use tuck::quant::{FORMATS, FormatRef, Importance, format_from_name};

/// Made by llama-imatrix from the sample model and its `calibration.txt`, 20 chunks of 512 tokens.
fn of_the_sample(form: &str) -> PathBuf {
    common::root().join("tests/data/imatrix").join(format!("sample.{form}"))
}

fn numbers(json: &Json) -> Vec<f32> {
    json.as_array().unwrap().iter().map(|n| n.as_f64().unwrap() as f32).collect()
}

/// By tensor, what a peer says of it.
fn columns(json: &Json) -> BTreeMap<String, Vec<f32>> {
    json.as_object().unwrap().iter().map(|(name, means)| (name.clone(), numbers(means))).collect()
}

fn assert_near(ours: &[f32], theirs: &[f32], what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (at, (a, b)) in ours.iter().zip(theirs).enumerate() {
        assert!((a - b).abs() <= 4e-7 * b.abs(), "{what}, value {at}: {a:e} and {b:e}");
    }
}

#[test]
fn both_forms_of_llama_cpp_say_the_same() {
    let [gguf, dat] = ["gguf", "dat"].map(|form| Imatrix::open(&of_the_sample(form)).unwrap());
    assert_eq!(gguf.columns.len(), 7 * 8, "seven matrices in each of eight layers");
    assert_eq!((&gguf.datasets, gguf.chunks, gguf.chunk_tokens), (&vec!["calibration.txt".to_owned()], 20, 512));
    assert_eq!((&dat.datasets, dat.chunks, dat.chunk_tokens), (&gguf.datasets, 20, 1));
    assert!(gguf.columns.keys().eq(dat.columns.keys()));
    for (name, columns) in &gguf.columns {
        assert_eq!((gguf.counts[name].as_slice(), dat.counts[name].as_slice()), (&[20 * 512][..], &[20][..]), "{name}");
        assert_near(columns, &dat.columns[name], name);
    }
    let peer = &common::peer_json("imatrix.py", &["read", of_the_sample("gguf").to_str().unwrap()])[0];
    assert_eq!(peer["tensors"].as_object().unwrap().len(), gguf.columns.len());
    for (name, tensor) in peer["tensors"].as_object().unwrap() {
        assert_eq!(gguf.columns[name], numbers(&tensor["means"]), "{name}");
    }
}

#[test]
fn experts_are_read_as_llama_quantize_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    let meant = &common::peer_json("imatrix.py", &["write", folder.path().to_str().unwrap()])[0];
    let [gguf, dat] =
        ["gguf", "dat"].map(|form| Imatrix::open(&folder.path().join(format!("experts.{form}"))).unwrap());
    assert_eq!(gguf.columns, columns(&meant["gguf"]));
    assert_eq!(dat.columns, columns(&meant["dat"]));
    let experts = "blk.0.ffn_down_exps.weight";
    assert_eq!(gguf.counts[experts], [700, 300, 0, 24]);
    assert_eq!(gguf.columns[experts][2 * 64..3 * 64], [1.0; 64], "no token reached the third");
    assert_eq!((gguf.chunks, gguf.chunk_tokens, gguf.datasets.len()), (2, 512, 2));
    assert!(gguf.entry(experts, &[64, 8, 4]).unwrap().is_some());
    assert!(gguf.entry("output.weight", &[64, 8]).unwrap().is_none());
}

#[test]
fn what_is_written_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    common::peer("imatrix.py", &["write", folder.path().to_str().unwrap()]);
    for source in [of_the_sample("gguf"), of_the_sample("dat"), folder.path().join("experts.gguf")] {
        let original = Imatrix::open(&source).unwrap();
        let written = folder.path().join("written.gguf");
        fs::write(&written, original.encode().unwrap()).unwrap();

        let again = Imatrix::open(&written).unwrap();
        let about = |i: &Imatrix| (i.datasets.clone(), i.chunks, i.chunk_tokens, i.counts.clone());
        assert_eq!(about(&again), about(&original), "{}", source.display());
        let peer = &common::peer_json("imatrix.py", &["read", written.to_str().unwrap()])[0];
        assert_eq!(peer["chunks"], original.chunks);
        assert_eq!(peer["datasets"], serde_json::json!(original.datasets));
        for (name, columns) in &original.columns {
            assert_near(&again.columns[name], columns, name);
            assert_eq!(again.columns[name], numbers(&peer["tensors"][name]["means"]), "{name}, read by gguf");
        }
    }
}

#[test]
fn names_are_chosen_by_their_parts() {
    let parts = |parts: &[&str]| parts.iter().map(|&part| part.to_owned()).collect::<Vec<_>>();
    let imatrix = Imatrix::open(&of_the_sample("gguf")).unwrap();
    let kept = imatrix.clone().include(&parts(&["attn_q", "blk.3."])).unwrap();
    assert_eq!(kept.columns.len(), 8 + 6);
    let kept = imatrix.clone().exclude(&parts(&["attn_q", "blk.3."])).unwrap();
    assert_eq!((kept.columns.len(), kept.counts.len()), (56 - 14, 56 - 14));
    let refused = imatrix.clone().include(&parts(&["attn_q", "atn_k"])).unwrap_err().to_string();
    assert!(refused.contains("sample.gguf") && refused.contains("atn_k") && refused.contains("56"), "{refused}");
    let refused = imatrix.exclude(&parts(&["weight"])).unwrap_err().to_string();
    assert!(refused.contains("all 56 entries"), "{refused}");
}

#[test]
fn factors_have_a_mean_of_one() {
    let columns = [3.0e38, 3.0e38, 1.0, 0.0];
    assert_eq!(factors(&columns).collect::<Vec<_>>(), [2.0, 2.0, (2.0 / 3.0e38) as f32, 0.0]);
    assert_eq!(factors(&[1e-42, 3e-42]).map(|f| (f * 10.0).round()).collect::<Vec<_>>(), [5.0, 15.0]);
    assert_eq!(factors(&[0.0; 3]).collect::<Vec<_>>(), [1.0; 3]);
}

fn weights(model: &Model, name: &str) -> Vec<f32> {
    let tensor = model.tensors.iter().find(|tensor| tensor.name == name).unwrap();
    let tuck::arch::Source::Stored { file, offset, format, .. } = &tensor.source else { panic!("{name} is computed") };
    let mut bytes = vec![0; format.bytes(tensor.weights()) as usize];
    model.files[*file].read_at(*offset, &mut bytes).unwrap();
    let mut weights = vec![0.0; tensor.weights() as usize];
    (format.dequantize)(&bytes, &mut weights);
    weights
}

/// The mean squared error of `format`, weighted by `factors`.
fn weighted_error(weights: &[f32], back: &[f32], factors: &[f32]) -> f64 {
    let squares = weights.iter().zip(back).zip(factors.iter().cycle());
    squares.map(|((&w, &b), &f)| f64::from(f) * (f64::from(w) - f64::from(b)).powi(2)).sum::<f64>()
        / weights.len() as f64
}

fn quantize(format: FormatRef, weights: &[f32], columns: &[f32]) -> Vec<u8> {
    let mut bytes = vec![0; format.bytes(weights.len() as u64) as usize];
    (format.quantize)(weights, Some(Importance { columns, first: 0 }), &mut bytes);
    bytes
}

/// The first layer of the sample against `ggml_quantize_chunk` with the same importance.
#[test]
fn no_matrix_is_further_off_than_ggmls() {
    let recorded: Json =
        serde_json::from_slice(&fs::read(common::root().join("tests/data/ggml_weighted_error.json")).unwrap()).unwrap();
    let imatrix = Imatrix::open(&of_the_sample("gguf")).unwrap();
    let model = Model::open(&common::sample()).unwrap();
    let tensors = recorded["tensors"].as_object().unwrap();
    assert_eq!(tensors.len(), 7);
    for (name, errors) in tensors {
        let weights = weights(&model, name);
        let factors: Vec<f32> = factors(&imatrix.columns[name]).collect();
        for (format, theirs) in errors.as_object().unwrap() {
            let format = format_from_name(format).unwrap();
            let mut back = vec![0.0; weights.len()];
            (format.dequantize)(&quantize(format, &weights, &factors), &mut back);
            let ratio = weighted_error(&weights, &back, &factors) / theirs.as_f64().unwrap();
            println!("{name} {format} {ratio:.4}");
            assert!(ratio <= 1.000_001, "{name} in {format}: {ratio:.4} times ggml's weighted squared error");
        }
    }
}
