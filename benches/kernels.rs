//! How fast every kernel runs on every device of this machine.
//!
//!     cargo bench --bench kernels
//!
//! Taken on 16 Mi random weights in F16, from a filled input to a readable output; and the leading singular vectors of a matrix
//! of 2048 by 2048 of them, as an adapter of rank 16 asks for them; and zeros in it.

use rayon::prelude::*;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tuck::cpu::CpuRunner;
use tuck::feedback::Hessian;
use tuck::gpu::forward::Multiply;
use tuck::gpu::{self, GpuRunner};
use tuck::graph::{Recording, Runner, SlotSize};
use tuck::lowrank::{self, DEPTH, Host};
use tuck::prune::{self, Pattern, Scope};
use tuck::quant::{F16, F32, FORMATS, FormatRef, Search};

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
    zeros(&weights);
    singular_vectors(&weights);
}

/// How fast weights are left out.
fn zeros(weights: &[f32]) {
    const WIDTH: usize = 2048;
    let (matrix, go_on) = (&weights[..WIDTH * WIDTH], &|| false);
    // Columns that go together the more the nearer they are.
    let near = |n: usize| 0.9f32.powi((n / WIDTH).abs_diff(n % WIDTH) as i32);
    let gram: Vec<f32> = (0..WIDTH * WIDTH).map(near).collect();
    let hessian = Hessian::new(&gram, WIDTH, 0.01, go_on).expect("nobody stops it").expect("it is one");
    let hessian = Arc::new(hessian);
    let factors: Vec<f32> = (0..WIDTH).map(|column| 1.0 + (column % 7) as f32).collect();
    let (half, pairs) = (Pattern::Share(0.5), Pattern::Groups { kept: 2, of: 4 });
    println!("\nZeros in {WIDTH} x {WIDTH}: million weights a second");
    println!("{:<44}{:>12}{:>12}{:>16}{:>16}", "", "Wanda, 50 %", "Wanda, 2:4", "SparseGPT, 50 %", "SparseGPT, 2:4");
    let best = |prune: &mut dyn FnMut(&mut [f32])| {
        let run = |_| {
            let mut own = matrix.to_vec();
            let started = Instant::now();
            prune(&mut own);
            started.elapsed()
        };
        let best = (0..3).map(run).min().unwrap_or_default();
        matrix.len() as f64 / best.as_secs_f64() / 1e6
    };
    let show = |name: &str, [half, pairs, made_half, made_pairs]: [f64; 4]| {
        println!("{name:<44}{half:>12.1}{pairs:>12.1}{made_half:>16.2}{made_pairs:>16.2}");
    };
    let by_score = |pattern| best(&mut |own| prune::sparsify(own, WIDTH, Some(&factors), pattern, Scope::Row));
    let made_good = |pattern| {
        best(&mut |own| prune::sparsegpt(own, &hessian, pattern, Scope::Layer, go_on).expect("nobody stops it"))
    };
    show("processor", [by_score(half), by_score(pairs), made_good(half), made_good(pairs)]);
    for adapter in gpu::devices() {
        let how = Multiply::best(&adapter);
        let mut runner = match gpu::feedback::Runner::with(&adapter, None, how, gpu::Checks::Off) {
            Ok(runner) => runner,
            Err(error) => {
                println!("{adapter}: {error}");
                continue;
            }
        };
        let name = runner.name();
        let mut by_score = |pattern| {
            best(&mut |own| {
                runner.sparsify(own, WIDTH, Some(&factors), pattern, Scope::Row).expect("the device is there");
            })
        };
        let [half_rate, pairs_rate] = [half, pairs].map(&mut by_score);
        let mut made_good = |pattern| {
            best(&mut |own| {
                let done = runner.sparsegpt(own, &hessian, pattern, Scope::Layer, go_on);
                done.expect("the device is there").expect("nobody stops it");
            })
        };
        let [made_half, made_pairs] = [half, pairs].map(&mut made_good);
        show(&name, [half_rate, pairs_rate, made_half, made_pairs]);
    }
}

/// How long it takes to find leading singular vectors, and to make rows orthonormal.
fn singular_vectors(weights: &[f32]) {
    const WIDTH: usize = 2048;
    const ROWS: usize = 256;
    let (matrix, rank, go_on) = (&weights[..WIDTH * WIDTH], 64, &|| false);
    println!(
        "\n{rank} singular vectors of {WIDTH} x {WIDTH}, and {ROWS} rows of {WIDTH} made orthonormal: milliseconds"
    );
    let show = |name: &str, find: Duration, make: Duration| {
        println!("{name:<60}{:>10.1}{:>10.1}", 1e3 * find.as_secs_f64(), 1e3 * make.as_secs_f64());
    };
    let mut rows = weights[..ROWS * WIDTH].to_vec();
    let started = Instant::now();
    let Ok(found) = lowrank::leading(&mut Host::new(matrix, WIDTH, None), rank, DEPTH, go_on);
    let find = started.elapsed();
    assert!(found.is_some());
    let started = Instant::now();
    lowrank::orthonormalise(&mut rows, WIDTH, 0);
    show("processor", find, started.elapsed());
    for adapter in gpu::devices() {
        let mut runner = match gpu::low_rank::Runner::new(&adapter, None) {
            Ok(runner) => runner,
            Err(error) => {
                println!("{adapter}: {error}");
                continue;
            }
        };
        // The first time shaders are compiled.
        for is_warm in [false, true] {
            let mut rows = weights[..ROWS * WIDTH].to_vec();
            let started = Instant::now();
            runner.leading(matrix, WIDTH, None, rank, DEPTH, go_on).expect("the device is there");
            let find = started.elapsed();
            let started = Instant::now();
            runner.orthonormalise(&mut rows, WIDTH, 0).expect("the device is there");
            if is_warm {
                show(&runner.name(), find, started.elapsed());
            }
        }
    }
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
    parts.for_each(|(bytes, weights)| (from.quantize)(weights, Search::default(), bytes));
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
