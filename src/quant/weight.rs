//! How much the squared error of each weight counts in a search.

use super::lanes::F;
use std::ops::Mul;

/// The factor of a squared error: [`One`] for the plain error, eight floats for one that is weighted.
pub(super) trait Weight: Copy + Mul<F, Output = F> {
    /// The sum of the factors of a lane's weights.
    fn sum<const N: usize>(factors: &[Self; N]) -> F;
}

/// Every weight counts the same. Multiplying by it costs nothing.
#[derive(Clone, Copy)]
pub(super) struct One;

impl Mul<F> for One {
    type Output = F;
    #[inline(always)]
    fn mul(self, v: F) -> F {
        v
    }
}

impl Weight for One {
    #[inline(always)]
    fn sum<const N: usize>(_: &[Self; N]) -> F {
        F::splat(N as f32)
    }
}

impl Weight for F {
    #[inline(always)]
    fn sum<const N: usize>(factors: &[Self; N]) -> F {
        factors.iter().fold(F::ZERO, |sum, &w| sum + w)
    }
}
