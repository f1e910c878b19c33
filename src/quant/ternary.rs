//! The search of TQ1_0 and TQ2_0: 256 weights as −1, 0 or 1 times one scale.

use super::lanes::{Floats, LANES, TILE};
use super::levels::{Levels, Whole};
use super::scaled;
use super::weight::Weight;

/// Inverse scales to try, in inverse mean magnitudes.
const STEPS: [f32; 8] = [1.6, 1.25, 1.0, 0.85, 0.75, 0.65, 0.57, 0.5];

type Codes = Whole<-1, 1>;

/// The scale (f16 bits) and the codes + 1.
#[inline(always)]
pub(super) fn block<V: Floats, W: Weight<V>>(x: &[V; 32], w: &[W; 32]) -> (u16, [V; 32]) {
    let sum = x.iter().fold(V::zero(), |sum, v| sum + v.abs()).sum_groups(LANES);
    let inverse_mean = (sum * V::splat(1.0 / TILE as f32)).inverse();
    // The largest magnitude as the scale is right where the weights are ternary already.
    let largest = scaled::extreme(x, LANES).abs().inverse();
    let mut inverses = [largest; 9];
    inverses[1..].copy_from_slice(&scaled::grid(&STEPS, inverse_mean));
    let (scale, units) = scaled::blocks::<Codes, _, 32, _>(x, w, LANES, &inverses);
    (scale[0], Codes::codes(&units))
}
