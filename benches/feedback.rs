//! How fast error feedback and coordinate descent are on this processor.
//!
//!     cargo bench --bench feedback
//!
//! A matrix of random weights, with inputs whose columns go together: the time of the root of the Gram matrix, and the
//! weights a second that are quantized with it. Eight sweeps take about 9 · columns additions of products a weight.

use std::time::Instant;
use tuck::feedback::{self, Hessian};
use tuck::quant::{FormatRef, IQ3_S, IQ4_XS, Q3_K, Q4_K, Q6_K, Q8_0};

const FORMATS: &[FormatRef] = &[&Q8_0, &Q6_K, &Q4_K, &IQ4_XS, &Q3_K, &IQ3_S];

/// Columns and rows.
const SHAPES: &[[usize; 2]] = &[[1024, 2048], [4096, 256]];

fn main() {
    for &[columns, rows] in SHAPES {
        let mut state = 7u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        };
        let common: Vec<f32> = (0..columns).map(|_| random()).collect();
        let gram: Vec<f32> = (0..columns * columns)
            .map(|at| {
                common[at / columns] * common[at % columns] + if at / columns == at % columns { 0.3 } else { 0.0 }
            })
            .collect();
        let weights: Vec<f32> = (0..rows * columns).map(|_| random() * random() * random()).collect();
        let started = Instant::now();
        let hessian = Hessian::new(&gram, columns, 0.01, &|| false).expect("nobody stops it").expect("a Gram matrix");
        println!("{columns} columns: root in {:.2} s", started.elapsed().as_secs_f64());
        for format in FORMATS {
            let mut blocks = vec![0; format.bytes(weights.len() as u64) as usize];
            for sweeps in [0, 8] {
                let started = Instant::now();
                let costs = feedback::quantize(&weights, &hessian, format, sweeps, &|| false, &mut blocks);
                let (costs, seconds) = (costs.expect("nobody stops it"), started.elapsed().as_secs_f64());
                let least = costs.sweeps.last().copied().unwrap_or(0.0) / costs.searched;
                println!(
                    "  {:<8} {sweeps} sweeps  {:>7.2} M weights/s  {:.3} of the search's cost",
                    format.name,
                    weights.len() as f64 / seconds / 1e6,
                    least
                );
            }
        }
    }
}
