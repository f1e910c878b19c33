//! What is done to each row, or each number, by itself.

use super::vector::{exp, sum};
use crate::cache::Row;
use crate::forward::{Activation, Norm};
use crate::wide::wide;
use rayon::prelude::*;

/// Numbers a thread takes at a time.
pub(super) const TASK: usize = 1 << 14;

/// Applies `f` to each number.
pub(super) fn each(x: &mut [f32], f: impl Fn(f32) -> f32 + Sync) {
    x.par_chunks_mut(TASK).for_each(|x| wide(|| x.iter_mut().for_each(|x| *x = f(*x))));
}

/// `x += y`.
pub(super) fn add(x: &mut [f32], y: &[f32]) {
    let parts = x.par_chunks_mut(TASK).zip(y.par_chunks(TASK));
    parts.for_each(|(x, y)| wide(|| x.iter_mut().zip(y).for_each(|(x, y)| *x += y)));
}

/// Each row times its one number of `y`.
pub(super) fn weigh(x: &mut [f32], y: &[f32]) {
    let width = x.len() / y.len().max(1);
    x.par_chunks_mut(width.max(1)).zip(y).for_each(|(row, y)| row.iter_mut().for_each(|x| *x *= y));
}

/// `to = f(gate) · up`.
pub(super) fn gate(to: &mut [f32], gate: &[f32], up: &[f32], activation: Activation) {
    fn all(to: &mut [f32], gate: &[f32], up: &[f32], f: impl Fn(f32, f32) -> f32 + Sync) {
        let parts = to.par_chunks_mut(TASK).zip(gate.par_chunks(TASK)).zip(up.par_chunks(TASK));
        parts.for_each(|((to, gate), up)| {
            wide(|| to.iter_mut().zip(gate).zip(up).for_each(|((to, gate), up)| *to = f(*gate, *up)));
        });
    }
    match activation {
        Activation::Silu => all(to, gate, up, |gate, up| silu(gate) * up),
        Activation::Gelu => all(to, gate, up, |gate, up| gelu(gate) * up),
        Activation::SquaredRelu => all(to, gate, up, |gate, up| squared_relu(gate) * up),
        Activation::Sigmoid => all(to, gate, up, |gate, up| sigmoid(gate) * up),
        Activation::ClampedSwiglu => all(to, gate, up, clamped_swiglu),
    }
}

/// `x = f(x)`.
pub(super) fn activate(x: &mut [f32], activation: Activation) {
    match activation {
        Activation::Silu => each(x, silu),
        Activation::Gelu => each(x, gelu),
        Activation::SquaredRelu => each(x, squared_relu),
        Activation::Sigmoid => each(x, sigmoid),
        Activation::ClampedSwiglu => each(x, |x| clamped_swiglu(x, 0.0)),
    }
}

#[inline(always)]
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[inline(always)]
fn silu(x: f32) -> f32 {
    x * sigmoid(x)
}

/// x / 2 · (1 + tanh(√(2 / π) · (x + 0.044715 x³))), and (1 + tanh y) / 2 = sigmoid(2 y).
#[inline(always)]
fn gelu(x: f32) -> f32 {
    x * sigmoid(2.0 * 0.797_884_6 * x * (1.0 + 0.044_715 * x * x))
}

#[inline(always)]
fn squared_relu(x: f32) -> f32 {
    let x = x.max(0.0);
    x * x
}

#[inline(always)]
fn clamped_swiglu(gate: f32, up: f32) -> f32 {
    let gate = gate.min(7.0);
    gate * sigmoid(1.702 * gate) * (up.clamp(-7.0, 7.0) + 1.0)
}

/// Rows become what a cache keeps of them.
pub(super) fn keep(x: &mut [f32], width: usize, row: Row) {
    x.par_chunks_mut(width).for_each(|x| row.keep(x));
}

/// Of each group of columns some, from `first` on.
pub(super) fn columns(to: &mut [f32], from: &[f32], first: usize, [group, width]: [usize; 2]) {
    let rows = to.par_chunks_mut(width).zip(from.par_chunks(group));
    rows.for_each(|(to, from)| to.copy_from_slice(&from[first..first + width]));
}

/// Of each head the numbers of one and then those of the other.
pub(super) fn join(to: &mut [f32], [a, b]: [&[f32]; 2], width: usize, first: usize) {
    let rows = to.par_chunks_mut(width).zip(a.par_chunks(first)).zip(b.par_chunks(width - first));
    rows.for_each(|((to, a), b)| {
        to[..first].copy_from_slice(a);
        to[first..].copy_from_slice(b);
    });
}

/// Groups of `width` numbers are normalised; `weight` and `bias` go round.
pub(super) fn norm(x: &mut [f32], norm: Norm, width: usize, weight: Option<&[f32]>, bias: Option<&[f32]>) {
    let longest = weight.into_iter().chain(bias).map(<[f32]>::len).max().unwrap_or(width).max(width);
    let around = |values: Option<&[f32]>, plain: f32| -> Vec<f32> {
        values.map_or(vec![plain], <[f32]>::to_vec).into_iter().cycle().take(longest).collect()
    };
    let (weight, bias) = (around(weight, 1.0), around(bias, 0.0));
    x.par_chunks_mut(longest).for_each(|rows| {
        wide(|| {
            for (group, row) in rows.chunks_exact_mut(width).enumerate() {
                let count = width as f32;
                let (mean, scale) = match norm {
                    Norm::Rms { epsilon } => (0.0, 1.0 / (sum(row, |x| x * x) / count + epsilon).sqrt()),
                    Norm::Layer { epsilon } => {
                        let mean = sum(row, |x| x) / count;
                        (mean, 1.0 / (sum(row, |x| (x - mean) * (x - mean)) / count + epsilon).sqrt())
                    }
                };
                let at = group * width..(group + 1) * width;
                for ((x, weight), bias) in row.iter_mut().zip(&weight[at.clone()]).zip(&bias[at]) {
                    *x = (*x - mean) * scale * weight + bias;
                }
            }
        });
    });
}
