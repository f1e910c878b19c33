//! The searches that block formats share: which scale (and minimum) brings the rounded weights closest to the
//! weights, in plain squared error.
//!
//! A grid of ranges gives a few roundings of the weights; for each the best scale and minimum follow by least
//! squares, and so does the error that remains, without a second look at the weights. The winner is then fitted to
//! what the format can store, and the weights rounded again to that.

use super::f16;
use super::lanes::{F, LANES};
use std::array::from_fn;

/// Sums over a lane's weights x and codes l, all that a least-squares fit needs.
#[derive(Clone, Copy)]
struct Sums {
    l: F,
    ll: F,
    xl: F,
}

impl Sums {
    const ZERO: Self = Self { l: F::ZERO, ll: F::ZERO, xl: F::ZERO };

    #[inline(always)]
    fn add(&mut self, x: F, l: F) {
        self.l = self.l + l;
        self.ll = self.ll + l * l;
        self.xl = self.xl + x * l;
    }

    /// `self` where `a` is greater than `b`, else `other`.
    #[inline(always)]
    fn if_gt(self, a: F, b: F, other: Self) -> Self {
        Self { l: a.if_gt(b, self.l, other.l), ll: a.if_gt(b, self.ll, other.ll), xl: a.if_gt(b, self.xl, other.xl) }
    }
}

/// Steps of the affine range grid; by how many codes the first stretches the range, and each step more.
const AFFINE_STEPS: usize = 8;
const AFFINE_FROM: f32 = -0.7;
const AFFINE_STEP: f32 = 0.2;

/// Each lane's sum of weights, and the sums with the codes of its best fit x ≈ scale · code + min.
struct Affine {
    x: F,
    sums: Sums,
}

/// The best affine fit with codes 0..=`top`; the range always holds `within` (0 where a minimum above 0 cannot be
/// stored).
#[inline(always)]
fn affine<const N: usize>(x: &[F; N], top: f32, keep_zero: bool) -> Affine {
    let mut low = if keep_zero { F::ZERO } else { x[0] };
    let mut high = low;
    let mut sum = F::ZERO;
    for &v in x {
        low = low.min(v);
        high = high.max(v);
        sum = sum + v;
    }
    let n = F::splat(N as f32);
    let inverse_range = (high - low).inverse();
    let above = sum - n * low;
    let (mut best, mut gain) = (Sums::ZERO, F::splat(-1.0));
    for step in 0..AFFINE_STEPS {
        let stretch = AFFINE_FROM + AFFINE_STEP * step as f32;
        let inverse = F::splat(top + stretch) * inverse_range;
        let mut sums = Sums::ZERO;
        for &v in x {
            let y = v - low;
            sums.add(y, (y * inverse).min(F::splat(top)).round());
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
fn least_squares_below(sums: &Sums, x: F, count: usize) -> (F, F) {
    let (scale, min) = least_squares(sums, x, count);
    let through_zero = sums.xl * sums.ll.inverse();
    (min.if_gt(F::ZERO, through_zero, scale), min.min(F::ZERO))
}

/// The scale and minimum that leave the least error for given codes.
#[inline(always)]
fn least_squares(sums: &Sums, x: F, count: usize) -> (F, F) {
    let n = F::splat(count as f32);
    let scale = (n * sums.xl - x * sums.l) * (n * sums.ll - sums.l * sums.l).inverse();
    (scale, (x - scale * sums.l) * F::splat(1.0 / count as f32))
}

/// Codes of x ≈ scale · code + min, given 1 / scale.
#[inline(always)]
fn affine_code(x: F, inverse: F, min: F, top: f32) -> F {
    ((x - min) * inverse).max(F::ZERO).min(F::splat(top)).round()
}

/// Scale, minimum (f16 bits) and codes of eight blocks of 32 weights.
pub(super) struct AffineBlocks {
    pub(super) scale: [u16; LANES],
    pub(super) min: [u16; LANES],
    pub(super) codes: [F; 32],
}

/// Blocks with a scale and a minimum of their own: Q4_1, Q5_1.
#[inline(always)]
pub(super) fn affine_blocks(x: &[F; 32], top: f32) -> AffineBlocks {
    let fit = affine(x, top, false);
    let scale = least_squares(&fit.sums, fit.x, 32).0.map(f16::encode_scale);
    let stored = scale.map(f16::decode);
    let min = ((fit.x - stored * fit.sums.l) * F::splat(1.0 / 32.0)).map(f16::encode_scale);
    let (inverse, low) = (stored.inverse(), min.map(f16::decode));
    AffineBlocks { scale: scale.0, min: min.0, codes: x.map(|v| affine_code(v, inverse, low, top)) }
}

/// A super-block of eight sub-blocks of 32 weights: x ≈ d · scale · code − dmin · min.
pub(super) struct AffineSuper {
    pub(super) d: u16,
    pub(super) dmin: u16,
    pub(super) scales: [u8; LANES],
    pub(super) mins: [u8; LANES],
    pub(super) codes: [F; 32],
}

/// Rounds of fitting sub-block scales and minimums, codes, and the super-block's two scales to one another.
const SUPER_ROUNDS: usize = 2;
/// Sub-block scales and minimums have six bits.
const SUPER_TOP: f32 = 63.0;

/// Super-blocks with scales and minimums: Q4_K, Q5_K.
#[inline(always)]
pub(super) fn affine_super(x: &[F; 32], top: f32) -> AffineSuper {
    let fit = affine(x, top, true);
    let mut sums = fit.sums;
    let (mut scale, mut min) = least_squares_below(&sums, fit.x, 32);
    let largest = |v: F| v.0.iter().fold(0.0, |a, &b| if b > a { b } else { a });
    let mut d = largest(scale) / SUPER_TOP;
    let mut dmin = largest(F::ZERO - min) / SUPER_TOP;
    for _ in 0..SUPER_ROUNDS {
        let (scales, mins) = choose(&sums, scale, min, d, dmin);
        let inverse = (F::splat(d) * scales).inverse();
        let low = F::ZERO - F::splat(dmin) * mins;
        sums = Sums::ZERO;
        for &v in x {
            sums.add(v, affine_code(v, inverse, low, top));
        }
        (d, dmin) = super_scales(&sums, fit.x, scales, mins, d, dmin);
        (scale, min) = least_squares_below(&sums, fit.x, 32);
    }
    let (d, dmin) = (f16::encode_scale(d), f16::encode_scale(dmin));
    let (df, dminf) = (f16::decode(d), f16::decode(dmin));
    let (scales, mins) = choose(&sums, scale, min, df, dminf);
    let inverse = (F::splat(df) * scales).inverse();
    let low = F::ZERO - F::splat(dminf) * mins;
    AffineSuper {
        d,
        dmin,
        scales: scales.to_word().0.map(|v| v as u8),
        mins: mins.to_word().0.map(|v| v as u8),
        codes: x.map(|v| affine_code(v, inverse, low, top)),
    }
}

/// The storable scale and minimum of each sub-block that add the least error to the fit `scale`, `min` of its
/// codes. The two are not rounded one by one: for each of three scales the minimum follows.
#[inline(always)]
fn choose(sums: &Sums, scale: F, min: F, d: f32, dmin: f32) -> (F, F) {
    let (d_inverse, dmin_inverse) = (F::splat(super::lanes::inverse(d)), F::splat(super::lanes::inverse(dmin)));
    let top = F::splat(SUPER_TOP);
    let n = F::splat(32.0);
    let nearest = (scale * d_inverse).max(F::ZERO).min(top).round();
    let (mut scales, mut mins, mut error) = (F::ZERO, F::ZERO, F::splat(f32::MAX));
    for step in [0.0, -1.0, 1.0] {
        let s = (nearest + F::splat(step)).max(F::ZERO).min(top);
        let ds = F::splat(d) * s - scale;
        let m = ((ds * sums.l * F::splat(1.0 / 32.0) - min) * dmin_inverse).max(F::ZERO).min(top).round();
        let dm = F::splat(dmin) * m + min;
        let added = sums.ll * ds * ds + n * dm * dm - F::splat(2.0) * sums.l * ds * dm;
        scales = error.if_gt(added, s, scales);
        mins = error.if_gt(added, m, mins);
        error = error.min(added);
    }
    (scales, mins)
}

/// The super-block's two scales by least squares, given everything else.
#[inline(always)]
fn super_scales(sums: &Sums, x: F, scales: F, mins: F, d: f32, dmin: f32) -> (f32, f32) {
    let a = (scales * scales * sums.ll).sum();
    let b = (scales * mins * sums.l).sum();
    let c = (mins * mins * F::splat(32.0)).sum();
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
const SYMMETRIC_FROM: f32 = -0.7;
const SYMMETRIC_STEP: f32 = 0.2;

/// Sums over codes −`half`..`half` of the best symmetric fit x ≈ scale · code; the scale is `xl / ll`.
#[inline(always)]
fn symmetric<const N: usize>(x: &[F; N], half: f32) -> Sums {
    let (mut size, mut extreme) = (F::ZERO, F::ZERO);
    for &v in x {
        extreme = v.abs().if_gt(size, v, extreme);
        size = size.max(v.abs());
    }
    let inverse_extreme = extreme.inverse();
    let (mut best, mut gain) = (Sums::ZERO, F::splat(-1.0));
    for step in 0..SYMMETRIC_STEPS {
        let stretch = SYMMETRIC_FROM + SYMMETRIC_STEP * step as f32;
        let inverse = F::splat(-(half + stretch)) * inverse_extreme;
        let mut sums = Sums::ZERO;
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
fn symmetric_code(x: F, inverse: F, half: f32) -> F {
    (x * inverse).max(F::splat(-half)).min(F::splat(half - 1.0)).round()
}

/// Scale (f16 bits) and codes (offset by `half`, so not negative) of eight blocks of 32 weights: Q5_0.
#[inline(always)]
pub(super) fn symmetric_blocks(x: &[F; 32], half: f32) -> ([u16; LANES], [F; 32]) {
    let sums = symmetric(x, half);
    let scale = (sums.xl * sums.ll.inverse()).map(f16::encode_scale);
    let inverse = scale.map(f16::decode).inverse();
    (scale.0, x.map(|v| symmetric_code(v, inverse, half) + F::splat(half)))
}

/// A super-block of sixteen sub-blocks of 16 weights: x ≈ d · scale · (code − 32).
pub(super) struct SymmetricSuper {
    pub(super) d: u16,
    pub(super) scales: [i8; 2 * LANES],
    pub(super) codes: [[F; 16]; 2],
}

/// Super-blocks with signed sub-block scales of eight bits: Q6_K.
#[inline(always)]
pub(super) fn symmetric_super(x: &[[F; 16]; 2], half: f32) -> SymmetricSuper {
    let mut sums: [Sums; 2] = from_fn(|h| symmetric(&x[h], half));
    let mut scale: [F; 2] = from_fn(|h| sums[h].xl * sums[h].ll.inverse());
    let (mut size, mut extreme) = (0.0, 0.0);
    for s in scale.iter().flat_map(|s| s.0) {
        if s.abs() > size {
            (size, extreme) = (s.abs(), s);
        }
    }
    let mut d = extreme / -128.0;
    let storable = |scale: F, d: f32| {
        let inverse = F::splat(super::lanes::inverse(d));
        (scale * inverse).max(F::splat(-128.0)).min(F::splat(127.0)).round()
    };
    for _ in 0..SUPER_ROUNDS {
        let (mut p, mut a) = (0.0, 0.0);
        for h in 0..2 {
            let scales = storable(scale[h], d);
            let inverse = (F::splat(d) * scales).inverse();
            sums[h] = Sums::ZERO;
            for &v in &x[h] {
                sums[h].add(v, symmetric_code(v, inverse, half));
            }
            scale[h] = sums[h].xl * sums[h].ll.inverse();
            p += (scales * sums[h].xl).sum();
            a += (scales * scales * sums[h].ll).sum();
        }
        if a > 0.0 {
            d = p / a;
        }
    }
    let d = f16::encode_scale(d);
    let stored = f16::decode(d);
    let scales: [F; 2] = scale.map(|s| storable(s, stored));
    let codes = from_fn(|h| {
        let inverse = (F::splat(stored) * scales[h]).inverse();
        x[h].map(|v| symmetric_code(v, inverse, half) + F::splat(half))
    });
    SymmetricSuper { d, scales: from_fn(|s| scales[s / LANES].0[s % LANES] as i8), codes }
}
