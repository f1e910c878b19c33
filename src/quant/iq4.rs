//! The sixteen levels of IQ4_NL and IQ4_XS: `kvalues_iq4nl` of ggml-common.h, close together near 0 as weights are.

use super::lanes::F;

pub(super) const LEVELS: [f32; 16] =
    [-127.0, -104.0, -83.0, -65.0, -49.0, -35.0, -22.0, -10.0, 1.0, 13.0, 25.0, 38.0, 53.0, 69.0, 89.0, 113.0];

/// The nearest level of each; half-way the lower.
#[inline(always)]
pub(super) fn nearest(v: F) -> F {
    LEVELS.windows(2).fold(F::splat(LEVELS[0]), |level, pair| {
        level + v.if_gt(F::splat((pair[0] + pair[1]) / 2.0), F::splat(pair[1] - pair[0]), F::ZERO)
    })
}

/// The number of the nearest level.
#[inline(always)]
pub(super) fn code(v: F) -> F {
    LEVELS.windows(2).fold(F::ZERO, |code, pair| {
        code + v.if_gt(F::splat((pair[0] + pair[1]) / 2.0), F::splat(1.0), F::ZERO)
    })
}

/// Where the extreme weight is put: at or beyond the lowest level, or at the highest with the other sign.
#[inline(always)]
pub(super) fn inverses(inverse_extreme: F) -> impl Iterator<Item = F> {
    GRID.iter().map(move |&level| F::splat(level) * inverse_extreme)
}

const GRID: [f32; 8] = [-148.0, -141.0, -134.0, -127.0, -120.0, -113.0, 113.0, 123.0];
