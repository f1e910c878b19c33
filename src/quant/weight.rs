//! How much the squared error of each weight counts in a search.

use super::lanes::Floats;
use std::ops::Mul;

/// The factor of a squared error: [`One`] for the plain error, floats for one that is weighted.
pub(super) trait Weight<V: Floats>: Copy + Mul<V, Output = V> {
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
    #[inline(always)]
    fn sum<const N: usize>(_: &[Self; N]) -> V {
        V::splat(N as f32)
    }
}

impl<V: Floats> Weight<V> for V {
    #[inline(always)]
    fn sum<const N: usize>(factors: &[Self; N]) -> V {
        factors.iter().fold(V::zero(), |sum, &w| sum + w)
    }
}
