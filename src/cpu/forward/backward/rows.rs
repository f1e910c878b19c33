//! Adjoints of what is done to each row, or each number, by itself.

use crate::cpu::forward::rows::{TASK, sigmoid};
use crate::cpu::forward::vector::{dot, sum};
use crate::forward::{Activation, Norm};
use crate::wide::wide;
use rayon::prelude::*;

/// Multiplies each number with what `slope` says of the input in its place.
pub(super) fn times(gradient: &mut [f32], x: &[f32], slope: impl Fn(f32) -> f32 + Sync) {
    let parts = gradient.par_chunks_mut(TASK).zip(x.par_chunks(TASK));
    parts.for_each(|(gradient, x)| wide(|| gradient.iter_mut().zip(x).for_each(|(g, x)| *g *= slope(*x))));
}

/// Of `f(x)`.
pub(super) fn activate(gradient: &mut [f32], x: &[f32], activation: Activation) {
    times(gradient, x, |x| of(activation, x)[1]);
}

/// Of `f(gate) · up`: by gate, and by up.
pub(super) fn gate(gradient: Vec<f32>, gate: &[f32], up: &[f32], activation: Activation) -> [Vec<f32>; 2] {
    let mut by = [gradient.clone(), gradient];
    times(&mut by[0], gate, |gate| of(activation, gate)[1]);
    times(&mut by[0], up, |up| factor(activation, up)[0]);
    times(&mut by[1], gate, |gate| of(activation, gate)[0]);
    times(&mut by[1], up, |up| factor(activation, up)[1]);
    by
}

/// What a gate is multiplied with of the other half, and the derivative of that.
#[inline(always)]
fn factor(activation: Activation, up: f32) -> [f32; 2] {
    match activation {
        Activation::ClampedSwiglu => [up.clamp(-7.0, 7.0) + 1.0, f32::from(u8::from(up.abs() < 7.0))],
        _ => [up, 1.0],
    }
}

/// A function of a number, and its derivative.
#[inline(always)]
fn of(activation: Activation, x: f32) -> [f32; 2] {
    match activation {
        Activation::Silu => swish(x, x, 1.0),
        Activation::Gelu => {
            let inner = 2.0 * 0.797_884_6;
            swish(x, inner * x * (1.0 + 0.044_715 * x * x), inner * (1.0 + 3.0 * 0.044_715 * x * x))
        }
        Activation::SquaredRelu => {
            let x = x.max(0.0);
            [x * x, 2.0 * x]
        }
        Activation::Sigmoid => {
            let s = sigmoid(x);
            [s, s * (1.0 - s)]
        }
        Activation::ClampedSwiglu if x > 7.0 => [swish(7.0, 1.702 * 7.0, 1.702)[0], 0.0],
        Activation::ClampedSwiglu => swish(x, 1.702 * x, 1.702),
    }
}

/// x · sigmoid(u) and its derivative, where u grows by `slope` with x.
#[inline(always)]
fn swish(x: f32, u: f32, slope: f32) -> [f32; 2] {
    let s = sigmoid(u);
    [x * s, s + x * s * (1.0 - s) * slope]
}

/// Of rows times the one number of each: by the rows, and by the numbers.
pub(super) fn weigh(mut gradient: Vec<f32>, x: &[f32], y: &[f32]) -> [Vec<f32>; 2] {
    let width = (x.len() / y.len().max(1)).max(1);
    let rows = gradient.par_chunks(width).zip(x.par_chunks(width));
    let by_number = rows.map(|(gradient, x)| wide(|| dot(gradient, x))).collect();
    gradient.par_chunks_mut(width).zip(y).for_each(|(row, y)| row.iter_mut().for_each(|g| *g *= y));
    [gradient, by_number]
}

/// Puts columns in their place in each group, from `first` on.
pub(super) fn put_columns(to: &mut [f32], from: &[f32], first: usize, [group, width]: [usize; 2]) {
    let rows = to.par_chunks_mut(group).zip(from.par_chunks(width));
    rows.for_each(|(to, from)| to[first..first + width].copy_from_slice(from));
}

/// Of a norm of groups of `width` numbers, whose factors go round: with n the normalised numbers, and g the gradient times the
/// factors, (g − mean(g) − n · mean(g · n)) · scale, without the mean where none was taken off.
pub(super) fn norm(gradient: &mut [f32], x: &[f32], norm: Norm, width: usize, weight: Option<&[f32]>) {
    let longest = weight.map_or(width, <[f32]>::len).max(width);
    let rows = gradient.par_chunks_mut(longest).zip(x.par_chunks(longest));
    rows.for_each(|(gradient, x)| {
        wide(|| {
            for (group, (g, x)) in gradient.chunks_exact_mut(width).zip(x.chunks_exact(width)).enumerate() {
                if let Some(weight) = weight {
                    let weight = &weight[group * width % weight.len()..];
                    g.iter_mut().zip(weight).for_each(|(g, weight)| *g *= weight);
                }
                let count = width as f32;
                let (mean, scale, common) = match norm {
                    Norm::Rms { epsilon } => (0.0, 1.0 / (sum(x, |x| x * x) / count + epsilon).sqrt(), 0.0),
                    Norm::Layer { epsilon } => {
                        let mean = sum(x, |x| x) / count;
                        let square = sum(x, |x| (x - mean) * (x - mean)) / count;
                        (mean, 1.0 / (square + epsilon).sqrt(), sum(g, |g| g) / count)
                    }
                };
                let along = (dot(g, x) - mean * sum(g, |g| g)) * scale / count;
                g.iter_mut().zip(x).for_each(|(g, x)| *g = (*g - common - (x - mean) * scale * along) * scale);
            }
        });
    });
}
