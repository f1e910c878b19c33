//! What is done to each row, or each number, by itself.

use crate::forward::{Activation, Norm, Pairs, Rope};
use rayon::prelude::*;

/// Numbers a thread takes at a time.
const TASK: usize = 1 << 14;

/// Applies `f` to each number.
pub(super) fn each(x: &mut [f32], f: impl Fn(f32) -> f32 + Sync) {
    x.par_chunks_mut(TASK).for_each(|x| x.iter_mut().for_each(|x| *x = f(*x)));
}

/// `x += y`.
pub(super) fn add(x: &mut [f32], y: &[f32]) {
    let parts = x.par_chunks_mut(TASK).zip(y.par_chunks(TASK));
    parts.for_each(|(x, y)| x.iter_mut().zip(y).for_each(|(x, y)| *x += y));
}

/// `to = f(gate) · up`.
pub(super) fn gate(to: &mut [f32], gate: &[f32], up: &[f32], activation: Activation) {
    let parts = to.par_chunks_mut(TASK).zip(gate.par_chunks(TASK)).zip(up.par_chunks(TASK));
    parts.for_each(|((to, gate), up)| {
        for ((to, gate), up) in to.iter_mut().zip(gate).zip(up) {
            *to = activate(activation, *gate) * up;
        }
    });
}

/// The function of an activation.
pub(super) fn activate(activation: Activation, x: f32) -> f32 {
    match activation {
        Activation::Silu => x / (1.0 + (-x).exp()),
        // sqrt(2 / π) and the cubic term of the approximation.
        Activation::Gelu => 0.5 * x * (1.0 + (0.797_884_6 * x * (1.0 + 0.044_715 * x * x)).tanh()),
        Activation::SquaredRelu => x.max(0.0).powi(2),
    }
}

/// Columns of rows, from `first` on.
pub(super) fn columns(to: &mut [f32], width: usize, from: &[f32], from_width: usize, first: usize) {
    let rows = to.par_chunks_mut(width).zip(from.par_chunks(from_width));
    rows.for_each(|(to, from)| to.copy_from_slice(&from[first..first + width]));
}

/// Groups of `width` numbers are normalised; `weight` and `bias` go round.
pub(super) fn norm(x: &mut [f32], norm: Norm, width: usize, weight: Option<&[f32]>, bias: Option<&[f32]>) {
    let groups = weight.map_or(1, |weight| (weight.len() / width).max(1));
    x.par_chunks_mut(width * groups).for_each(|rows| {
        for (group, row) in rows.chunks_exact_mut(width).enumerate() {
            let mean_of = |sum: f64| sum / width as f64;
            let (mean, scale) = match norm {
                Norm::Rms { epsilon } => {
                    let square = mean_of(row.iter().map(|x| f64::from(x * x)).sum());
                    (0.0, 1.0 / (square as f32 + epsilon).sqrt())
                }
                Norm::Layer { epsilon } => {
                    let mean = mean_of(row.iter().map(|x| f64::from(*x)).sum()) as f32;
                    let variance = mean_of(row.iter().map(|x| f64::from((x - mean) * (x - mean))).sum());
                    (mean, 1.0 / (variance as f32 + epsilon).sqrt())
                }
            };
            let at = group * width;
            for (i, x) in row.iter_mut().enumerate() {
                *x = (*x - mean) * scale * weight.map_or(1.0, |w| w[at + i])
                    + bias.map_or(0.0, |b| b[(at + i) % b.len()]);
            }
        }
    });
}

/// Rotates the heads of each row by its position, which counts from 0 in each chunk.
pub(super) fn rope(x: &mut [f32], rope: &Rope, head: usize, width: usize, chunk: usize) {
    let pairs = rope.frequencies.len();
    let turns: Vec<(f32, f32)> = (0..chunk)
        .flat_map(|position| rope.frequencies.iter().map(move |frequency| position as f32 * frequency))
        .map(|angle| (angle.cos() * rope.magnitude, angle.sin() * rope.magnitude))
        .collect();
    x.par_chunks_mut(width).enumerate().for_each(|(token, row)| {
        let turns = &turns[token % chunk * pairs..][..pairs];
        for head in row.chunks_exact_mut(head) {
            for (i, &(cos, sin)) in turns.iter().enumerate() {
                let (a, b) = match rope.pairs {
                    Pairs::Neighbours => (2 * i, 2 * i + 1),
                    Pairs::Halves => (i, i + pairs),
                };
                (head[a], head[b]) = (head[a] * cos - head[b] * sin, head[a] * sin + head[b] * cos);
            }
        }
    });
}
