//! Coordinate descent across rows.
//!
//! The rows of a matrix feed outputs that count together: with E the errors of all rows, H the Gram matrix of inputs and G that of
//! the gradients by outputs, the model's predictions lose ½ tr(G E H Eᵀ) (to second order, as if inputs and gradients did not
//! depend on each other; J. Martens and R. Grosse, "K-FAC", arXiv 1503.05671). What a row i has to gain by a change of its
//! weights is as in [`descend`](super::descend), with Σ G_ik e_k / G_ii in the place of its own error.
//!
//! In each block of columns sets of rows look for changes at the same time, each as if the others stayed as they are; then they are
//! made one after the other, and what would cost more after those before it is not made. So the cost never rises, and
//! the bytes are the same whatever the number of threads.

use super::band::tame;
use super::descend::{Numbers, improve};
use super::hessian::{Block, mean_square};
use super::product::{Operand, add_product, add_product_by_all};
use super::{Hessian, HessianError, Stopped};
use crate::quant::{FormatRef, Parts};
use rayon::prelude::*;
use std::ops::Range;

/// Rows of which one thread looks for changes.
const ROWS: usize = 4;
/// Such groups of rows that do so at the same time.
const GROUPS: usize = 16;

/// How the outputs of a matrix go together in what a model says: the mean of δ · δᵀ, δ the gradient by the outputs, divided by
/// the mean of its diagonal, with a little added there.
pub struct Fisher {
    outputs: usize,
    matrix: Vec<f32>,
}

impl Fisher {
    /// From the mean of δ · δᵀ over gradients of `outputs` numbers. `damping` is added to the diagonal, in units of its mean. All
    /// zeros count as the unit matrix.
    pub fn new(gram: &[f32], outputs: usize, damping: f64) -> Result<Self, HessianError> {
        let mean = mean_square(gram, outputs)?;
        let scaled = |n: usize| {
            let (i, j) = (n / outputs, n % outputs);
            let value = f64::from(gram[i.min(j) * outputs + i.max(j)]);
            let one = f64::from(u8::from(i == j));
            ((if mean > 0.0 { value / mean } else { one }) + damping * one) as f32
        };
        Ok(Self { outputs, matrix: (0..outputs * outputs).into_par_iter().map(scaled).collect() })
    }

    /// Of these two outputs.
    fn at(&self, i: usize, k: usize) -> f32 {
        self.matrix[i * self.outputs + k]
    }

    /// Some rows of it, from a column on.
    fn part(&self, row: usize, column: usize) -> Operand<'_, f32> {
        Operand::rows(&self.matrix[row * self.outputs + column..], self.outputs)
    }
}

/// Improves the blocks of a whole matrix, as many rows as there are outputs, in at most so many sweeps. Returns the cost
/// tr(G E H Eᵀ) before and after each; nothing where the format knows no descent. None where it was stopped.
pub fn descend_across(
    weights: &[f32],
    (hessian, fisher): (&Hessian, &Fisher),
    format: FormatRef,
    sweeps: usize,
    stop: Stopped<'_>,
    blocks: &mut [u8],
) -> Option<Vec<f64>> {
    let (rows, columns) = (fisher.outputs, hessian.columns);
    assert!(weights.len() == rows * columns && blocks.len() == format.bytes(weights.len() as u64) as usize);
    let Some(parts) = Parts::of(format) else { return Some(Vec::new()) };
    let mut errors = vec![0.0; weights.len()];
    let bytes = format.bytes((ROWS * columns) as u64) as usize;
    let each = errors.par_chunks_mut(ROWS * columns).zip(weights.par_chunks(ROWS * columns));
    let numbers = each.zip(blocks.par_chunks(bytes)).map(|((e, weights), blocks)| {
        (format.dequantize)(blocks, e);
        e.iter_mut().zip(weights).for_each(|(e, weight)| *e = tame(*weight) - *e);
        Numbers::read(parts, blocks)
    });
    let numbers = numbers.collect();
    let mut descent = Descent { hessian, fisher, parts, numbers, errors };
    let mut costs = vec![descent.cost()];
    for sweep in 0..sweeps {
        let mut gained = 0.0;
        for block in &hessian.blocks {
            if stop() {
                return None;
            }
            gained += descent.sweep(block);
        }
        costs.push(costs[sweep] - gained);
        if gained == 0.0 {
            break;
        }
    }
    let each = descent.numbers.par_iter().zip(blocks.par_chunks_mut(bytes));
    each.for_each(|(numbers, blocks)| numbers.write(parts, blocks));
    Some(costs)
}

/// A matrix on its way.
struct Descent<'a> {
    hessian: &'a Hessian,
    fisher: &'a Fisher,
    parts: &'static Parts,
    /// By groups of [`ROWS`] rows.
    numbers: Vec<Numbers>,
    /// Row by row.
    errors: Vec<f32>,
}

/// A change that was found for a row in a block of columns.
struct Change {
    /// What the weights change by, and the product of that with H.
    weights: Vec<f32>,
    product: Vec<f32>,
    /// The numbers before, as [`Numbers::of`] gives them.
    before: [Vec<f32>; 5],
}

impl Descent<'_> {
    /// G · E · H in the columns of a block.
    fn slopes(&self, block: &Block) -> Vec<f32> {
        let (rows, columns) = (self.fisher.outputs, self.hessian.columns);
        let [mut products, mut slopes] = [(); 2].map(|()| vec![0.0; rows * block.width]);
        let h = Operand::rows(&self.hessian.matrix[block.start..], columns);
        let shape = [rows, columns, block.width];
        add_product_by_all((&mut products, block.width), 1.0, Operand::rows(&self.errors, columns), h, shape);
        let products = Operand::rows(&products, block.width);
        add_product_by_all(
            (&mut slopes, block.width),
            1.0,
            self.fisher.part(0, 0),
            products,
            [rows, rows, block.width],
        );
        slopes
    }

    fn cost(&self) -> f64 {
        let columns = self.hessian.columns;
        let of_block = |block: &Block| -> f64 {
            let slopes = self.slopes(block);
            let rows = self.errors.chunks_exact(columns).zip(slopes.chunks_exact(block.width));
            rows.map(|(e, slopes)| sum(&e[block.start..][..block.width], slopes)).sum()
        };
        self.hessian.blocks.iter().map(of_block).sum()
    }

    /// Sweeps over the columns of a block in every row. Returns what the cost has fallen by.
    fn sweep(&mut self, block: &Block) -> f64 {
        let (rows, width) = (self.fisher.outputs, block.width);
        let mut slopes = self.slopes(block);
        let mut gained = 0.0;
        for first in (0..rows).step_by(ROWS * GROUPS) {
            let end = rows.min(first + ROWS * GROUPS);
            let mut found = self.look(block, first..end, &slopes[first * width..end * width]);
            let (own, later) = slopes[first * width..].split_at_mut((end - first) * width);
            // What the rows of the set change the slopes of later ones by, before G.
            let mut products = vec![0.0; (end - first) * width];
            for row in first..end {
                let Some(change) = found[row - first].take() else { continue };
                let slopes = &own[(row - first) * width..][..width];
                let curvature = f64::from(self.fisher.at(row, row)) * sum(&change.weights, &change.product);
                let gain = 2.0 * sum(&change.weights, slopes) - curvature;
                if gain.is_nan() || gain <= 0.0 {
                    self.undo(block, row, &change);
                    continue;
                }
                gained += gain;
                let errors = &mut self.errors[row * self.hessian.columns + block.start..][..width];
                errors.iter_mut().zip(&change.weights).for_each(|(e, change)| *e -= change);
                for (other, slopes) in (first..end).zip(own.chunks_exact_mut(width)).skip(row + 1 - first) {
                    let with = self.fisher.at(other, row);
                    slopes.iter_mut().zip(&change.product).for_each(|(slope, product)| *slope -= with * product);
                }
                products[(row - first) * width..][..width].copy_from_slice(&change.product);
            }
            if end < rows {
                let shape = [rows - end, end - first, width];
                let products = Operand::rows(&products, width);
                add_product_by_all((later, width), -1.0, self.fisher.part(end, first), products, shape);
            }
        }
        gained
    }

    /// Looks for a change of each row of a set, as if the others stayed as they are, and makes it in the numbers.
    fn look(&mut self, block: &Block, set: Range<usize>, slopes: &[f32]) -> Vec<Option<Change>> {
        let (width, columns, parts, fisher) = (block.width, self.hessian.columns, self.parts, self.fisher);
        let groups = self.numbers[set.start / ROWS..set.end.div_ceil(ROWS)].par_iter_mut();
        let found = groups.zip(slopes.par_chunks(ROWS * width)).enumerate().map(|(group, (numbers, slopes))| {
            let rows = slopes.len() / width;
            let first = set.start + group * ROWS;
            let before = |row: usize| numbers.of(parts, row * columns + block.start, width).map(|part| part.to_vec());
            let before: Vec<[Vec<f32>; 5]> = (0..rows).map(before).collect();
            let scaled = slopes.iter().enumerate();
            let mut g: Vec<f32> =
                scaled.map(|(n, slope)| slope / fisher.at(first + n / width, first + n / width)).collect();
            let Some(change) = improve(columns, parts, block, numbers, &mut g) else {
                return (0..rows).map(|_| None).collect::<Vec<_>>();
            };
            let mut products = vec![0.0; change.len()];
            let h = Operand::rows(&block.matrix, width);
            add_product((&mut products, width), 1.0, Operand::rows(&change, width), h, [rows, width, width]);
            let rows = change.chunks_exact(width).zip(products.chunks_exact(width)).zip(before);
            let all = rows.map(|((weights, product), before)| {
                Some(Change { weights: weights.to_vec(), product: product.to_vec(), before })
            });
            all.collect()
        });
        found.collect::<Vec<_>>().into_iter().flatten().collect()
    }

    fn undo(&mut self, block: &Block, row: usize, change: &Change) {
        let at = row % ROWS * self.hessian.columns + block.start;
        let own = self.numbers[row / ROWS].of(self.parts, at, block.width);
        own.into_iter().zip(&change.before).for_each(|(own, before)| own.copy_from_slice(before));
    }
}

/// The sum of products.
fn sum(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}
