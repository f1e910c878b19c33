//! The searches that block formats share: which scale (and minimum) brings the rounded weights closest to the
//! weights, in plain squared error.
//!
//! A grid of ranges gives a few roundings of the weights; for each the best scale and minimum follow by least
//! squares, and so does the error that remains, without a second look at the weights. The winner is then fitted to
//! what the format can store, and the weights rounded again to that.

use super::f16;
use super::lanes::{Floats, LANES, each, inverse};
use std::array::from_fn;

/// Sums over a lane's weights x and codes l, all that a least-squares fit needs.
#[derive(Clone, Copy)]
struct Sums<V> {
    l: V,
    ll: V,
    xl: V,
}

impl<V: Floats> Sums<V> {
    #[inline(always)]
    fn zero() -> Self {
        Self { l: V::zero(), ll: V::zero(), xl: V::zero() }
    }

    #[inline(always)]
    fn add(&mut self, x: V, l: V) {
        self.l = self.l + l;
        self.ll = self.ll + l * l;
        self.xl = self.xl + x * l;
    }

    /// The scale that leaves the least error where the minimum is 0.
    #[inline(always)]
    fn through_zero(&self) -> V {
        self.xl * self.ll.inverse()
    }

    /// `self` where `a` is greater than `b`, else `other`.
    #[inline(always)]
    fn if_gt(self, a: V, b: V, other: Self) -> Self {
        Self { l: a.if_gt(b, self.l, other.l), ll: a.if_gt(b, self.ll, other.ll), xl: a.if_gt(b, self.xl, other.xl) }
    }
}

/// Steps of the affine range grid; by how many codes the first stretches the range, and each step more.
const AFFINE_STEPS: usize = 8;
const AFFINE_FROM: f32 = -0.875;
const AFFINE_STEP: f32 = 0.25;
/// Every other step begins the range this far (in codes) below its lowest weight: other roundings for the same range.
const AFFINE_SHIFT: f32 = 0.375;

/// Each lane's sum of weights, and the sums with the codes of its best fit x ≈ scale · code + min.
struct Affine<V> {
    x: V,
    sums: Sums<V>,
}

/// The best affine fit with codes 0..=`top`. The range begins at 0 or below if `keep_zero`, for formats that cannot
/// store a minimum above 0.
#[inline(always)]
fn affine<V: Floats, const N: usize>(x: &[V; N], top: f32, keep_zero: bool) -> Affine<V> {
    let mut low = if keep_zero { V::zero() } else { x[0] };
    let mut high = low;
    let mut sum = V::zero();
    for &v in x {
        low = low.min(v);
        high = high.max(v);
        sum = sum + v;
    }
    let n = V::splat(N as f32);
    let inverse_range = (high - low).inverse();
    let above = sum - n * low;
    let (mut best, mut gain) = (Sums::zero(), V::splat(-1.0));
    for step in 0..AFFINE_STEPS {
        let inverse = V::splat((top + AFFINE_FROM) + AFFINE_STEP * step as f32) * inverse_range;
        let shift = V::splat(if step % 2 == 1 { AFFINE_SHIFT } else { 0.0 });
        let mut sums = Sums::zero();
        for &v in x {
            let y = v - low;
            sums.add(y, (y * inverse - shift).min(V::splat(top)).round());
        }
        let covariance = n * sums.xl - above * sums.l;
        let explained = covariance * covariance * (n * sums.ll - sums.l * sums.l).inverse();
        best = sums.if_gt(explained, gain, best);
        gain = explained.max(gain);
    }
    let sums = Sums { xl: best.xl + low * best.l, ..best };
    Affine { x: sum, sums }
}

/// [`least_squares`] with a minimum of at most 0, as super-blocks store it.
#[inline(always)]
fn least_squares_below<V: Floats>(sums: &Sums<V>, x: V, count: usize) -> (V, V) {
    let (scale, min) = least_squares(sums, x, count);
    (min.if_gt(V::zero(), sums.through_zero(), scale), min.min(V::zero()))
}

/// The scale and minimum that leave the least error for given codes.
#[inline(always)]
fn least_squares<V: Floats>(sums: &Sums<V>, x: V, count: usize) -> (V, V) {
    let n = V::splat(count as f32);
    let scale = (n * sums.xl - x * sums.l) * (n * sums.ll - sums.l * sums.l).inverse();
    (scale, (x - scale * sums.l) * V::splat(1.0 / count as f32))
}

/// Codes of x ≈ scale · code + min, given 1 / scale.
#[inline(always)]
fn affine_code<V: Floats>(x: V, inverse: V, min: V, top: f32) -> V {
    ((x - min) * inverse).max(V::zero()).min(V::splat(top)).round()
}

/// Scale, minimum (f16 bits) and codes of eight blocks of 32 weights.
pub(super) struct AffineBlocks<V> {
    pub(super) scale: [u16; LANES],
    pub(super) min: [u16; LANES],
    pub(super) codes: [V; 32],
}

/// Blocks with a scale and a minimum of their own: Q4_1, Q5_1.
#[inline(always)]
pub(super) fn affine_blocks<V: Floats>(x: &[V; 32], top: f32) -> AffineBlocks<V> {
    let fit = affine(x, top, false);
    let scale = least_squares(&fit.sums, fit.x, 32).0.to_array().map(f16::encode_scale);
    let stored = V::from_array(scale.map(f16::decode));
    let min = ((fit.x - stored * fit.sums.l) * V::splat(1.0 / 32.0)).to_array().map(f16::encode_scale);
    let (inverse, low) = (stored.inverse(), V::from_array(min.map(f16::decode)));
    AffineBlocks { scale, min, codes: each(x, |v| affine_code(v, inverse, low, top)) }
}

/// A super-block of eight sub-blocks of 32 weights: x ≈ d · scale · code − dmin · min.
pub(super) struct AffineSuper<V> {
    pub(super) d: u16,
    pub(super) dmin: u16,
    pub(super) scales: [u8; LANES],
    pub(super) mins: [u8; LANES],
    pub(super) codes: [V; 32],
}

/// Rounds of fitting sub-block scales and minimums, codes, and the super-block's two scales to one another.
const SUPER_ROUNDS: usize = 1;
/// Sub-block scales and minimums have six bits.
const SUPER_TOP: f32 = 63.0;

/// Super-blocks with scales and minimums: Q4_K, Q5_K.
#[inline(always)]
pub(super) fn affine_super<V: Floats>(x: &[V; 32], top: f32) -> AffineSuper<V> {
    let fit = affine(x, top, true);
    let mut sums = fit.sums;
    let (mut scale, mut min) = least_squares_below(&sums, fit.x, 32);
    let largest = |v: V| v.to_array().into_iter().fold(0.0, |a, b| if b > a { b } else { a });
    let mut d = largest(scale) / SUPER_TOP;
    let mut dmin = largest(V::zero() - min) / SUPER_TOP;
    for _ in 0..SUPER_ROUNDS {
        let (scales, mins) = choose(&sums, scale, min, d, dmin);
        let inverse = (V::splat(d) * scales).inverse();
        let low = V::zero() - V::splat(dmin) * mins;
        sums = Sums::zero();
        for &v in x {
            sums.add(v, affine_code(v, inverse, low, top));
        }
        (d, dmin) = super_scales(&sums, fit.x, scales, mins, d, dmin);
        (scale, min) = least_squares_below(&sums, fit.x, 32);
    }
    let (d, dmin) = (f16::encode_scale(d), f16::encode_scale(dmin));
    let (df, dminf) = (f16::decode(d), f16::decode(dmin));
    let (scales, mins) = choose(&sums, scale, min, df, dminf);
    let inverse = (V::splat(df) * scales).inverse();
    let low = V::zero() - V::splat(dminf) * mins;
    AffineSuper {
        d,
        dmin,
        scales: scales.to_array().map(|v| v as u8),
        mins: mins.to_array().map(|v| v as u8),
        codes: each(x, |v| affine_code(v, inverse, low, top)),
    }
}

/// The storable scale and minimum of each sub-block that add the least error to the fit `scale`, `min` of its
/// codes. The two are not rounded one by one: for each of three scales the minimum follows.
#[inline(always)]
fn choose<V: Floats>(sums: &Sums<V>, scale: V, min: V, d: f32, dmin: f32) -> (V, V) {
    let (d_inverse, dmin_inverse) = (V::splat(inverse(d)), V::splat(inverse(dmin)));
    let top = V::splat(SUPER_TOP);
    let n = V::splat(32.0);
    let nearest = (scale * d_inverse).max(V::zero()).min(top).round();
    let (mut scales, mut mins, mut error) = (V::zero(), V::zero(), V::splat(f32::MAX));
    for step in [0.0, -1.0, 1.0] {
        let s = (nearest + V::splat(step)).max(V::zero()).min(top);
        let ds = V::splat(d) * s - scale;
        let m = ((ds * sums.l * V::splat(1.0 / 32.0) - min) * dmin_inverse).max(V::zero()).min(top).round();
        let dm = V::splat(dmin) * m + min;
        let added = sums.ll * ds * ds + n * dm * dm - V::splat(2.0) * sums.l * ds * dm;
        scales = error.if_gt(added, s, scales);
        mins = error.if_gt(added, m, mins);
        error = error.min(added);
    }
    (scales, mins)
}

/// The super-block's two scales by least squares, given everything else.
#[inline(always)]
fn super_scales<V: Floats>(sums: &Sums<V>, x: V, scales: V, mins: V, d: f32, dmin: f32) -> (f32, f32) {
    let a = (scales * scales * sums.ll).sum();
    let b = (scales * mins * sums.l).sum();
    let c = (mins * mins * V::splat(32.0)).sum();
    let p = (scales * sums.xl).sum();
    let r = (mins * x).sum();
    let determinant = a * c - b * b;
    let (d2, dmin2) = ((p * c - r * b) / determinant, (p * b - r * a) / determinant);
    if determinant > 0.0 && d2 > 0.0 && dmin2 >= 0.0 {
        (d2, dmin2)
    } else if a > 0.0 && p > 0.0 && c == 0.0 {
        (p / a, dmin)
    } else {
        (d, dmin)
    }
}

/// Steps of the symmetric range grid, as those of the affine one.
const SYMMETRIC_STEPS: usize = 8;
const SYMMETRIC_FROM: f32 = -2.5;
const SYMMETRIC_STEP: f32 = 0.5;

/// Sums over codes −`half`..`half` of the best symmetric fit x ≈ scale · code; the scale is `xl / ll`.
#[inline(always)]
fn symmetric<V: Floats, const N: usize>(x: &[V; N], half: f32) -> Sums<V> {
    let (mut size, mut extreme) = (V::zero(), V::zero());
    for &v in x {
        extreme = v.abs().if_gt(size, v, extreme);
        size = size.max(v.abs());
    }
    let inverse_extreme = (V::zero() - extreme).inverse();
    let (mut best, mut gain) = (Sums::zero(), V::splat(-1.0));
    for step in 0..SYMMETRIC_STEPS {
        let inverse = V::splat((half + SYMMETRIC_FROM) + SYMMETRIC_STEP * step as f32) * inverse_extreme;
        let mut sums = Sums::zero();
        for &v in x {
            sums.add(v, symmetric_code(v, inverse, half));
        }
        let explained = sums.xl * sums.xl * sums.ll.inverse();
        best = sums.if_gt(explained, gain, best);
        gain = explained.max(gain);
    }
    best
}

/// Codes of x ≈ scale · code, given 1 / scale.
#[inline(always)]
fn symmetric_code<V: Floats>(x: V, inverse: V, half: f32) -> V {
    (x * inverse).max(V::splat(-half)).min(V::splat(half - 1.0)).round()
}

/// Scale (f16 bits) and codes (offset by `half`, so not negative) of eight blocks of 32 weights: Q5_0.
#[inline(always)]
pub(super) fn symmetric_blocks<V: Floats>(x: &[V; 32], half: f32) -> ([u16; LANES], [V; 32]) {
    let sums = symmetric(x, half);
    let scale = sums.through_zero().to_array().map(f16::encode_scale);
    let inverse = V::from_array(scale.map(f16::decode)).inverse();
    (scale, each(x, |v| symmetric_code(v, inverse, half) + V::splat(half)))
}

/// A super-block of sixteen sub-blocks of 16 weights: x ≈ d · scale · (code − 32).
pub(super) struct SymmetricSuper<V> {
    pub(super) d: u16,
    pub(super) scales: [i8; 2 * LANES],
    pub(super) codes: [[V; 16]; 2],
}

/// Super-blocks with signed sub-block scales of eight bits: Q6_K.
#[inline(always)]
pub(super) fn symmetric_super<V: Floats>(x: &[[V; 16]; 2], half: f32) -> SymmetricSuper<V> {
    let mut scale = [symmetric(&x[0], half).through_zero(), symmetric(&x[1], half).through_zero()];
    let (mut size, mut extreme) = (0.0, 0.0);
    for s in [scale[0].to_array(), scale[1].to_array()].as_flattened() {
        if s.abs() > size {
            (size, extreme) = (s.abs(), *s);
        }
    }
    let mut d = extreme / -128.0;
    for _ in 0..SUPER_ROUNDS {
        let (mut p, mut a) = (0.0, 0.0);
        for (x, scale) in x.iter().zip(&mut scale) {
            let scales = storable(*scale, d);
            let inverse = (V::splat(d) * scales).inverse();
            let mut sums = Sums::zero();
            for &v in x {
                sums.add(v, symmetric_code(v, inverse, half));
            }
            *scale = sums.through_zero();
            p += (scales * sums.xl).sum();
            a += (scales * scales * sums.ll).sum();
        }
        if a > 0.0 {
            d = p / a;
        }
    }
    let d = f16::encode_scale(d);
    let stored = f16::decode(d);
    let scales = [storable(scale[0], stored), storable(scale[1], stored)];
    let mut codes = *x;
    for (x, scales) in codes.iter_mut().zip(scales) {
        let inverse = (V::splat(stored) * scales).inverse();
        *x = each(x, |v| symmetric_code(v, inverse, half) + V::splat(half));
    }
    let scales = [scales[0].to_array(), scales[1].to_array()];
    SymmetricSuper { d, scales: from_fn(|s| scales.as_flattened()[s] as i8), codes }
}

/// The eight-bit multiple of `d` nearest to each scale.
#[inline(always)]
fn storable<V: Floats>(scale: V, d: f32) -> V {
    (scale * V::splat(inverse(d))).max(V::splat(-128.0)).min(V::splat(127.0)).round()
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::super::avx2::Avx2;
    use super::super::lanes::{Portable, TILE, load, pack};
    use super::*;

    /// Everything that formats take from the searches, as plain numbers.
    fn found<V: Floats>(weights: &[f32; TILE]) -> Vec<u32> {
        let mut all = vec![];
        let words = |codes: &[V; 32]| pack::<V, 32, 8>(codes).as_flattened().to_vec();
        for top in [15.0, 31.0] {
            let blocks = affine_blocks::<V>(&load(weights), top);
            all.extend(blocks.scale.iter().chain(&blocks.min).map(|&half| u32::from(half)));
            all.extend(words(&blocks.codes));
            let block = affine_super::<V>(&load(weights), top);
            all.extend([block.d, block.dmin].map(u32::from));
            all.extend(block.scales.iter().chain(&block.mins).map(|&scale| u32::from(scale)));
            all.extend(words(&block.codes));
        }
        let (scale, codes) = symmetric_blocks::<V>(&load(weights), 16.0);
        all.extend(scale.map(u32::from));
        all.extend(words(&codes));
        let (first, second) = weights.split_at(TILE / 2);
        let block = symmetric_super::<V>(&[load(first), load(second)], 32.0);
        all.push(u32::from(block.d));
        all.extend(block.scales.iter().map(|&scale| scale as u32));
        all.extend(block.codes.iter().flat_map(|codes| pack::<V, 16, 4>(codes)).flatten());
        all
    }

    #[test]
    fn the_width_of_a_register_changes_nothing() {
        assert!(is_x86_feature_detected!("avx2"), "this test needs a processor with AVX2");
        let mut state = 1u32;
        for round in 0..2000 {
            let tile = from_fn(|i| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                match round % 4 {
                    0 => f32::from_bits(state),
                    1 => ((state >> 8) as f32 - 8e6) * 2f32.powi(i as i32 / 32 * 3 - 40),
                    2 => (state >> 28) as f32 * 0.125 - 1.0,
                    _ => (state >> 8) as f32 * (state >> 20) as f32 * 1e-9 - 3.0,
                }
            });
            assert_eq!(found::<Portable>(&tile), found::<Avx2>(&tile), "round {round}");
        }
    }
}
