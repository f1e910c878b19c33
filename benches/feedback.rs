//! How fast error feedback and coordinate descent are on this processor and on every device of this machine.
//!
//!     cargo bench --bench feedback
//!
//! Matrices of random weights, with inputs whose columns go together: the time of the root of the Gram matrix, and the
//! millions of weights a second that are quantized with it, on devices as a ratio to the processor, with what their blocks
//! cost by those of the processor. Eight sweeps take about 10 · columns additions of products a weight. GPUs get more rows,
//! and the widest matrix, which takes a processor of few cores minutes, is measured only where there is one.

use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Instant;
use tuck::feedback::{self, BAND, Costs, Hessian};
use tuck::gpu;
use tuck::gpu::feedback::Runner;
use tuck::quant::{FormatRef, IQ3_S, IQ4_XS, Q3_K, Q4_K, Q6_K, Q8_0};

const FORMATS: &[FormatRef] = &[&Q8_0, &Q6_K, &Q4_K, &IQ4_XS, &Q3_K, &IQ3_S];

/// Columns, and rows for GPUs.
const SHAPES: &[[usize; 2]] = &[[1024, 32_768], [4096, 14_336], [14_336, 4096]];
/// Of coordinate descent; without there is feedback alone.
const SWEEPS: &[usize] = &[0, 8];

fn main() {
    let adapters = gpu::devices();
    let has_gpu = adapters.iter().any(|adapter| !adapter.is_cpu());
    let mut runners = Vec::new();
    for adapter in &adapters {
        match Runner::new(adapter, None) {
            Ok(runner) => runners.push((runner, adapter.is_cpu())),
            Err(error) => println!("{adapter}: {error}"),
        }
    }
    // A band for each thread of a processor.
    let few = BAND * available_parallelism().map_or(1, usize::from);
    for &[columns, many] in SHAPES.iter().filter(|shape| has_gpu || shape[0] < 14_336) {
        let mut random = random();
        let common: Vec<f32> = (0..columns).map(|_| random()).collect();
        let entry = |at: usize| {
            let (i, j) = (at / columns, at % columns);
            common[i] * common[j] + if i == j { 0.3 } else { 0.0 }
        };
        let gram: Vec<f32> = (0..columns * columns).map(entry).collect();
        let rows = if has_gpu { many } else { few };
        let weights: Vec<f32> = (0..rows * columns).map(|_| random() * random() * random()).collect();
        let started = Instant::now();
        let hessian = Hessian::new(&gram, columns, 0.01, &|| false).expect("nobody stops it").expect("a Gram matrix");
        let hessian = Arc::new(hessian);
        println!("{columns} columns: root in {:.2} s", started.elapsed().as_secs_f64());
        for (format, &sweeps) in FORMATS.iter().flat_map(|format| SWEEPS.iter().map(move |sweeps| (format, sweeps))) {
            let own = &weights[..few * columns];
            let mut blocks = vec![0; format.bytes(weights.len() as u64) as usize];
            let own_blocks = format.bytes(own.len() as u64) as usize;
            let started = Instant::now();
            let costs = feedback::quantize(own, &hessian, format, sweeps, &|| false, &mut blocks[..own_blocks]);
            let expected = last(costs.as_ref());
            let processor = own.len() as f64 / started.elapsed().as_secs_f64();
            println!("  {:<8} {sweeps} sweeps {:>9.2} M/s  processor", format.name, processor / 1e6);
            for (runner, is_cpu) in &mut runners {
                // Also compiles the kernels.
                let some = runner.quantize(own, &hessian, format, sweeps, &|| false, &mut blocks[..own_blocks]);
                let cost = last(some.expect("the device is there").as_ref()) / expected;
                let rows = if *is_cpu { few } else { many };
                let (weights, blocks) =
                    (&weights[..rows * columns], &mut blocks[..format.bytes((rows * columns) as u64) as usize]);
                let started = Instant::now();
                runner.quantize(weights, &hessian, format, sweeps, &|| false, blocks).expect("the device is there");
                let rate = weights.len() as f64 / started.elapsed().as_secs_f64();
                println!(
                    "  {:<8} {sweeps} sweeps {:>9.2} M/s  {:>7.2} times that, cost {cost:.6} of that, {}",
                    format.name,
                    rate / 1e6,
                    rate / processor,
                    runner.name()
                );
            }
        }
    }
}

/// The cost in the end.
fn last(costs: Option<&Costs>) -> f64 {
    costs.and_then(|costs| costs.sweeps.last()).copied().expect("nobody stops it")
}

/// Numbers between -1 and 1.
fn random() -> impl FnMut() -> f32 {
    let mut state = 7u64;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}
