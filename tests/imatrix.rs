//! Importance matrices: files of llama.cpp and of other writers, what a pack makes of them, and what is refused.

mod common;

use common::jobs::request;
use common::packed::tensors;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tuck::engine::{Engine, PackOutput, PackRequest};
use tuck::gguf::read_header;
use tuck::imatrix::{Imatrix, factors};
use tuck::model::Model;
use tuck::quant::{FormatRef, Importance, Search, format_from_name};
use tuck::recipe::Recipe;

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
        fs::write(&written, Imatrix { path: written.clone(), ..original.clone() }.encode().unwrap()).unwrap();

        let again = Imatrix::open(&written).unwrap();
        let about = |i: &Imatrix| (i.datasets.clone(), i.chunks, i.chunk_tokens, i.counts.clone());
        assert_eq!(about(&again), about(&original), "{}", source.display());
        let peer = &common::peer_json("imatrix.py", &["read", written.to_str().unwrap()])[0];
        assert_eq!(peer["chunks"], original.chunks);
        assert_eq!(peer["datasets"], json!(original.datasets));
        for (name, columns) in &original.columns {
            assert_near(&again.columns[name], columns, name);
            assert_eq!(again.columns[name], numbers(&peer["tensors"][name]["means"]), "{name}, read by gguf");
        }
    }
    let theirs = of_the_sample("dat");
    let original = Imatrix::open(&theirs).unwrap();
    let written = folder.path().join("written.dat");
    fs::write(&written, Imatrix { path: written.clone(), ..original.clone() }.encode().unwrap()).unwrap();
    let again = Imatrix::open(&written).unwrap();
    let about = |i: &Imatrix| (i.datasets.clone(), i.chunks, i.chunk_tokens, i.counts.clone());
    assert_eq!(about(&again), about(&original));
    assert_eq!(fs::metadata(&written).unwrap().len(), fs::metadata(&theirs).unwrap().len());
    original.columns.iter().for_each(|(name, columns)| assert_near(&again.columns[name], columns, name));
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

/// The sample's weights, in the order of a GGUF file.
fn weights() -> BTreeMap<String, Vec<f32>> {
    let folder = tempfile::tempdir().unwrap();
    let file = common::pack(&common::sample(), "F32", folder.path(), &["--device", "cpu"]);
    tensors(&file).into_iter().map(|(name, tensor)| (name, tensor.weights())).collect()
}

/// The mean squared error of `format`, weighted by `factors`.
fn weighted_error(weights: &[f32], back: &[f32], factors: &[f32]) -> f64 {
    let squares = weights.iter().zip(back).zip(factors.iter().cycle());
    squares.map(|((&w, &b), &f)| f64::from(f) * (f64::from(w) - f64::from(b)).powi(2)).sum::<f64>()
        / weights.len() as f64
}

fn quantize(format: FormatRef, weights: &[f32], columns: &[f32]) -> Vec<u8> {
    let mut bytes = vec![0; format.bytes(weights.len() as u64) as usize];
    (format.quantize)(
        weights,
        Search { importance: Some(Importance { columns, first: 0 }), ..Search::default() },
        &mut bytes,
    );
    bytes
}

/// The first layer of the sample against `ggml_quantize_chunk` with the same importance: no type is worse, and no matrix
/// by more than 2 %.
#[test]
fn no_matrix_is_further_off_than_ggmls() {
    let recorded: Json =
        serde_json::from_slice(&fs::read(common::root().join("tests/data/ggml_weighted_error.json")).unwrap()).unwrap();
    let imatrix = Imatrix::open(&of_the_sample("gguf")).unwrap();
    let weights = weights();
    let tensors = recorded["tensors"].as_object().unwrap();
    assert_eq!(tensors.len(), 7);
    let mut logs: BTreeMap<&str, f64> = BTreeMap::new();
    for (name, errors) in tensors {
        let weights = &weights[name];
        let factors: Vec<f32> = factors(&imatrix.columns[name]).collect();
        for (format, theirs) in errors.as_object().unwrap() {
            let format = format_from_name(format).unwrap();
            let mut back = vec![0.0; weights.len()];
            (format.dequantize)(&quantize(format, weights, &factors), &mut back);
            let ratio = weighted_error(weights, &back, &factors) / theirs.as_f64().unwrap();
            println!("{name} {format} {ratio:.4}");
            assert!(ratio <= 1.02, "{name} in {format}: {ratio:.4} times ggml's weighted squared error");
            *logs.entry(format.name).or_default() += ratio.ln();
        }
    }
    for (format, log) in logs {
        let ratio = (log / tensors.len() as f64).exp();
        assert!(ratio <= 1.000_001, "{format}: {ratio:.4} times ggml's weighted squared error in the geometric mean");
    }
}

/// What the engine writes for `model`, on the processor.
fn packed(model: Model, recipe: Recipe, folder: &Path) -> Vec<u8> {
    let path = folder.join("out.gguf");
    let outputs = vec![PackOutput { recipe, path: path.clone() }];
    let request =
        PackRequest { model: Arc::new(model), outputs, overwrite: true, ..request(&common::sample(), "COPY", &path) };
    common::jobs::packed(&mut Engine::start(Box::new(|| {})), request);
    fs::read(path).unwrap()
}

fn tensor_bytes<'a>(file: &'a [u8], name: &str) -> (FormatRef, &'a [u8]) {
    let header = read_header(file, file.len() as u64).unwrap();
    let tensor = header.tensors.iter().find(|tensor| tensor.name == name).unwrap();
    (tensor.format, &file[tensor.offset as usize..][..tensor.bytes as usize])
}

#[test]
fn each_expert_is_searched_with_its_own_importance() {
    let name = "blk.1.ffn_down.weight";
    let mut model = Model::open(&common::sample()).unwrap();
    let weights = &weights()[name];
    // A matrix of the sample, taken as four experts; the header is longer by their number.
    model.tensors.iter_mut().find(|tensor| tensor.name == name).unwrap().shape = vec![768, 64, 4];
    model.header_len += 8;
    let columns: Vec<f32> = (0..4 * 768).map(|i| if i / 768 == 2 { 0.0 } else { (i * 7 % 1000) as f32 }).collect();
    let imatrix = Imatrix { columns: BTreeMap::from([(name.to_owned(), columns.clone())]), ..Imatrix::default() };
    let recipe = Recipe {
        imatrix: Some(Arc::new(imatrix)),
        ..Recipe::parse("Q4_K_M", &["ffn_down=IQ4_XS".to_owned()]).unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let file = packed(model, recipe, folder.path());
    let (format, found) = tensor_bytes(&file, name);
    let experts = weights.chunks(64 * 768).zip(columns.chunks(768));
    let expected: Vec<u8> = experts
        .flat_map(|(weights, columns)| quantize(format, weights, &factors(columns).collect::<Vec<_>>()))
        .collect();
    assert!(found == expected, "{format}");
}

#[test]
fn a_pack_with_it_loses_less_of_what_counts() {
    let (folder, sample, imatrix) = (tempfile::tempdir().unwrap(), common::sample(), of_the_sample("gguf"));
    let named = ["--device", "cpu", "--imatrix", imatrix.to_str().unwrap()];
    let plain = fs::read(common::pack(&sample, "Q4_K_M", folder.path(), &named[..2])).unwrap();
    let weighted =
        fs::read(common::pack(&sample, "Q4_K_M", folder.path(), &[&named[..], &["--force"]].concat())).unwrap();

    let weights = weights();
    let imatrix = Imatrix::open(&imatrix).unwrap();
    let mut errors = [0.0; 2];
    for (name, columns) in &imatrix.columns {
        let (weights, factors) = (&weights[name], factors(columns).collect::<Vec<_>>());
        for (error, file) in errors.iter_mut().zip([&plain, &weighted]) {
            let (format, bytes) = tensor_bytes(file, name);
            let mut back = vec![0.0; weights.len()];
            (format.dequantize)(bytes, &mut back);
            *error += weighted_error(weights, &back, &factors);
        }
    }
    assert!(errors[1] < 0.97 * errors[0], "weighted errors: plain {:e}, with importance {:e}", errors[0], errors[1]);
    // Nothing else differs: the tied embedding has no entry.
    assert_eq!(tensor_bytes(&plain, "token_embd.weight"), tensor_bytes(&weighted, "token_embd.weight"));
}

#[test]
fn the_command_line_says_how_far_it_reaches() {
    let (sample, imatrix) = (common::sample(), of_the_sample("dat"));
    let run = |more: &[&str]| {
        let fixed = ["pack", sample.to_str().unwrap(), "-t", "q4_k_m", "--dry-run", "--json", "--imatrix"];
        let output = common::tuck(&[&fixed[..], &[imatrix.to_str().unwrap()], more].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let report: Json = serde_json::from_slice(&output.stdout).unwrap();
        (report["imatrix"].clone(), String::from_utf8(output.stderr).unwrap())
    };
    let (report, warnings) = run(&[]);
    assert_eq!((&report["weighted"], &report["chunks"]), (&json!(56), &json!(20)));
    assert_eq!(report["plain"], json!(["token_embd.weight"]));
    assert_eq!(warnings, "", "the embedding never has an entry");
    let (report, warnings) = run(&["--include-weights", "attn_v", "--include-weights", "blk.2."]);
    assert_eq!(report["weighted"], 8 + 6);
    assert_eq!(warnings, "", "what was left out on purpose is no news");
    assert_eq!(run(&["--exclude-weights", "ffn"]).0["weighted"], 56 - 24);
}

/// The message with which the command line refuses an imatrix.
fn refused(imatrix: &Path, more: &[&str]) -> String {
    let sample = common::sample();
    let fixed = ["pack", sample.to_str().unwrap(), "-t", "q4_k_m", "--dry-run", "--imatrix", imatrix.to_str().unwrap()];
    let output = common::tuck(&[&fixed[..], more].concat());
    assert!(!output.status.success(), "{} is not refused", imatrix.display());
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn one_of_another_model_is_refused_or_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    common::peer("imatrix.py", &["write", folder.path().to_str().unwrap()]);
    let other = folder.path().join("experts.dat");
    let message = refused(&other, &[]);
    for word in
        ["experts.dat", "blk.0.attn_q.weight", "32 values", "256 columns", "--exclude-weights blk.0.attn_q.weight"]
    {
        assert!(message.contains(word), "{word:?} in {message}");
    }
    let sample = common::sample();
    let fixed = ["pack", sample.to_str().unwrap(), "-t", "q4_k_m", "--dry-run", "--imatrix", other.to_str().unwrap()];
    let output = common::tuck(&[&fixed[..], &["--exclude-weights", "attn_q"]].concat());
    let warnings = String::from_utf8(output.stderr).unwrap();
    assert!(warnings.contains("no entry for 55 tensors") && warnings.contains("ffn_up (8 layers)"), "{warnings}");
    assert!(
        warnings.contains("1 entry that the model has no tensor for") && warnings.contains("ffn_down_exps"),
        "{warnings}"
    );

    let both = ["--include-weights", "ffn", "--exclude-weights", "attn"];
    assert!(refused(&of_the_sample("gguf"), &both).contains("cannot be used with"));
    let all = ["--exclude-weights", "ffn_", "--exclude-weights", "attn_"];
    assert!(refused(&of_the_sample("gguf"), &all).contains("all 56 entries would be left out"));
    assert!(refused(&folder.path().join("nothing.gguf"), &[]).contains("nothing.gguf"));
    assert!(refused(folder.path(), &[]).contains("not a file"));
    assert!(refused(&common::sample().join("config.json"), &[]).contains("neither"));
}
