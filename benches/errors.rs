//! How close every format comes to real weights, beside ggml's own quantizer in the same bytes.
//!
//!     TUCK_PEERS_PYTHON=target/peers/bin/python cargo bench --bench errors -- MODEL.safetensors...
//!
//! The squared error relative to `ggml_quantize_chunk`'s on the same weights: plain, and with a made-up importance of the
//! columns that both get and both are judged by. On the sample model and every file given; with `TUCK_EFFORT=best` our
//! searches take their time.

use rayon::prelude::*;
use safetensors::{Dtype, SafeTensors};
use std::path::{Path, PathBuf};
use std::process::Command;
use tuck::quant::{BF16, Effort, F16, F32, FORMATS, FormatRef, Importance, Search};

/// Weights in a row. Blocks divide it, so that rows can be cut anywhere.
const ROW: usize = 256;

/// The formats people use most, whose geometric mean is printed too.
const USUAL: &[&str] = &["Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_XS", "IQ3_S"];

fn main() {
    let python = std::env::var_os("TUCK_PEERS_PYTHON").expect("TUCK_PEERS_PYTHON, an interpreter with llama_cpp");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sample = root.join("assets/sample/model.safetensors");
    let given = std::env::args_os().skip(1).map(PathBuf::from).filter(|path| path.is_file());
    let factors = factors();
    for model in std::iter::once(sample).chain(given) {
        let weights = model_weights(&model);
        println!(
            "{}: {} weights; squared error relative to ggml's, plain and weighted",
            model.display(),
            weights.len()
        );
        let theirs = [None, Some(&factors[..])].map(|factors| ggml(&python, &weights, factors));
        let mut usual = [0.0, 0.0];
        for &format in FORMATS.iter().filter(|format| !format.is_float()) {
            let ratios = [None, Some(&factors[..])].map(|factors| {
                let theirs = &theirs[usize::from(factors.is_some())];
                let theirs = theirs["total"][format.name]["mse"].as_f64().expect("ggml's error");
                error(format, &weights, factors) / theirs
            });
            println!("  {:<8}{:>8.4}{:>8.4}", format.name, ratios[0], ratios[1]);
            if USUAL.contains(&format.name) {
                usual = [0, 1].map(|i| usual[i] + f64::ln(ratios[i]) / USUAL.len() as f64);
            }
        }
        println!(
            "  {:<8}{:>8.4}{:>8.4}  (geometric mean of {})",
            "usual",
            usual[0].exp(),
            usual[1].exp(),
            USUAL.join(", ")
        );
    }
}

/// Importance as measured on models: a bell curve of logarithms, some columns far out.
fn factors() -> Vec<f32> {
    let mut state = 7u64;
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    let factors: Vec<f32> = (0..ROW).map(|_| (0..4).map(|_| uniform()).sum::<f32>().exp2().powi(3)).collect();
    let mean = factors.iter().sum::<f32>() / ROW as f32;
    factors.iter().map(|factor| factor / mean).collect()
}

/// How long our searches look: `TUCK_EFFORT`, fast where it is not set.
fn effort() -> Effort {
    let Some(name) = std::env::var_os("TUCK_EFFORT") else { return Effort::Fast };
    let named = Effort::ALL.iter().find(|effort| name == effort.name());
    *named.expect("TUCK_EFFORT, if it is set, is fast or best")
}

/// The mean of our squared errors, by the factors.
fn error(format: FormatRef, weights: &[f32], factors: Option<&[f32]>) -> f64 {
    let how = Search { importance: factors.map(|columns| Importance { columns, first: 0 }), effort: effort() };
    let parts = weights.par_chunks(ROW * 16).map(|weights| {
        let mut bytes = vec![0; format.bytes(weights.len() as u64) as usize];
        (format.quantize)(weights, how, &mut bytes);
        let mut back = vec![0.0; weights.len()];
        (format.dequantize)(&bytes, &mut back);
        let square = |(i, (&w, &b)): (usize, (&f32, &f32))| {
            factors.map_or(1.0, |factors| f64::from(factors[i % ROW])) * f64::from(w - b).powi(2)
        };
        weights.iter().zip(&back).enumerate().map(square).sum::<f64>()
    });
    parts.sum::<f64>() / weights.len() as f64
}

/// ggml's errors on the same weights.
fn ggml(python: &std::ffi::OsStr, weights: &[f32], factors: Option<&[f32]>) -> serde_json::Value {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("weights.f32");
    std::fs::write(&file, bytemuck::cast_slice::<f32, u8>(weights)).expect("room for the weights");
    let names: Vec<_> = FORMATS.iter().filter(|format| !format.is_float()).map(|format| format.name).collect();
    let mut run = Command::new(python);
    run.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/ggml_error.py"));
    run.arg(format!("{}:{ROW}", file.display())).args(["--types", &names.join(",")]);
    if let Some(factors) = factors {
        let file = folder.path().join("factors.f32");
        std::fs::write(&file, bytemuck::cast_slice::<f32, u8>(factors)).expect("room for the factors");
        run.arg("--importance").arg(file);
    }
    let run = run.output().expect("the interpreter starts");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    serde_json::from_slice(&run.stdout).expect("a line of JSON")
}

/// Up to 16,384 weights from the middle of every matrix of a model.
fn model_weights(path: &Path) -> Vec<f32> {
    let bytes = std::fs::read(path).expect("a readable model");
    let tensors = SafeTensors::deserialize(&bytes).expect("a safetensors file").tensors();
    let mut weights = vec![];
    for (_, tensor) in tensors.iter().filter(|(_, tensor)| tensor.shape().len() == 2) {
        let format: FormatRef = match tensor.dtype() {
            Dtype::F32 => &F32,
            Dtype::F16 => &F16,
            Dtype::BF16 => &BF16,
            _ => continue,
        };
        let count = tensor.data().len() / format.block_bytes;
        let take = count.min(1 << 14) / 256 * 256;
        let first = (count - take) / 2 / 256 * 256;
        let from = weights.len();
        weights.resize(from + take, 0.0);
        (format.dequantize)(
            &tensor.data()[first * format.block_bytes..][..take * format.block_bytes],
            &mut weights[from..],
        );
    }
    weights
}
