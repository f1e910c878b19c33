//! Every block format against the Python package `gguf`: what it reads is what we read, bit for bit, and where it
//! writes as ggml does we write the same bytes.

use std::path::{Path, PathBuf};
use std::process::Command;
use tuck::quant::{
    BF16, Effort, F16, F32, FORMATS, Format, FormatRef, IQ3_S, IQ4_XS, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, Search,
};

/// The interpreter that has the pinned test peers.
fn python() -> PathBuf {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/bin/python");
    let python = std::env::var_os("TUCK_PEERS_PYTHON").map_or_else(default, PathBuf::from);
    assert!(
        python.exists(),
        "the test peers' Python is not at {}: run `make peers`, or name one with TUCK_PEERS_PYTHON",
        python.display()
    );
    python
}

/// Runs `tests/peers/SCRIPT.py FORMAT IN OUT` and returns what it wrote.
fn peer(script: &str, format: &Format, input: &[u8]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let (read, write) = (folder.path().join("in"), folder.path().join("out"));
    std::fs::write(&read, input).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/peers/{script}.py"));
    let run = Command::new(python()).arg(script).arg(format.name).arg(read).arg(&write).output().unwrap();
    assert!(run.status.success(), "{format}: {}", String::from_utf8_lossy(&run.stderr));
    std::fs::read(write).unwrap()
}

/// A generator of reproducible words.
fn words(mut state: u64) -> impl FnMut() -> u32 {
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 32) as u32
    }
}

fn random_bytes(count: usize, seed: u64) -> Vec<u8> {
    let mut word = words(seed);
    (0..count).map(|_| word() as u8).collect()
}

/// Bell-shaped weights with a few outliers, the magnitude changing from block to block.
fn random_weights(count: usize, seed: u64) -> Vec<f32> {
    let mut word = words(seed);
    let mut uniform = || word() as f32 / 4_294_967_296.0 - 0.5;
    (0..count)
        .map(|i| {
            let bell: f32 = (0..6).map(|_| uniform()).sum();
            let outlier = if i.is_multiple_of(97) { 6.0 } else { 1.0 };
            bell * outlier * 2f32.powi((i / 32 % 9) as i32 - 6)
        })
        .collect()
}

fn same_float(a: f32, b: f32) -> bool {
    a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()
}

#[test]
fn reads_what_gguf_reads() {
    for &format in FORMATS {
        let blocks = 65_536 * 4 / format.block_bytes;
        let bytes = if format.block_bytes == 2 {
            (0..=u16::MAX).flat_map(u16::to_le_bytes).collect()
        } else {
            random_bytes(blocks * format.block_bytes, 1)
        };
        let mut ours = vec![0.0; bytes.len() / format.block_bytes * format.block_weights];
        (format.dequantize)(&bytes, &mut ours);
        let theirs = peer("dequantize", format, &bytes);
        assert_eq!(theirs.len(), ours.len() * 4, "{format}");
        for (i, (&ours, theirs)) in ours.iter().zip(theirs.as_chunks().0).enumerate() {
            let theirs = f32::from_le_bytes(*theirs);
            assert!(same_float(ours, theirs), "{format}, weight {i}: {ours:e}, gguf has {theirs:e}");
        }
    }
}

#[test]
fn writes_what_ggml_writes() {
    for name in ["F32", "F16", "BF16", "Q8_0", "Q4_0"] {
        let format = tuck::quant::format_from_name(name).unwrap();
        let mut weights = random_weights(1 << 18, 2);
        // Whole numbers of a step: every one of Q8_0's roundings is a tie.
        for (i, w) in weights[..4096].iter_mut().enumerate() {
            *w = if i % 32 == 0 { 127.0 } else { (i % 251) as f32 - 125.5 };
        }
        let theirs = peer("quantize", format, bytemuck::cast_slice(&weights));
        let ours = quantize(format, &weights);
        let differ = ours.iter().zip(&theirs).position(|(a, b)| a != b);
        assert_eq!((differ, ours.len()), (None, theirs.len()), "{format}");
    }
}

#[test]
fn searches_beat_rounding() {
    for name in ["Q4_1", "Q5_0", "Q5_1"] {
        let format = tuck::quant::format_from_name(name).unwrap();
        let weights = random_weights(1 << 18, 6);
        let error = |bytes: &[u8]| {
            let mut back = vec![0.0; weights.len()];
            (format.dequantize)(bytes, &mut back);
            weights.iter().zip(&back).map(|(&w, &b)| f64::from(w - b).powi(2)).sum::<f64>()
        };
        let ours = error(&quantize(format, &weights));
        let theirs = error(&peer("quantize", format, bytemuck::cast_slice(&weights)));
        assert!(ours < 0.95 * theirs, "{format}: squared error {ours:e}, gguf's {theirs:e}");
    }
}

#[test]
fn no_tensor_of_the_sample_is_further_off_than_ggmls() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let recorded = std::fs::read(root.join("tests/data/ggml_error.json")).unwrap();
    let recorded: serde_json::Value = serde_json::from_slice(&recorded).unwrap();
    let model = std::fs::read(root.join("assets/sample/model.safetensors")).unwrap();
    let model = safetensors::SafeTensors::deserialize(&model).unwrap();
    for (name, errors) in recorded["tensors"].as_object().unwrap() {
        let tensor = model.tensor(name).unwrap();
        let source = tuck::quant::format_from_name(&format!("{:?}", tensor.dtype())).unwrap();
        let mut weights = vec![0.0; tensor.data().len() / source.block_bytes];
        (source.dequantize)(tensor.data(), &mut weights);
        for (format, theirs) in errors.as_object().unwrap() {
            let format = tuck::quant::format_from_name(format).unwrap();
            let mut back = vec![0.0; weights.len()];
            (format.dequantize)(&quantize(format, &weights), &mut back);
            let squares = weights.iter().zip(&back).map(|(&w, &b)| f64::from(w - b).powi(2));
            let ratio = squares.sum::<f64>() / weights.len() as f64 / theirs.as_f64().unwrap();
            let most = if matches!(format.name, "Q8_0" | "Q4_0") { 1.000_001 } else { 0.99 };
            assert!(ratio <= most, "{name} in {format}: {ratio:.4} times ggml's squared error");
        }
    }
}

#[test]
fn error_is_near_what_the_step_allows() {
    // b bits over a range of ±3 to ±4 standard deviations leave 3 to 5.3 times 4^-b of the energy; searches less.
    for &format in FORMATS.iter().filter(|f| !f.is_float()) {
        let weights = random_weights(1 << 16, 3);
        let bytes = quantize(format, &weights);
        let mut back = vec![0.0; weights.len()];
        (format.dequantize)(&bytes, &mut back);
        let energy: f64 = weights.iter().map(|&w| f64::from(w).powi(2)).sum();
        let error: f64 = weights.iter().zip(&back).map(|(&w, &b)| f64::from(w - b).powi(2)).sum();
        let bits = format.name.chars().find_map(|c| c.to_digit(10)).unwrap();
        let relative = error / energy * 4f64.powi(bits as i32);
        assert!(relative < 6.0, "{format} leaves {relative:.2} of what its bits allow");
    }
}

#[test]
fn what_a_simple_format_holds_it_keeps() {
    // Formats in which models are published: packing such a model again must not lose anything.
    for name in ["Q8_0", "MXFP4", "NVFP4", "TQ1_0", "TQ2_0", "Q1_0"] {
        let format = tuck::quant::format_from_name(name).unwrap();
        let weights = random_weights(1 << 16, 5);
        let bytes = quantize(format, &weights);
        let mut held = vec![0.0; weights.len()];
        (format.dequantize)(&bytes, &mut held);
        let mut again = vec![0.0; weights.len()];
        (format.dequantize)(&quantize(format, &held), &mut again);
        let differ = held.iter().zip(&again).position(|(a, b)| a != b);
        assert_eq!(differ.map(|i| (i, held[i], again[i])), None, "{format}");
    }
}

#[test]
fn odd_weights_are_harmless() {
    type Pattern = fn(usize) -> f32;
    let patterns: [(&str, Pattern); 7] = [
        ("zeros", |_| 0.0),
        ("a constant", |_| 0.75),
        ("a negative constant", |_| -3.0),
        ("subnormals", |i| f32::from_bits(i as u32 + 1)),
        ("smaller than any f16", |i| 1e-11 * i as f32),
        ("huge", |i| if i % 2 == 0 { 3e38 } else { -1e30 }),
        ("not finite", |i| [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1.0][i % 4]),
    ];
    for &format in FORMATS.iter().filter(|f| !f.is_float()) {
        for (name, pattern) in patterns {
            let weights: Vec<f32> = (0..512).map(pattern).collect();
            let mut back = vec![f32::NAN; weights.len()];
            (format.dequantize)(&quantize(format, &weights), &mut back);
            assert!(back.iter().all(|w| w.is_finite()), "{format}, {name}");
            let expected: fn(f32) -> f32 = match name {
                "zeros" | "subnormals" | "smaller than any f16" => |_| 0.0,
                "a constant" | "a negative constant" => |w| w,
                "not finite" => {
                    let as_zeros: Vec<f32> = weights.iter().map(|&w| if w.is_finite() { w } else { 0.0 }).collect();
                    assert_eq!(quantize(format, &weights), quantize(format, &as_zeros), "{format}, {name}");
                    continue;
                }
                _ => continue,
            };
            // The grids of these hold few points on their diagonal.
            let near =
                if ["IQ1", "IQ2", "IQ3"].contains(&&format.name[..3.min(format.name.len())]) { 0.3 } else { 2e-3 };
            for (w, b) in weights.iter().zip(&back) {
                let distance = (expected(*w) - b).abs();
                assert!(distance <= near * expected(*w).abs() + 2e-7, "{format}, {name}: {w:e} came back as {b:e}");
            }
        }
    }
}

#[test]
fn part_of_a_tile_is_written_as_in_a_whole_one() {
    for &format in FORMATS {
        let weights = random_weights(4096, 4);
        let whole = quantize(format, &weights);
        let blocks = 3;
        let part = quantize(format, &weights[..blocks * format.block_weights]);
        assert_eq!(part, whole[..blocks * format.block_bytes], "{format}");
    }
}

#[test]
fn a_longer_search_comes_closer_to_real_weights() {
    let bytes = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/sample/model.safetensors")).unwrap();
    let stored = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut matrices = Vec::new();
    for (name, tensor) in stored.iter().filter(|(name, tensor)| name.contains(".layers.") && tensor.shape().len() == 2)
    {
        if name.contains(".layers.0.") || name.contains(".layers.1.") {
            let float = [&F32, &F16, &BF16].into_iter().find(|f| f.name == format!("{:?}", tensor.dtype())).unwrap();
            let count = (tensor.data().len() / float.block_bytes).min(1 << 15);
            let mut weights = vec![0.0; count];
            (float.dequantize)(&tensor.data()[..count * float.block_bytes], &mut weights);
            matrices.push((name.to_owned(), weights));
        }
    }
    assert!(matrices.len() >= 14, "two layers of seven matrices");
    for format in [&Q2_K, &Q3_K, &Q4_K, &Q5_K, &Q6_K, &IQ4_XS, &IQ3_S] {
        let mut sums = [0.0; 2];
        for (name, weights) in &matrices {
            let error = |effort: Effort| {
                let mut bytes = vec![0; format.bytes(weights.len() as u64) as usize];
                (format.quantize)(weights, Search { effort, ..Search::default() }, &mut bytes);
                let mut back = vec![0.0; weights.len()];
                (format.dequantize)(&bytes, &mut back);
                weights.iter().zip(&back).map(|(w, b)| f64::from(w - b).powi(2)).sum::<f64>()
            };
            let [fast, best] = [Effort::Fast, Effort::Best].map(error);
            assert!(best <= fast * 1.001, "{format}, {name}: {best:e} instead of {fast:e}");
            sums = [sums[0] + fast, sums[1] + best];
        }
        println!("{format}: {:.5} of the fast search's error", sums[1] / sums[0]);
        assert!(sums[1] < sums[0], "{format}: {:e} instead of {:e}", sums[1], sums[0]);
    }
}

fn quantize(format: FormatRef, weights: &[f32]) -> Vec<u8> {
    let mut bytes = vec![0xaa; format.bytes(weights.len() as u64) as usize];
    (format.quantize)(weights, Search::default(), &mut bytes);
    bytes
}
