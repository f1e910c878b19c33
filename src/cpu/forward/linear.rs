//! Matrix products of activations and weights.

use super::Matrix;
use super::vector::dot;
use crate::wide::wide;
use rayon::prelude::*;

/// Weights that are unpacked at a time: enough for a product to be worth its threads, little beside a model.
const PANEL: usize = 1 << 22;
/// Weights that a thread unpacks at a time.
const TASK: usize = 1 << 14;

/// Rows of a matrix in memory: the first, and how far the next is.
#[derive(Clone, Copy)]
struct Rows<'a> {
    x: &'a [f32],
    step: usize,
}

/// Memory for unpacked weights.
#[derive(Default)]
pub(super) struct Product {
    weights: Vec<f32>,
}

impl Product {
    /// `y = x · matrixᵀ + bias`, of the matrix of that number where the tensor holds several.
    pub(super) fn linear(&mut self, x: &[f32], matrix: &Matrix, number: usize, bias: Option<&[f32]>, y: &mut [f32]) {
        let (inputs, outputs) = sizes(matrix);
        if x.len() == inputs {
            return one(x, matrix, number, bias, y);
        }
        if let Some(bias) = bias {
            y.par_chunks_mut(outputs).for_each(|row| row.copy_from_slice(bias));
        }
        self.panels(matrix, number, |weights, first| {
            multiply(Rows { x, step: inputs }, weights, bias.is_some(), &mut y[first..], outputs);
        });
    }

    /// The same of each head with the matrix of its number.
    pub(super) fn heads(&mut self, x: &[f32], matrix: &Matrix, heads: usize, y: &mut [f32]) {
        let (inputs, outputs) = sizes(matrix);
        for head in 0..heads {
            let rows = Rows { x: &x[head * inputs..], step: heads * inputs };
            self.panels(matrix, head, |weights, first| {
                multiply(rows, weights, false, &mut y[head * outputs + first..], heads * outputs);
            });
        }
    }

    /// The adjoint of both: `x += y · matrix`, of each head with the matrix of its number.
    pub(super) fn back(&mut self, y: &[f32], matrix: &Matrix, heads: usize, x: &mut [f32]) {
        let (inputs, outputs) = sizes(matrix);
        for head in 0..heads {
            self.panels(matrix, head, |weights, first| {
                let rows = Rows { x: &y[head * outputs + first..], step: heads * outputs };
                multiply_back(rows, weights, &mut x[head * inputs..], heads * inputs);
            });
        }
    }

    /// Unpacks a matrix some rows at a time, and calls `each` with them and the number of the first.
    fn panels(&mut self, matrix: &Matrix, number: usize, mut each: impl FnMut(Rows<'_>, usize)) {
        let (inputs, outputs) = sizes(matrix);
        let row = matrix.format.bytes(inputs as u64) as usize;
        let rows = (PANEL / inputs).clamp(1, outputs);
        let task = (TASK / inputs).max(1);
        let own = &matrix.bytes[number * outputs * row..][..outputs * row];
        for (panel, blocks) in own.chunks(rows * row).enumerate() {
            self.weights.resize(blocks.len() / row * inputs, 0.0);
            let parts = self.weights.par_chunks_mut(task * inputs).zip(blocks.par_chunks(task * row));
            parts.for_each(|(weights, blocks)| (matrix.format.dequantize)(blocks, weights));
            each(Rows { x: &self.weights, step: inputs }, panel * rows);
        }
    }
}

/// The product of a single row: weights are read once and used once, so they are unpacked into what a cache holds.
fn one(x: &[f32], matrix: &Matrix, number: usize, bias: Option<&[f32]>, y: &mut [f32]) {
    let (inputs, outputs) = sizes(matrix);
    let row = matrix.format.bytes(inputs as u64) as usize;
    let task = (TASK / inputs).max(1);
    let own = &matrix.bytes[number * outputs * row..][..outputs * row];
    let tasks = y.par_chunks_mut(task).zip(own.par_chunks(task * row)).enumerate();
    tasks.for_each_init(Vec::new, |weights, (number, (y, blocks))| {
        weights.resize(y.len() * inputs, 0.0);
        (matrix.format.dequantize)(blocks, weights);
        for (n, (y, weights)) in y.iter_mut().zip(weights.chunks_exact(inputs)).enumerate() {
            *y = wide(|| dot(x, weights)) + bias.map_or(0.0, |bias| bias[number * task + n]);
        }
    });
}

/// Inputs and outputs.
fn sizes(matrix: &Matrix) -> (usize, usize) {
    (matrix.shape[0] as usize, matrix.shape.get(1).map_or(1, |outputs| *outputs as usize))
}

/// `y = x · weightsᵀ`, or `y +=` that; rows of y are `step` apart.
fn multiply(x: Rows<'_>, weights: Rows<'_>, adds: bool, y: &mut [f32], step: usize) {
    let (inputs, outputs) = (weights.step, weights.x.len() / weights.step);
    let tokens = (x.x.len() + x.step - inputs) / x.step;
    assert!(tokens == 0 || (tokens - 1) * step + outputs <= y.len(), "rows of a product have no room");
    let signed = |step: usize| step as isize;
    // SAFETY: x holds `tokens` rows of `inputs` numbers, weights `outputs` rows of as many, and y was just asked.
    unsafe {
        gemm::gemm(
            tokens,
            outputs,
            inputs,
            y.as_mut_ptr(),
            1,
            signed(step),
            adds,
            x.x.as_ptr(),
            1,
            signed(x.step),
            weights.x.as_ptr(),
            signed(inputs),
            1,
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::Rayon(0),
        );
    }
}

/// `x += y · weights`; rows of x are `step` apart, and y has a column for each row of weights.
fn multiply_back(y: Rows<'_>, weights: Rows<'_>, x: &mut [f32], step: usize) {
    let (inputs, outputs) = (weights.step, weights.x.len() / weights.step);
    let tokens = (y.x.len() + y.step - outputs) / y.step;
    assert!(tokens == 0 || (tokens - 1) * step + inputs <= x.len(), "rows of a product have no room");
    let signed = |step: usize| step as isize;
    // SAFETY: y holds `tokens` rows of `outputs` numbers, weights as many rows of `inputs`, and x was just asked.
    unsafe {
        gemm::gemm(
            tokens,
            inputs,
            outputs,
            x.as_mut_ptr(),
            1,
            signed(step),
            true,
            y.x.as_ptr(),
            1,
            signed(y.step),
            weights.x.as_ptr(),
            1,
            signed(inputs),
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::Rayon(0),
        );
    }
}
