//! Descent across rows: what all rows' errors cost together never rises, and falls below what rows reach by themselves.

mod common;

use common::grams::{gram, noise};
use proptest::prelude::*;
use tuck::feedback::{self, Fisher, Hessian, HessianError};
use tuck::quant::{FormatRef, IQ2_XXS, PARTS, Q4_K};

const GO_ON: &(dyn Fn() -> bool + Sync) = &|| false;
/// What is added to the diagonals.
const DAMPING: [f64; 2] = [0.01, 0.1];

/// A matrix's weights, its Gram matrix of inputs and that of gradients.
struct Case {
    weights: Vec<f32>,
    inputs: Vec<f32>,
    outputs: Vec<f32>,
    rows: usize,
    columns: usize,
}

impl Case {
    fn new(rows: usize, columns: usize, seed: u64) -> Self {
        let weights = noise(rows * columns, seed);
        Self { weights, inputs: gram(columns, seed + 1), outputs: gram(rows, seed + 2), rows, columns }
    }

    fn hessian(&self) -> Hessian {
        Hessian::new(&self.inputs, self.columns, DAMPING[0], GO_ON).unwrap().unwrap()
    }

    fn fisher(&self) -> Fisher {
        Fisher::new(&self.outputs, self.rows, DAMPING[1]).unwrap()
    }

    /// The blocks that rows choose by themselves.
    fn alone(&self, format: FormatRef, sweeps: usize) -> Vec<u8> {
        let mut blocks = vec![0; format.bytes(self.weights.len() as u64) as usize];
        feedback::quantize(&self.weights, &self.hessian(), format, sweeps, GO_ON, &mut blocks).unwrap();
        blocks
    }

    /// tr(G E H Eᵀ) of blocks, in doubles.
    fn cost(&self, format: FormatRef, blocks: &[u8]) -> f64 {
        let (rows, columns) = (self.rows, self.columns);
        let damped = |gram: &[f32], size: usize, damping: f64| -> Vec<f64> {
            let mean = gram.iter().step_by(size + 1).map(|x| f64::from(*x)).sum::<f64>() / size as f64;
            let own = |n: usize| if n.is_multiple_of(size + 1) { damping } else { 0.0 };
            gram.iter().enumerate().map(|(n, x)| f64::from(*x) / mean + own(n)).collect()
        };
        let (g, h) = (damped(&self.outputs, rows, DAMPING[1]), damped(&self.inputs, columns, DAMPING[0]));
        let mut values = vec![0.0; self.weights.len()];
        (format.dequantize)(blocks, &mut values);
        let e: Vec<f64> = self.weights.iter().zip(&values).map(|(w, q)| f64::from(*w) - f64::from(*q)).collect();
        let times = |a: &[f64], b: &[f64], inner: usize, width: usize| -> Vec<f64> {
            let mut product = vec![0.0; a.len() / inner * width];
            for (to, a) in product.chunks_mut(width).zip(a.chunks(inner)) {
                for (a, b) in a.iter().zip(b.chunks(width)) {
                    to.iter_mut().zip(b).for_each(|(to, b)| *to += a * b);
                }
            }
            product
        };
        let slopes = times(&g, &times(&e, &h, columns, columns), rows, columns);
        slopes.iter().zip(&e).map(|(slope, e)| slope * e).sum()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Of any format with parts, of rows that fill no set and columns that fill no block of H.
    #[test]
    fn no_sweep_costs_more(rows in 1usize..90, blocks in 1usize..4, format in 0..PARTS.len(), seed in 0u64..1000) {
        let format = PARTS[format].format;
        let columns = blocks * format.block_weights.max(128);
        let case = Case::new(rows, columns, seed);
        let (hessian, fisher) = (case.hessian(), case.fisher());
        let mut found = case.alone(format, 2);
        let before = case.cost(format, &found);
        let pair = (&hessian, &fisher);
        let costs = feedback::descend_across(&case.weights, pair, format, 4, GO_ON, &mut found).unwrap();
        prop_assert!((costs[0] / before - 1.0).abs() < 1e-3, "{before} was told as {}", costs[0]);
        for pair in costs.windows(2) {
            prop_assert!(pair[1] <= pair[0], "{costs:?}");
        }
        let (told, after) = (*costs.last().unwrap(), case.cost(format, &found));
        prop_assert!((told / after - 1.0).abs() < 1e-3, "{after} was told as {told}");
        prop_assert!(after <= before * (1.0 + 1e-4), "{before} became {after}");
    }
}

#[test]
fn rows_together_reach_what_no_row_does_alone() {
    let case = Case::new(96, 256, 3);
    let alone = case.alone(&Q4_K, 40);
    let mut together = alone.clone();
    let pair = (&case.hessian(), &case.fisher());
    feedback::descend_across(&case.weights, pair, &Q4_K, 6, GO_ON, &mut together).unwrap();
    let [alone, together] = [alone, together].map(|blocks| case.cost(&Q4_K, &blocks));
    assert!(together < 0.9 * alone, "{together}, and each by itself {alone}");
}

#[test]
fn the_bytes_are_the_same_on_any_number_of_threads() {
    let case = Case::new(70, 512, 8);
    let start = case.alone(&Q4_K, 2);
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut blocks = start.clone();
        let pair = (&case.hessian(), &case.fisher());
        pool.install(|| feedback::descend_across(&case.weights, pair, &Q4_K, 2, GO_ON, &mut blocks)).unwrap();
        blocks
    };
    let one = on(1);
    assert!(one != start);
    assert!([2, 3, 8].into_iter().all(|threads| on(threads) == one));
}

#[test]
fn what_cannot_descend_stays_and_what_is_no_fisher_matrix_is_refused() {
    let case = Case::new(8, 256, 1);
    let start = case.alone(&IQ2_XXS, 2);
    let mut blocks = start.clone();
    let pair = (&case.hessian(), &case.fisher());
    let costs = feedback::descend_across(&case.weights, pair, &IQ2_XXS, 4, GO_ON, &mut blocks).unwrap();
    assert!(costs.is_empty() && blocks == start);
    assert!(feedback::descend_across(&case.weights, pair, &Q4_K, 4, &|| true, &mut case.alone(&Q4_K, 1)).is_none());
    assert!(matches!(Fisher::new(&[1.0; 3], 2, 0.1), Err(HessianError::Length { found: 3, columns: 2 })));
    let wrong = Fisher::new(&[1.0, 2.0, 2.0, 1.0], 2, 0.1);
    assert!(matches!(wrong, Err(HessianError::Value { row: 0, column: 1, .. })));
}
