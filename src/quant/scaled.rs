//! Searches for formats without a minimum: x ≈ scale · level, where the levels are evenly spaced or not.
//!
//! Each of a few scales rounds the weights to levels; for those the best scale follows by least squares, and so does
//! the error that remains, without a second look at the weights.

use super::f16;
use super::lanes::{Floats, LANES, each, inverse};
use super::levels::Levels;
use super::search::Effort;
use super::weight::Weight;

/// Sums over weights x and levels q, all that a least-squares scale needs.
#[derive(Clone, Copy)]
struct Fit<V> {
    qq: V,
    xq: V,
}

impl<V: Floats> Fit<V> {
    /// The fit of x to the levels nearest to x · `inverse`. Neighbouring `group`s of lanes share a scale.
    #[inline(always)]
    fn at<L: Levels, const N: usize, W: Weight<V>>(x: &[V; N], w: &[W; N], group: usize, inverse: V) -> Self {
        let (mut qq, mut xq) = (V::zero(), V::zero());
        for i in 0..N {
            let q = L::nearest(x[i] * inverse);
            let wq = w[i] * q;
            qq = qq + wq * q;
            xq = xq + wq * x[i];
        }
        if group == 1 { Self { qq, xq } } else { Self { qq: qq.sum_groups(group), xq: xq.sum_groups(group) } }
    }

    /// The best fit among these inverse scales.
    #[inline(always)]
    fn best<L: Levels, const N: usize, W: Weight<V>>(x: &[V; N], w: &[W; N], group: usize, inverses: &[V]) -> Self {
        let (mut best, mut gain) = (Self { qq: V::zero(), xq: V::zero() }, V::splat(-1.0));
        for &inverse in inverses {
            let fit = Self::at::<L, N, W>(x, w, group, inverse);
            let explained = fit.xq * fit.xq * fit.qq.inverse();
            best = Self { qq: explained.if_gt(gain, fit.qq, best.qq), xq: explained.if_gt(gain, fit.xq, best.xq) };
            gain = explained.max(gain);
        }
        best
    }

    #[inline(always)]
    fn scale(self) -> V {
        self.xq * self.qq.inverse()
    }
}

/// The weight of largest magnitude, with its sign, of each group of lanes; the first where several are.
#[inline(always)]
pub(super) fn extreme<V: Floats, const N: usize>(x: &[V; N], group: usize) -> V {
    let (mut size, mut extreme) = (V::zero(), V::zero());
    for &v in x {
        extreme = v.abs().if_gt(size, v, extreme);
        size = size.max(v.abs());
    }
    if group == 1 {
        return extreme;
    }
    let mut lanes = extreme.to_array();
    for lanes in lanes.chunks_exact_mut(group) {
        lanes.fill(lanes.iter().fold(0.0, |most: f32, &v| if v.abs() > most.abs() { v } else { most }));
    }
    V::from_array(lanes)
}

/// Each step times the unit: the inverse scales to try.
#[inline(always)]
pub(super) fn grid<V: Floats, const STEPS: usize>(steps: &[f32; STEPS], unit: V) -> [V; STEPS] {
    let mut inverses = [unit; STEPS];
    for (inverse, &step) in inverses.iter_mut().zip(steps) {
        *inverse = V::splat(step) * unit;
    }
    inverses
}

/// Scale (f16 bits) of blocks of `group` lanes, and the weights in units of it: to be rounded to levels.
#[inline(always)]
pub(super) fn blocks<L: Levels, V: Floats, const N: usize, W: Weight<V>>(
    x: &[V; N],
    w: &[W; N],
    group: usize,
    inverses: &[V],
) -> ([u16; LANES], [V; N]) {
    let scale = Fit::best::<L, N, W>(x, w, group, inverses).scale().to_array().map(f16::encode_scale);
    let inverse = V::from_array(scale.map(f16::decode)).inverse();
    (scale, each(x, |v| v * inverse))
}

/// A super-block of `H` · 8 sub-blocks of `N` weights: x ≈ d · scale · level.
pub(super) struct Super<V, const N: usize, const H: usize> {
    /// f16 bits.
    pub(super) d: u16,
    /// Whole numbers −top..top.
    pub(super) scales: [[f32; LANES]; H],
    /// The weights in units of their sub-block's scale: to be rounded to levels.
    pub(super) units: [[V; N]; H],
}

/// Super-blocks with signed sub-block scales −`top`..`top`; the steps are tried in inverse extreme weights.
#[inline(always)]
pub(super) fn super_block<L: Levels, V: Floats, const N: usize, const H: usize, const STEPS: usize, W: Weight<V>>(
    x: &[[V; N]; H],
    w: &[[W; N]; H],
    top: f32,
    steps: &[f32; STEPS],
    effort: Effort,
) -> Super<V, N, H> {
    let mut fits = [Fit { qq: V::zero(), xq: V::zero() }; H];
    let mut largest = 0.0f32;
    for h in 0..H {
        let inverses = grid(steps, extreme(&x[h], 1).inverse());
        fits[h] = Fit::best::<L, N, W>(&x[h], &w[h], 1, &inverses);
        for scale in fits[h].scale().to_array() {
            largest = if scale.abs() > largest.abs() { scale } else { largest };
        }
    }
    let mut d = largest / -top;
    let storable = |scale: V, d: f32| {
        let inverse = V::splat(inverse(d));
        (scale * inverse).max(V::splat(-top)).min(V::splat(top - 1.0)).round()
    };
    for _ in 0..effort.super_rounds() {
        let (mut p, mut a) = (0.0, 0.0);
        for h in 0..H {
            let scales = storable(fits[h].scale(), d);
            fits[h] = Fit::at::<L, N, W>(&x[h], &w[h], 1, (V::splat(d) * scales).inverse());
            p += (scales * fits[h].xq).sum();
            a += (scales * scales * fits[h].qq).sum();
        }
        if a > 0.0 {
            d = p / a;
        }
    }
    let half = f16::encode_scale(d);
    let d = f16::decode(half);
    let mut found = Super { d: half, scales: [[0.0; LANES]; H], units: *x };
    for h in 0..H {
        let scales = storable(fits[h].scale(), d);
        let inverse = (V::splat(d) * scales).inverse();
        found.scales[h] = scales.to_array();
        found.units[h] = each(&x[h], |v| v * inverse);
    }
    found
}
