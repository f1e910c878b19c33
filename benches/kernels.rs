//! How fast every kernel runs on every device of this machine, and how close its blocks come to the weights.
//!
//!     cargo bench --bench kernels
//!
//! Speed is taken on 16 Mi random weights in F16, from a filled input to a readable output. The error is compared with
//! ggml's own quantizer where `TUCK_PEERS_PYTHON` names an interpreter with the test peers, on the weights of the sample
//! model and of every .safetensors file given as an argument.

use rayon::prelude::*;
use safetensors::{Dtype, SafeTensors};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tuck::cpu::CpuRunner;
use tuck::gpu::{self, GpuRunner};
use tuck::graph::{Recording, Runner, SlotSize};
use tuck::quant::{BF16, F16, F32, FORMATS, FormatRef};

fn main() {
    let weights = bells(1 << 24);
    let mut runners: Vec<Box<dyn Runner>> = vec![Box::new(CpuRunner::new(0))];
    for adapter in gpu::devices() {
        match GpuRunner::new(&adapter) {
            Ok(runner) => runners.push(Box::new(runner)),
            Err(error) => println!("{adapter}: {error}"),
        }
    }
    for runner in &runners {
        println!("\n{}: million weights a second", runner.name());
        println!("{:<8}{:>14}{:>14}", "format", "F16 to it", "it to F32");
        for &format in FORMATS {
            let quantize = rate(&**runner, &F16, format, &weights);
            let dequantize = rate(&**runner, format, &F32, &weights);
            println!("{:<8}{quantize:>14.0}{dequantize:>14.0}", format.name);
        }
    }
    errors();
}

/// Bell-shaped weights, the magnitude changing from block to block.
fn bells(count: usize) -> Vec<f32> {
    let mut state = 1u64;
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    (0..count).map(|i| (0..4).map(|_| uniform()).sum::<f32>() * (0.02 + (i / 32 % 7) as f32 * 0.01)).collect()
}

/// The best of runs that last at least half a second together, in million weights a second.
fn rate(runner: &dyn Runner, from: FormatRef, to: FormatRef, weights: &[f32]) -> f64 {
    let limit = runner.slot_limit();
    let largest = (limit.input.min(limit.output) / 4).min(weights.len() as u64);
    let weights = &weights[..largest as usize / 256 * 256];
    let mut bytes = vec![0; from.bytes(weights.len() as u64) as usize];
    let blocks = 1 << 12;
    let parts = bytes.par_chunks_mut(blocks * from.block_bytes).zip(weights.par_chunks(blocks * from.block_weights));
    parts.for_each(|(bytes, weights)| (from.quantize)(weights, None, bytes));
    let mut recording = Recording::default();
    let (read, _) = recording.convert(from, to, weights.len() as u64);
    let size =
        SlotSize { input: recording.input_bytes, scratch: recording.scratch_bytes, output: recording.output_bytes };
    let mut slot = runner.slot(size).expect("the device has room for one slot");
    let (mut best, begin) = (Duration::MAX, Instant::now());
    for run in 0.. {
        let input = slot.input(recording.input_bytes).expect("the device is there");
        input[read.start as usize..read.end as usize].copy_from_slice(&bytes);
        let start = Instant::now();
        slot.submit(&recording).expect("the device is there");
        slot.output().expect("the device is there");
        best = best.min(start.elapsed());
        if run >= 3 && begin.elapsed() > Duration::from_millis(500) {
            break;
        }
    }
    weights.len() as f64 / best.as_secs_f64() / 1e6
}

/// Prints the squared error relative to ggml's, model by model.
fn errors() {
    let Some(python) = std::env::var_os("TUCK_PEERS_PYTHON") else {
        println!("\nSet TUCK_PEERS_PYTHON to compare errors with ggml's.");
        return;
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sample = root.join("assets/sample/model.safetensors");
    let given = std::env::args_os().skip(1).map(PathBuf::from).filter(|path| path.is_file());
    let formats: Vec<_> = FORMATS.iter().filter(|format| !format.is_float()).collect();
    println!("\nmean squared error relative to ggml's");
    for model in std::iter::once(sample).chain(given) {
        println!("{}", model.display());
        let weights = model_weights(&model);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("weights.f32");
        std::fs::write(&file, bytemuck::cast_slice::<f32, u8>(&weights)).expect("room for the weights");
        let script = root.join("tests/peers/ggml_error.py");
        let run = Command::new(&python).arg(script).arg(format!("{}:256", file.display())).output();
        let run = run.expect("the interpreter starts");
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        let ggml: serde_json::Value = serde_json::from_slice(&run.stdout).expect("a line of JSON");
        for format in &formats {
            let mut bytes = vec![0; format.bytes(weights.len() as u64) as usize];
            (format.quantize)(&weights, None, &mut bytes);
            let mut back = vec![0.0; weights.len()];
            (format.dequantize)(&bytes, &mut back);
            let squares = weights.iter().zip(&back).map(|(&w, &b)| f64::from(w - b).powi(2));
            let error = squares.sum::<f64>() / weights.len() as f64;
            let theirs = ggml["total"][format.name]["mse"].as_f64().expect("ggml's error");
            println!("  {:<8}{:>8.4}", format.name, error / theirs);
        }
    }
}

/// Up to 65,536 weights from the middle of every matrix of a model.
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
        let take = count.min(1 << 16) / 256 * 256;
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
