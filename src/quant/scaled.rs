//! Searches for formats without a minimum: x ≈ scale · level, where the levels are evenly spaced or not.
//!
//! Each of a few scales rounds the weights to levels; for those the best scale follows by least squares, and so does
//! the error that remains, without a second look at the weights.

use super::f16;
use super::lanes::{F, LANES, Lanes};
use super::weight::Weight;
use std::array::from_fn;

/// Sums over weights x and levels q, all that a least-squares scale needs.
#[derive(Clone, Copy)]
pub(super) struct Fit {
    qq: F,
    xq: F,
}

impl Fit {
    const ZERO: Self = Self { qq: F::ZERO, xq: F::ZERO };

    /// The fit of x to the levels nearest to x · `inverse`. Neighbouring `group`s of lanes share a scale.
    #[inline(always)]
    fn at<const N: usize, W: Weight>(
        x: &[F; N],
        w: &[W; N],
        group: usize,
        inverse: F,
        nearest: impl Fn(F) -> F,
    ) -> Self {
        let mut fit = Self::ZERO;
        for i in 0..N {
            let q = nearest(x[i] * inverse);
            let wq = w[i] * q;
            fit.qq = fit.qq + wq * q;
            fit.xq = fit.xq + wq * x[i];
        }
        Self { qq: fit.qq.sum_groups(group), xq: fit.xq.sum_groups(group) }
    }

    /// The best fit among these inverse scales.
    #[inline(always)]
    fn best<const N: usize, W: Weight>(
        x: &[F; N],
        w: &[W; N],
        group: usize,
        inverses: impl Iterator<Item = F>,
        nearest: impl Fn(F) -> F,
    ) -> Self {
        let (mut best, mut gain) = (Self::ZERO, F::splat(-1.0));
        for inverse in inverses {
            let fit = Self::at(x, w, group, inverse, &nearest);
            let explained = fit.xq * fit.xq * fit.qq.inverse();
            best = Self { qq: explained.if_gt(gain, fit.qq, best.qq), xq: explained.if_gt(gain, fit.xq, best.xq) };
            gain = explained.max(gain);
        }
        best
    }

    #[inline(always)]
    fn scale(self) -> F {
        self.xq * self.qq.inverse()
    }
}

/// The weight of largest magnitude, with its sign, of each group of lanes; the first where several are.
#[inline(always)]
pub(super) fn extreme<const N: usize>(x: &[F; N], group: usize) -> F {
    let (mut size, mut extreme) = (F::ZERO, F::ZERO);
    for &v in x {
        extreme = v.abs().if_gt(size, v, extreme);
        size = size.max(v.abs());
    }
    let first = |lane: usize| lane / group * group;
    Lanes(from_fn(|lane| {
        (first(lane)..first(lane) + group)
            .fold(0.0f32, |most, l| if extreme.0[l].abs() > most.abs() { extreme.0[l] } else { most })
    }))
}

/// Scale (f16 bits) of blocks of `group` lanes, and the weights in units of it: to be rounded to levels.
#[inline(always)]
pub(super) fn blocks<const N: usize, W: Weight>(
    x: &[F; N],
    w: &[W; N],
    group: usize,
    inverses: impl Iterator<Item = F>,
    nearest: impl Fn(F) -> F,
) -> ([u16; LANES], [F; N]) {
    let first = Fit::best(x, w, group, inverses, &nearest);
    // The levels nearest at the fitted scale are no worse than those it was fitted to, and have a better scale still.
    let fit = Fit::at(x, w, group, first.scale().inverse(), &nearest);
    let scale = fit.scale().map(f16::encode_scale);
    let inverse = scale.map(f16::decode).inverse();
    (scale.0, x.map(|v| v * inverse))
}

/// A super-block of `H` · 8 sub-blocks of `N` weights: x ≈ d · scale · level.
pub(super) struct Super<const N: usize, const H: usize> {
    /// f16 bits.
    pub(super) d: u16,
    /// Whole numbers −top..top.
    pub(super) scales: [F; H],
    /// The weights in units of their sub-block's scale: to be rounded to levels.
    pub(super) units: [[F; N]; H],
}

/// Rounds of fitting sub-block scales, levels, and the super-block's scale to one another.
const ROUNDS: usize = 2;

/// Super-blocks with signed sub-block scales −`top`..`top`.
#[inline(always)]
pub(super) fn super_block<const N: usize, const H: usize, W: Weight, I: Iterator<Item = F>>(
    x: &[[F; N]; H],
    w: &[[W; N]; H],
    top: f32,
    inverses: impl Fn(F) -> I,
    nearest: impl Fn(F) -> F,
) -> Super<N, H> {
    let mut fits: [Fit; H] =
        from_fn(|h| Fit::best(&x[h], &w[h], 1, inverses(extreme(&x[h], 1).inverse()), &nearest));
    let largest = fits
        .iter()
        .flat_map(|fit| fit.scale().0)
        .fold(0.0f32, |most, s| if s.abs() > most.abs() { s } else { most });
    let mut d = largest / -top;
    let storable = |scale: F, d: f32| {
        let inverse = F::splat(super::lanes::inverse(d));
        (scale * inverse).max(F::splat(-top)).min(F::splat(top - 1.0)).round()
    };
    for _ in 0..ROUNDS {
        let (mut p, mut a) = (0.0, 0.0);
        for h in 0..H {
            let scales = storable(fits[h].scale(), d);
            fits[h] = Fit::at(&x[h], &w[h], 1, (F::splat(d) * scales).inverse(), &nearest);
            p += (scales * fits[h].xq).sum();
            a += (scales * scales * fits[h].qq).sum();
        }
        if a > 0.0 {
            d = p / a;
        }
    }
    let d = f16::encode_scale(d);
    let stored = f16::decode(d);
    let scales: [F; H] = fits.map(|fit| storable(fit.scale(), stored));
    let units = from_fn(|h| {
        let inverse = (F::splat(stored) * scales[h]).inverse();
        x[h].map(|v| v * inverse)
    });
    Super { d, scales, units }
}
