//! The forward pass: logits of every family's tiny model equal llama.cpp's, and figures equal llama-perplexity's.

mod common;

use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::path::Path;
use tuck::cpu::forward::{Matrices, Matrix, Runner};
use tuck::forward::{self, Facts, Program, RESIDUAL, Register};
use tuck::gpu;
use tuck::gpu::forward::Multiply;
use tuck::imatrix::Imatrix;
use tuck::model::Model;

/// Tokens that are run.
const COUNT: usize = 64;
/// llama.cpp makes a context of 64 tokens as long as this.
const CONTEXT: usize = 256;

/// Precisions of models that other cards have too, as tests/peers/family_logits.py leaves them out.
const LEFT_OUT: &[&str] = &["-fp8", "-f64", "-gptq", "-awq", "-int"];

fn references() -> BTreeMap<String, Json> {
    let json = common::vocab::json(&common::root().join("tests/data/family_logits.json"));
    json.as_object().unwrap().clone().into_iter().collect()
}

/// The tensors of a GGUF file, all of them.
fn load(model: &Model) -> Matrices {
    let matrix = |tensor: &tuck::arch::Tensor| {
        let format = tensor.stored_format();
        let mut bytes = vec![0; format.bytes(tensor.weights()) as usize];
        let part = &tensor.parts()[0];
        model.files[part.at.file].read_at(part.at.offset, &mut bytes).unwrap();
        (tensor.name.clone(), Matrix { format, shape: tensor.shape.clone(), bytes })
    };
    model.tensors.iter().map(matrix).collect()
}

/// Runs a program on rows, which come back changed, and gives those of a register.
type Run<'a> = &'a mut dyn FnMut(&Program, &Matrices, &mut Vec<f32>, Register) -> Vec<f32>;

fn on_the_processor(program: &Program, matrices: &Matrices, rows: &mut Vec<f32>, wanted: Register) -> Vec<f32> {
    Runner { matrices, chunk: COUNT }.run(program, rows, wanted, &mut |_, _, _| {})
}

/// Logits of the tokens that tests/peers/family_logits.py runs.
fn logits(file: &Path, run: Run<'_>) -> Vec<f32> {
    let model = Model::open(file).unwrap();
    let matrices = load(&model);
    let factors = forward::factors(&model, CONTEXT).map(|name| matrices[name].floats());
    let facts = Facts::of(&model, factors.as_deref()).unwrap();
    let table = &matrices["token_embd.weight"];
    let (width, size) = (table.shape[0] as usize, table.shape[1] as usize);
    let embeddings = table.floats();
    let tokens = (0..COUNT).map(|i| (31 * i * i + 17 * i + 5) % size);
    let mut rows: Vec<f32> = tokens.flat_map(|token| embeddings[token * width..][..width].to_vec()).collect();
    run(&forward::embedding(&model, &facts).unwrap(), &matrices, &mut rows, RESIDUAL);
    for layer in 0..forward::layers(&model) {
        run(&forward::layer(&model, &facts, layer).unwrap(), &matrices, &mut rows, RESIDUAL);
    }
    let (program, logits) = forward::output(&model, &facts).unwrap();
    run(&program, &matrices, &mut rows, logits)
}

/// The error of the sampled logits relative to their size, and the largest of any row's size.
fn errors(found: &[f32], reference: &Json) -> (f64, f64) {
    let size = found.len() / COUNT;
    let numbers = |json: &Json| -> Vec<f64> { json.as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).collect() };
    let (positions, tokens) = (numbers(&reference["positions"]), numbers(&reference["tokens"]));
    let (mut difference, mut all) = (0.0, 0.0);
    for (position, expected) in positions.iter().zip(reference["logits"].as_array().unwrap()) {
        for (token, expected) in tokens.iter().zip(numbers(expected)) {
            let own = f64::from(found[*position as usize * size + *token as usize]);
            difference += (own - expected).powi(2);
            all += expected.powi(2);
        }
    }
    let rms = |row: &[f32]| (row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / row.len() as f64).sqrt();
    let rows = found.chunks(size).zip(numbers(&reference["rms"]));
    let largest = rows.map(|(row, expected)| (rms(row) / expected - 1.0).abs()).fold(0.0, f64::max);
    ((difference / all).sqrt(), largest)
}

#[test]
fn logits_of_every_family_equal_llama_cpps() {
    every_family(&mut on_the_processor);
}

#[test]
fn logits_of_every_family_on_every_device_equal_llama_cpps() {
    for device in common::devices::devices() {
        let single = if device.is_cpu() { Multiply::Plain } else { Multiply::Single };
        let mut runner = gpu::forward::Runner::with(&device, None, single, gpu::Checks::Off).unwrap();
        every_family(&mut |program, matrices, rows, wanted| {
            let mut weights = gpu::forward::Weights::default();
            runner.load(&mut weights, program, matrices).unwrap();
            runner.run(&weights, program, rows, wanted, COUNT, None).unwrap()
        });
    }
}

fn every_family(run: Run<'_>) {
    let folder = tempfile::tempdir().unwrap();
    let references = references();
    let mut wrong = Vec::new();
    let mut seen = 0;
    for card in common::families::make(folder.path()) {
        let Some(reference) = references.get(&card.name) else {
            assert!(
                !card.runs() || card.embeds() || LEFT_OUT.iter().any(|part| card.name.contains(part)),
                "{}",
                card.name
            );
            continue;
        };
        let file = common::pack(&card.folder, "F32", folder.path(), &["--device", "cpu"]);
        let (error, row) = errors(&logits(&file, run), reference);
        seen += 1;
        if std::env::var_os("TUCK_SHOW").is_some() {
            println!("{:24} {error:.2e} {row:.2e}", card.name);
        }
        if !(error < 1e-3 && row < 1e-3) {
            wrong.push(format!("{}: {error:.2e} of the sampled logits, {row:.2e} of a row", card.name));
        }
    }
    assert_eq!(seen, references.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What llama-perplexity says of files that Tuck packs of the sample, on the same chunks; made by
/// tests/peers/perplexity_references.py.
fn perplexities() -> Json {
    common::vocab::json(&common::root().join("tests/data/perplexity.json"))
}

fn measure(arguments: &[&str]) -> Json {
    let mut all = vec!["measure"];
    all.extend(arguments);
    all.push("--json");
    serde_json::from_str(&common::tuck_ok(&all)).unwrap()
}

fn assert_within_a_percent(found: &Json, expected: &Json, what: &str) {
    let (found, expected) = (found["value"].as_f64().unwrap(), expected.as_f64().unwrap());
    assert!((found / expected - 1.0).abs() < 0.01, "{what}: {found}, and llama-perplexity says {expected}");
}

#[test]
fn perplexity_and_divergence_equal_those_of_llama_perplexity() {
    let folder = tempfile::tempdir().unwrap();
    let references = perplexities();
    let (context, chunks) = (references["context"].to_string(), references["chunks"].to_string());
    let original = common::pack(&common::sample(), "F16", folder.path(), &["--device", "cpu"]);
    let original = original.to_str().unwrap();
    for (kind, expected) in references["files"].as_object().unwrap() {
        let file = common::pack(&common::sample(), kind, folder.path(), &["--device", "cpu", "--force"]);
        let picture = folder.path().join("picture.svg");
        let (file, drawn) = (file.to_str().unwrap(), picture.to_str().unwrap());
        let arguments = [file, "--against", original, "--ctx", &context, "--chunks", &chunks, "--svg", drawn];
        let found = measure(&arguments);
        let picture = std::fs::read_to_string(&picture).unwrap();
        assert!(picture.starts_with("<svg") && picture.contains("Tokens by KL divergence"));
        assert_within_a_percent(&found["perplexity"], &expected["perplexity"], kind);
        if expected["kl_divergence"].is_null() {
            assert_eq!(found["kl_divergence"]["mean"]["value"], 0.0, "{kind} against itself");
            continue;
        }
        assert_within_a_percent(&found["kl_divergence"]["mean"], &expected["kl_divergence"], kind);
        let same = found["same_top"]["value"].as_f64().unwrap() - expected["same_top"].as_f64().unwrap();
        assert!(same.abs() < 0.01, "{kind}: {}", found["same_top"]);
        // What is not written yet is measured as what is written.
        let unwritten = measure(&[original, "--type", kind, "--ctx", &context, "--chunks", &chunks]);
        for figure in ["perplexity", "kl_divergence", "layer_errors"] {
            assert_eq!(unwritten[figure], found[figure], "{kind}");
        }
    }
}

#[test]
fn every_device_measures_what_the_processor_does() {
    let folder = tempfile::tempdir().unwrap();
    let original = common::pack(&common::sample(), "F16", folder.path(), &["--device", "cpu"]);
    let original = original.to_str().unwrap();
    let on = |device: &str| {
        let how = ["--type", "Q4_K_M", "--ctx", "128", "--chunks", "4", "--device", device, "--device-memory", "64M"];
        measure(&[&[original], &how[..]].concat())
    };
    let expected = on("cpu");
    assert_eq!(expected["device"], "CPU");
    for device in gpu::devices() {
        let found = on(device.name());
        assert!(found["device"].as_str().unwrap().contains(device.name()));
        for (figure, error) in [("perplexity", 1e-3), ("reference_perplexity", 1e-3)] {
            let [own, right] = [&found, &expected].map(|json| json[figure]["value"].as_f64().unwrap());
            assert!((own / right - 1.0).abs() < error, "{figure} on {device}: {own}, and {right} on the processor");
        }
        let [own, right] = [&found, &expected].map(|json| json["kl_divergence"]["mean"]["value"].as_f64().unwrap());
        assert!((own / right - 1.0).abs() < 0.01, "divergence on {device}: {own}, and {right} on the processor");
    }
}

#[test]
fn an_importance_matrix_equals_that_of_llama_imatrix() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("imatrix.gguf");
    let model = common::pack(&common::sample(), "F16", folder.path(), &["--device", "cpu"]);
    let text = common::sample().join("calibration.txt");
    let (model, text, path_text) = (model.to_str().unwrap(), text.to_str().unwrap(), path.to_str().unwrap());
    let arguments = ["calibrate", model, "--text", text, "--chunks", "20", "-o", path_text];
    common::tuck_ok(&arguments);
    let refused = common::tuck(&arguments);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--force"));
    let ours = Imatrix::open(&path).unwrap();
    let theirs = Imatrix::open(&common::root().join("tests/data/imatrix/sample.gguf")).unwrap();
    assert!(ours.columns.keys().eq(theirs.columns.keys()));
    assert_eq!((&ours.counts, ours.chunks, ours.chunk_tokens), (&theirs.counts, theirs.chunks, theirs.chunk_tokens));
    for (name, columns) in &ours.columns {
        let sum = |columns: &[f32]| columns.iter().map(|x| f64::from(*x)).sum::<f64>();
        let pairs = columns.iter().zip(&theirs.columns[name]);
        let difference: f64 = pairs.map(|(a, b)| f64::from((a - b).abs())).sum();
        assert!(difference < 0.01 * sum(&theirs.columns[name]), "{name}: {difference} of {}", sum(columns));
    }
}

#[test]
fn what_cannot_be_measured_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let sample = common::sample();
    let sample = sample.to_str().unwrap();
    let short = folder.path().join("short.txt");
    std::fs::write(&short, "Too short.").unwrap();
    let short = short.to_str().unwrap();
    let missing = folder.path().join("missing.txt");
    let missing = missing.to_str().unwrap();
    let cases: [(&[&str], &str); 5] = [
        (&[sample, "--ctx", "4"], "takes from 8 to"),
        (&[sample, "--ctx", "1000000"], "takes from 8 to"),
        (&[sample, "--text", short], "fewer than the 512"),
        (&[sample, "--text", missing], "could not be read"),
        (&[sample, "--type", "Q9"], "there is no type"),
    ];
    for (arguments, words) in cases {
        let output = common::tuck(&[&["measure"], arguments].concat());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && stderr.contains(words), "{arguments:?}: {stderr}");
    }
    let bert = common::peer("family_models.py", &[folder.path().to_str().unwrap(), "bert"]);
    let output = common::tuck(&["measure", bert.trim()]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && stderr.contains("bert"), "{stderr}");
}
