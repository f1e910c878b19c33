//! The search of TQ1_0 and TQ2_0: 256 weights as −1, 0 or 1 times one scale.

use super::lanes::{F, LANES, TILE};
use super::scaled;
use super::weight::Weight;

/// Scales to try, in mean magnitudes.
const MEANS: [f32; 8] = [0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0];

#[inline(always)]
fn nearest(v: F) -> F {
    v.max(F::splat(-1.0)).min(F::splat(1.0)).round()
}

/// The scale (f16 bits) and the codes.
#[inline(always)]
pub(super) fn block<W: Weight>(x: &[F; 32], w: &[W; 32]) -> (u16, [F; 32]) {
    let sum = x.iter().fold(F::ZERO, |sum, v| sum + v.abs()).sum_groups(LANES);
    let inverse_mean = (sum * F::splat(1.0 / TILE as f32)).inverse();
    // The largest magnitude as the scale is right where the weights are ternary already.
    let largest = scaled::extreme(x, LANES).abs().inverse();
    let inverses = MEANS.iter().map(|mean| inverse_mean * F::splat(1.0 / mean)).chain([largest]);
    let (scale, units) = scaled::blocks(x, w, LANES, inverses, nearest);
    (scale[0], units.map(nearest))
}
