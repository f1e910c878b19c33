//! How much the squared error of each weight counts in a search.

use super::lanes::{Floats, rows};
use std::ops::Mul;

/// How much each column of a matrix counts: the factor of its weights' squared errors.
///
/// Factors are relative to one another; their mean should be near 1. None counts as less than 2⁻²⁰, which is also what
/// one that is no number counts as, nor as more than 2¹¹.
#[derive(Clone, Copy, Debug)]
pub struct Importance<'a> {
    /// A factor for each column: a row of the matrix is as long, and a whole number of blocks.
    pub columns: &'a [f32],
    /// The column of the first weight.
    pub first: usize,
}

impl<'a> Importance<'a> {
    /// The same, seen from `weights` weights further on.
    pub fn skip(self, weights: usize) -> Self {
        Self { first: (self.first + weights) % self.columns.len(), ..self }
    }

    /// Writes the factors of the next weights.
    pub(super) fn fill(self, factors: &mut [f32]) {
        let (mut column, mut filled) = (self.first, 0);
        while filled < factors.len() {
            let run = (factors.len() - filled).min(self.columns.len() - column);
            factors[filled..filled + run].copy_from_slice(&self.columns[column..column + run]);
            (column, filled) = (0, filled + run);
        }
    }
}

/// The factor of a squared error: [`One`] for the plain error, floats for one that is weighted.
pub(super) trait Weight<V: Floats>: Copy + Mul<V, Output = V> {
    /// Whether there are factors to load.
    const WEIGHTED: bool;

    /// The factors of a tile's weights, in the order of [`load`](super::lanes::load).
    fn load<const N: usize>(factors: &[f32]) -> [Self; N];

    /// The sum of the factors of a lane's weights.
    fn sum<const N: usize>(factors: &[Self; N]) -> V;
}

/// Every weight counts the same. Multiplying by it costs nothing.
#[derive(Clone, Copy)]
pub(super) struct One;

impl<V: Floats> Mul<V> for One {
    type Output = V;
    #[inline(always)]
    fn mul(self, v: V) -> V {
        v
    }
}

impl<V: Floats> Weight<V> for One {
    const WEIGHTED: bool = false;

    #[inline(always)]
    fn load<const N: usize>(_: &[f32]) -> [Self; N] {
        [One; N]
    }

    #[inline(always)]
    fn sum<const N: usize>(_: &[Self; N]) -> V {
        V::splat(N as f32)
    }
}

impl<V: Floats> Weight<V> for V {
    const WEIGHTED: bool = true;

    #[inline(always)]
    fn load<const N: usize>(factors: &[f32]) -> [V; N] {
        let (least, most) = (V::splat(1.0 / (1 << 20) as f32), V::splat((1 << 11) as f32));
        let infinity = V::splat(f32::INFINITY);
        let mut w = rows::<V, N>(factors);
        for w in &mut w {
            // Comparisons with NaN are false.
            *w = infinity.if_gt(*w, w.if_gt(least, w.min(most), least), least);
        }
        w
    }

    #[inline(always)]
    fn sum<const N: usize>(factors: &[V; N]) -> V {
        let mut sum = V::zero();
        for &w in factors {
            sum = sum + w;
        }
        sum
    }
}
