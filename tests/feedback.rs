//! Blocks chosen by error feedback: what they cost, what they cannot be, and packing with them.

mod common;

use common::grams::{costs, gram, noise};
use common::jobs::{computing, follow, gpu, large, packed, request};
use serde_json::Value as Json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command as Process;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tuck::engine::{Command, Computing, DeviceChoice, Engine, EventKind, PackRequest};
use tuck::feedback::{self, BAND, Costs, Hessian, HessianError};
use tuck::imatrix::{Gram, GramPlan, GramWriter};
use tuck::quant::{Effort, FORMATS, Format, FormatRef, IQ4_XS, Importance, PARTS, Q4_0, Q4_K, Search};
use tuck::recipe::Recipe;

const GO_ON: &(dyn Fn() -> bool + Sync) = &|| false;

fn hessian(gram: &[f32], columns: usize) -> Hessian {
    Hessian::new(gram, columns, 0.01, GO_ON).unwrap().unwrap()
}

fn feed_back(weights: &[f32], hessian: &Hessian, format: FormatRef, sweeps: usize) -> (Vec<u8>, Costs) {
    let mut blocks = vec![0; format.bytes(weights.len() as u64) as usize];
    let costs = feedback::quantize(weights, hessian, format, sweeps, GO_ON, &mut blocks).unwrap();
    (blocks, costs)
}

/// The search of the format, with H's diagonal as importance.
fn searched(weights: &[f32], format: &Format, gram: &[f32], columns: usize) -> Vec<u8> {
    let diagonal: Vec<f32> = (0..columns).map(|i| gram[i * columns + i]).collect();
    let damped: Vec<f32> = tuck::imatrix::factors(&diagonal).map(|factor| factor + 0.01).collect();
    let factors: Vec<f32> = tuck::imatrix::factors(&damped).collect();
    let importance = Some(Importance { columns: &factors, first: 0 });
    let mut blocks = vec![0; format.bytes(weights.len() as u64) as usize];
    (format.quantize)(weights, Search { importance, effort: Effort::Best }, &mut blocks);
    blocks
}

#[test]
fn no_sweep_costs_more_and_no_row_more_than_searched() {
    let columns = 512;
    let gram = gram(columns, 1);
    let hessian = hessian(&gram, columns);
    let weights = noise((BAND + 3) * columns, 4);
    for format in FORMATS.iter().copied().filter(|format| feedback::supports(format)) {
        let (blocks, found) = feed_back(&weights, &hessian, format, 6);
        for (n, pair) in found.sweeps.windows(2).enumerate() {
            assert!(pair[1] <= pair[0] * (1.0 + 1e-6), "{format}, sweep {n}: {} to {}", pair[0], pair[1]);
        }
        let exact = costs(&weights, format, &blocks, &gram, columns);
        let sum: f64 = exact.iter().sum();
        let last = *found.sweeps.last().unwrap();
        assert!((last / sum - 1.0).abs() < 1e-3, "{format}: {last} was told, and {sum} it is");
        let plain = searched(&weights, format, &gram, columns);
        let plain = costs(&weights, format, &plain, &gram, columns);
        for (row, (exact, plain)) in exact.iter().zip(&plain).enumerate() {
            assert!(*exact <= plain * (1.0 + 1e-4), "{format}, row {row}: {exact}, and searched {plain}");
        }
        let descends = PARTS.iter().any(|parts| parts.format == format);
        let least = if descends { 0.8 } else { 0.97 };
        let plain: f64 = plain.iter().sum();
        assert!(sum < least * plain, "{format}: {sum} with feedback, {plain} without");
        assert!(sum <= found.searched * (1.0 + 1e-3) && sum <= found.carried * (1.0 + 1e-3), "{format}: {found:?}");
        if descends {
            assert!(last < 0.97 * found.carried, "{format}: {found:?}");
        }
    }
}

#[test]
fn a_longer_descent_is_no_worse_and_rests_in_the_end() {
    let gram = gram(256, 7);
    let hessian = hessian(&gram, 256);
    let weights = noise(20 * 256, 8);
    let mut before = f64::INFINITY;
    for sweeps in [0, 1, 2, 4, 8, 200] {
        let (_, costs) = feed_back(&weights, &hessian, &Q4_K, sweeps);
        let last = *costs.sweeps.last().unwrap();
        assert!(last <= before * (1.0 + 1e-6), "{sweeps} sweeps: {last} after {before}");
        assert!(costs.sweeps.len() <= sweeps + 1);
        before = last;
    }
    let (_, costs) = feed_back(&weights, &hessian, &Q4_K, 200);
    assert!(costs.sweeps.len() < 200, "it never came to rest");
}

/// Two weights whose errors go together, among zeros: every pair of codes is tried.
#[test]
fn tiny_cases_come_to_the_best_there_is() {
    let (mut found_all, mut best_all) = (0.0, 0.0);
    for seed in 0..40 {
        let together = 0.8 * noise(1, seed)[0];
        let mut gram = vec![0.0; 32 * 32];
        (0..32).for_each(|i| gram[i * 32 + i] = 1.0);
        (gram[1], gram[32]) = (together, together);
        let mut weights = vec![0.0; 32];
        weights[..2].copy_from_slice(&noise(2, seed + 100));
        weights[2] = 1.6;
        let (blocks, _) = feed_back(&weights, &hessian(&gram, 32), &Q4_0, 8);
        let cost = |blocks: &[u8]| costs(&weights, &Q4_0, blocks, &gram, 32)[0];
        let mut best = f64::INFINITY;
        for codes in 0..256u32 {
            let mut tried = blocks.clone();
            // The low nibbles of the first bytes after the scale.
            tried[2] = tried[2] & 0xf0 | (codes & 15) as u8;
            tried[3] = tried[3] & 0xf0 | (codes >> 4) as u8;
            best = cost(&tried).min(best);
        }
        found_all += cost(&blocks);
        best_all += best;
        assert!(cost(&blocks) <= best * 1.25 + 1e-9, "seed {seed}: {} where {best} could be", cost(&blocks));
    }
    assert!(found_all <= best_all * 1.01, "{found_all} where {best_all} could be");
}

#[test]
fn whatever_comes_in_numbers_come_out() {
    let columns = 256;
    let one: Vec<f32> = noise(columns, 3);
    let rank_one: Vec<f32> = one.iter().flat_map(|a| one.iter().map(move |b| a * b)).collect();
    let dead: Vec<f32> = {
        let mut gram = gram(columns, 9);
        for i in 0..columns {
            (gram[i * columns + 17], gram[17 * columns + i]) = (0.0, 0.0);
        }
        gram
    };
    let scaled = |factor: f32| -> Vec<f32> { rank_one.iter().map(|value| value * factor).collect() };
    let grams = [vec![0.0; columns * columns], rank_one.clone(), dead, scaled(1e37), scaled(1e-38)];
    let mut weights = noise(5 * columns, 5);
    weights[3] = f32::NAN;
    weights[columns + 4] = f32::INFINITY;
    weights[2 * columns + 4] = 3e38;
    weights[3 * columns..4 * columns].fill(0.0);
    weights[4 * columns..].iter_mut().for_each(|weight| *weight *= 1e-30);
    for (n, gram) in grams.iter().enumerate() {
        let hessian = hessian(gram, columns);
        for format in FORMATS.iter().copied().filter(|format| feedback::supports(format)) {
            let (blocks, _) = feed_back(&weights, &hessian, format, 4);
            let mut values = vec![0.0; weights.len()];
            (format.dequantize)(&blocks, &mut values);
            assert!(values.iter().all(|value| value.is_finite()), "{format}, matrix {n}");
        }
    }
}

#[test]
fn what_is_no_gram_matrix_is_refused() {
    let good = gram(64, 2);
    let with = |row: usize, column: usize, value: f32| {
        let mut gram = good.clone();
        gram[row * 64 + column] = value;
        gram
    };
    let refused = |gram: &[f32]| Hessian::new(gram, 64, 0.01, GO_ON).unwrap().err().expect("a refusal");
    assert_eq!(refused(&good[1..]), HessianError::Length { found: 4095, columns: 64 });
    for (row, column, value) in
        [(3, 9, f32::NAN), (5, 5, f32::NAN), (5, 5, -1.0), (7, 7, f32::INFINITY), (3, 9, 1e30), (3, 9, f32::INFINITY)]
    {
        let message = refused(&with(row, column, value)).to_string();
        assert!(message.contains(&format!("row {row}, column {column}")), "{message}");
    }
    // Each pair may go together so far, but not all three.
    let mut indefinite = vec![0.0; 64 * 64];
    (0..64).for_each(|i| indefinite[i * 64 + i] = 1.0);
    for (i, j, value) in [(0, 1, -0.9), (0, 2, -0.9), (1, 2, -0.9)] {
        indefinite[i * 64 + j] = value;
    }
    assert!(matches!(refused(&indefinite), HessianError::Indefinite(_)));
    let stopped = feedback::quantize(&noise(64, 1), &hessian(&good, 64), &Q4_0, 8, &|| true, &mut [0; 36]);
    assert!(stopped.is_none());
}

/// The sample's Gram matrices of a short text.
fn calibrated(folder: &Path) -> PathBuf {
    let (imatrix, gram) = (folder.join("imatrix.gguf"), folder.join("gram.gguf"));
    let sample = common::sample();
    let text = sample.join("calibration.txt");
    common::tuck_ok(&[
        "calibrate",
        sample.to_str().unwrap(),
        "--text",
        text.to_str().unwrap(),
        "-o",
        imatrix.to_str().unwrap(),
        "--gram",
        gram.to_str().unwrap(),
        "--chunks",
        "6",
    ]);
    gram
}

#[test]
fn packs_are_the_same_every_time_and_as_good_as_measured() {
    let folder = tempfile::tempdir().unwrap();
    let gram = calibrated(folder.path());
    let (sample, gram) = (common::sample(), gram.to_str().unwrap());
    let pack = |name: &str, threads: &str| {
        let path = folder.path().join(name);
        let mut process = Process::new(env!("CARGO_BIN_EXE_tuck"));
        process.args([
            "pack",
            sample.to_str().unwrap(),
            "--type",
            "Q3_K_M",
            "--gram",
            gram,
            "--device",
            "cpu",
            "--json",
        ]);
        let output = process.args(["-o", path.to_str().unwrap()]).env("RAYON_NUM_THREADS", threads).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        (path, serde_json::from_slice::<Json>(&output.stdout).unwrap())
    };
    let (one, report) = pack("one.gguf", "1");
    let (four, _) = pack("four.gguf", "4");
    assert!(fs::read(&one).unwrap() == fs::read(&four).unwrap(), "the threads show");
    assert_eq!(report["feedback"]["file"], gram);
    assert!(report["feedback"]["share"].as_f64().unwrap() > 0.999, "{report}");

    let measure = |more: &[&str]| -> f64 {
        let model = if more[0] == "--against" { one.to_str().unwrap() } else { sample.to_str().unwrap() };
        let all = [&["measure", model, "--device", "cpu", "--chunks", "4", "--json"], more].concat();
        let json: Json = serde_json::from_str(&common::tuck_ok(&all)).unwrap();
        json["kl_divergence"]["mean"]["value"].as_f64().unwrap()
    };
    let written = measure(&["--against", sample.to_str().unwrap()]);
    let unwritten = measure(&["--type", "Q3_K_M", "--gram", gram]);
    assert!((written / unwritten - 1.0).abs() < 1e-6, "{written} written, {unwritten} not");
    let imatrix = folder.path().join("imatrix.gguf");
    let searched = measure(&["--type", "Q3_K_M", "--imatrix", imatrix.to_str().unwrap()]);
    assert!(written < 0.92 * searched, "{written} with feedback, {searched} with the imatrix");

    let plain = common::pack(&sample, "Q3_K_M", folder.path(), &["--device", "cpu"]);
    assert_eq!(fs::metadata(&one).unwrap().len(), fs::metadata(&plain).unwrap().len());
    let said = common::peer_json("generate.py", &[one.to_str().unwrap(), "--tokens", "16"]);
    assert_eq!(said[0]["tokens"].as_array().unwrap().len(), 16, "{}", said[0]);
}

/// A file of Gram matrices with these for one tensor.
fn write(path: &Path, name: &str, columns: usize, means: &[f32], counts: &[u64]) {
    let matrices = vec![(name.to_owned(), columns as u64, counts.len() as u64)];
    let plan = GramPlan { matrices, ..GramPlan::default() };
    let partial = path.with_extension("partial");
    let (mut writer, _) = GramWriter::begin(&partial, &plan, false).unwrap();
    if !means.is_empty() {
        writer.write(name, means, counts).unwrap();
    }
    writer.finish(path).unwrap();
}

#[test]
fn each_expert_has_its_own_gram_matrix_or_that_of_all() {
    let folder = tempfile::tempdir().unwrap();
    let (name, columns) = ("blk.1.ffn_down.weight", 768);
    let mut engine = Engine::start(Box::new(|| {}));
    let mut request = request(&common::sample(), "Q4_K_M", &folder.path().join("out.gguf"));
    let mut model = tuck::model::Model::open(&common::sample()).unwrap();
    // A matrix of the sample, taken as four experts; the header is longer by their number.
    model.tensors.iter_mut().find(|tensor| tensor.name == name).unwrap().shape = vec![768, 64, 4];
    model.header_len += 8;
    let grams: Vec<Vec<f32>> = (0..4).map(|expert| gram(columns, 50 + expert)).collect();
    let counts = [1000, 0, 192, 3000];
    let path = folder.path().join("gram.gguf");
    write(&path, name, columns, &grams.concat(), &counts);
    request.model = Arc::new(model);
    request.outputs[0].recipe = Recipe {
        gram: Some(Arc::new(Gram::open(&path).unwrap())),
        ..Recipe::parse("Q4_K_M", &["ffn_down=IQ4_XS".to_owned()]).unwrap()
    };
    let gpu = gpu(&mut engine).name;
    let found = [DeviceChoice::Cpu, DeviceChoice::Named(gpu.clone())].map(|device| {
        let report =
            packed(&mut engine, PackRequest { computing: computing(&device), overwrite: true, ..request.clone() });
        let share = report.outputs[0].feedback.as_ref().unwrap().1;
        assert!(share > 0.0 && share < 0.1, "{share}");
        common::packed::tensors(&report.outputs[0].path).remove(name).unwrap()
    });
    let plain = common::pack(&common::sample(), "F32", folder.path(), &["--device", "cpu"]);
    let weights = common::packed::tensors(&plain).remove(name).unwrap().weights();
    // A device without room for it says so.
    let no_room = Computing { device: DeviceChoice::Named(gpu), memory: Some(1 << 10) };
    let job = engine.submit(Command::Pack(PackRequest { computing: no_room, overwrite: true, ..request }));
    let EventKind::Failed(message) = follow(&engine, job, |_| {}) else { panic!("it was packed in 1 KiB") };
    assert!([name, "--device-memory"].iter().all(|word| message.contains(word)), "{message}");
    let all: u64 = counts.iter().sum();
    let mut mean = vec![0.0f32; columns * columns];
    for (gram, count) in grams.iter().zip(counts) {
        mean.iter_mut().zip(gram).for_each(|(mean, gram)| *mean += gram * (count as f64 / all as f64) as f32);
    }
    for (expert, (gram, count)) in grams.iter().zip(counts).enumerate() {
        let share = (count as f32 / columns as f32).min(1.0);
        let blended = gram.iter().zip(&mean).map(|(own, mean)| share * own + (1.0 - share) * mean);
        // Of what columns have in common a part is taken for chance.
        let kept = all as f32 / (all as f32 + columns as f32);
        let is_square = |at: usize| at.is_multiple_of(columns + 1);
        let gram = blended.enumerate().map(|(at, value)| if is_square(at) { value } else { kept * value });
        let gram: Vec<f32> = gram.collect();
        let weights = &weights[expert * 64 * columns..][..64 * columns];
        // As packing damps it.
        let hessian = Hessian::new(&gram, columns, 0.3, GO_ON).unwrap().unwrap();
        let (expected, _) = feed_back(weights, &hessian, &IQ4_XS, 8);
        for found in &found {
            let found = &found.bytes[expert * found.bytes.len() / 4..][..found.bytes.len() / 4];
            let [found, expected]: [f64; 2] =
                [found, &expected].map(|blocks| costs(weights, &IQ4_XS, blocks, &gram, columns).iter().sum());
            assert!((found / expected - 1.0).abs() < 1e-3, "expert {expert}: {found}, and {expected} was expected");
        }
    }
}

#[test]
fn files_that_do_not_fit_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let (path, name) = (folder.path().join("bad.gguf"), "blk.0.attn_q.weight");
    let refused = |what: &str, words: &[&str]| {
        let out = folder.path().join("out.gguf");
        let (sample, out_path) = (common::sample(), out.to_str().unwrap());
        let arguments = ["pack", sample.to_str().unwrap(), "--type", "Q4_K_M", "--device", "cpu", "-o", out_path];
        let output = common::tuck(&[&arguments[..], &["--gram", path.to_str().unwrap()]].concat());
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && !out.exists(), "{what}");
        for word in words.iter().chain(&["bad.gguf"]) {
            assert!(message.contains(word), "{what}: the message lacks {word:?}: {message}");
        }
    };
    let good = gram(256, 2);
    fs::write(&path, "no such thing").unwrap();
    refused("text", &[]);
    fs::copy(common::root().join("tests/data/imatrix/sample.gguf"), &path).unwrap();
    refused("an imatrix", &["calibrate --gram"]);
    write(&path, name, 64, &gram(64, 1), &[9]);
    refused("too few columns", &[name, "64 columns", "256 columns"]);
    write(&path, name, 256, &[good.clone(), good.clone()].concat(), &[9, 9]);
    refused("too many experts", &[name, "2 experts"]);
    write(&path, "blk.77.attn_q.weight", 256, &good, &[9]);
    refused("another model's", &["another model"]);
    let mut bad = good.clone();
    bad[256 * 3 + 8] = f32::NAN;
    write(&path, name, 256, &bad, &[9]);
    refused("NaN", &[name, "NaN", "row 3, column 8"]);
    write(&path, name, 256, &good, &[9]);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 1024]).unwrap();
    refused("cut", &[]);
    // The numbers of tokens come last, before the padding.
    let mut counted = whole;
    let last = counted.len() - 32;
    counted[last..last + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&path, &counted).unwrap();
    refused("counts", &[&format!("{name}.counts"), "NaN"]);
}

#[test]
fn a_cancelled_pack_ends_within_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let mut engine = Engine::start(Box::new(|| {}));
    let model = large(folder.path());
    let gram = folder.path().join("gram.gguf");
    write(&gram, "blk.0.attn_q.weight", 4096, &[], &[0]);
    let mut request = request(&model, "Q4_K_M", &folder.path().join("out.gguf"));
    request.outputs[0].recipe.gram = Some(Arc::new(Gram::open(&gram).unwrap()));
    let job = engine.submit(Command::Pack(request));
    let canceller = engine.canceller();
    // By then it works on the Hessian or the rows.
    let waiter = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(1500));
        canceller(job);
        Instant::now()
    });
    let ended = follow(&engine, job, |_| {});
    let cancelled = waiter.join().unwrap();
    assert!(matches!(ended, EventKind::Cancelled), "{ended:?}");
    assert!(cancelled.elapsed() < Duration::from_secs(1), "{:?}", cancelled.elapsed());
    assert!(!folder.path().join("out.gguf").exists());
}
