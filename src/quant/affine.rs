//! Searches for formats with a minimum: x ≈ scale · code + minimum.
//!
//! A grid of ranges gives a few roundings of the weights; for each the best scale and minimum follow by least
//! squares, and so does the error that remains, without a second look at the weights. The winner is then fitted to
//! what the format can store, and the weights rounded again to that.

use super::f16;
use super::lanes::{F, LANES, inverse};
use super::weight::Weight;
use std::array::from_fn;

/// Sums over a lane's weights x and codes l, all that a least-squares fit needs.
#[derive(Clone, Copy)]
struct Sums {
    /// Of the weights' factors, of the weights.
    n: F,
    x: F,
    l: F,
    ll: F,
    xl: F,
}

impl Sums {
    /// No codes yet.
    #[inline(always)]
    fn of<const N: usize, W: Weight>(x: &[F; N], w: &[W; N]) -> Self {
        let sum = (0..N).fold(F::ZERO, |sum, i| sum + w[i] * x[i]);
        Self { n: W::sum(w), x: sum, l: F::ZERO, ll: F::ZERO, xl: F::ZERO }
    }

    /// With the codes `code` gives to `x`.
    #[inline(always)]
    fn coded<const N: usize, W: Weight>(self, x: &[F; N], w: &[W; N], code: impl Fn(F) -> F) -> Self {
        let mut sums = Self { l: F::ZERO, ll: F::ZERO, xl: F::ZERO, ..self };
        for i in 0..N {
            let l = code(x[i]);
            let wl = w[i] * l;
            sums.l = sums.l + wl;
            sums.ll = sums.ll + wl * l;
            sums.xl = sums.xl + wl * x[i];
        }
        sums
    }

    /// The scale and minimum that leave the least error for these codes.
    #[inline(always)]
    fn fit(&self) -> (F, F) {
        let scale = (self.n * self.xl - self.x * self.l) * (self.n * self.ll - self.l * self.l).inverse();
        (scale, (self.x - scale * self.l) * self.n.inverse())
    }

    /// [`fit`](Self::fit) with a minimum of at most 0, as super-blocks store it.
    #[inline(always)]
    fn fit_below(&self) -> (F, F) {
        let (scale, min) = self.fit();
        (min.if_gt(F::ZERO, self.xl * self.ll.inverse(), scale), min.min(F::ZERO))
    }

    /// What a scale and a minimum take off the weights' squares, with these codes.
    #[inline(always)]
    fn explained(&self, scale: F, min: F) -> F {
        let two = F::splat(2.0);
        two * (scale * self.xl + min * self.x)
            - (scale * scale * self.ll + two * scale * min * self.l + min * min * self.n)
    }
}

/// A range grid: the first stretch of the range in codes, the step, and how many.
pub(super) struct Grid {
    pub(super) from: f32,
    pub(super) step: f32,
    pub(super) steps: usize,
}

/// The best fit with codes 0..=`top`; the range always holds 0 where `keep_zero` (a minimum above 0 cannot be stored).
#[inline(always)]
fn affine<const N: usize, W: Weight>(x: &[F; N], w: &[W; N], top: f32, keep_zero: bool, grid: &Grid) -> Sums {
    let mut low = if keep_zero { F::ZERO } else { x[0] };
    let mut high = low;
    for &v in x {
        low = low.min(v);
        high = high.max(v);
    }
    let sums = Sums::of(x, w);
    let inverse_range = (high - low).inverse();
    let above = x.map(|v| v - low);
    let base = Sums { x: sums.x - sums.n * low, ..sums };
    let (mut best, mut gain) = (sums, F::splat(-1.0));
    for step in 0..grid.steps {
        let inverse = F::splat(top + (grid.from + grid.step * step as f32)) * inverse_range;
        let found = base.coded(&above, w, |y| (y * inverse).min(F::splat(top)).round());
        let covariance = found.n * found.xl - found.x * found.l;
        let explained = covariance * covariance * (found.n * found.ll - found.l * found.l).inverse();
        best.l = explained.if_gt(gain, found.l, best.l);
        best.ll = explained.if_gt(gain, found.ll, best.ll);
        best.xl = explained.if_gt(gain, found.xl, best.xl);
        gain = explained.max(gain);
    }
    best.xl = best.xl + low * best.l;
    best
}

/// Codes of x ≈ scale · code + min, given 1 / scale.
#[inline(always)]
fn affine_code(x: F, inverse: F, min: F, top: f32) -> F {
    ((x - min) * inverse).max(F::ZERO).min(F::splat(top)).round()
}

/// A super-block of `H` · 8 sub-blocks of `N` weights: x ≈ d · scale · code − dmin · min.
pub(super) struct AffineSuper<const N: usize, const H: usize> {
    /// f16 bits.
    pub(super) d: u16,
    /// f16 bits.
    pub(super) dmin: u16,
    /// Whole numbers 0..=the largest that can be stored.
    pub(super) scales: [F; H],
    pub(super) mins: [F; H],
    pub(super) codes: [[F; N]; H],
}

/// Largest code, largest sub-block scale and minimum, and how hard to search.
pub(super) struct Shape {
    pub(super) top: f32,
    pub(super) super_top: f32,
    pub(super) grid: Grid,
    /// First guesses of the two scales, relative to the one that just reaches the largest sub-block's.
    pub(super) starts: &'static [f32],
    /// Rounds of fitting sub-block scales and minimums, codes, and the two scales to one another.
    pub(super) rounds: usize,
}

/// The best super-block.
#[inline(always)]
pub(super) fn affine_super<const N: usize, const H: usize, W: Weight>(
    x: &[[F; N]; H],
    w: &[[W; N]; H],
    shape: &Shape,
) -> AffineSuper<N, H> {
    let first: [Sums; H] = from_fn(|h| affine(&x[h], &w[h], shape.top, true, &shape.grid));
    let largest = |part: fn((F, F)) -> F| {
        first.iter().flat_map(|s| part(s.fit_below()).0).fold(0.0f32, |a, b| if b > a { b } else { a })
    };
    let largest = (largest(|fit| fit.0) / shape.super_top, largest(|fit| F::ZERO - fit.1) / shape.super_top);
    let mut best: Option<AffineSuper<N, H>> = None;
    let mut gain = -1.0;
    for start in shape.starts {
        let mut sums = first;
        let (mut d, mut dmin) = (largest.0 * start, largest.1 * start);
        let recode = |sums: &mut Sums, h: usize, stored: (F, F), d: f32, dmin: f32| {
            let inverse = (F::splat(d) * stored.0).inverse();
            let low = F::ZERO - F::splat(dmin) * stored.1;
            *sums = sums.coded(&x[h], &w[h], |v| affine_code(v, inverse, low, shape.top));
        };
        for _ in 0..shape.rounds {
            let stored: [(F, F); H] = from_fn(|h| choose(&sums[h], d, dmin, shape.super_top));
            for h in 0..H {
                recode(&mut sums[h], h, stored[h], d, dmin);
            }
            (d, dmin) = super_scales(&sums, &stored, d, dmin);
        }
        let halves = (f16::encode_scale(d), f16::encode_scale(dmin));
        let (d, dmin) = (f16::decode(halves.0), f16::decode(halves.1));
        let stored: [(F, F); H] = from_fn(|h| choose(&sums[h], d, dmin, shape.super_top));
        let mut explained = 0.0;
        let codes = from_fn(|h| {
            recode(&mut sums[h], h, stored[h], d, dmin);
            let (scale, low) = (F::splat(d) * stored[h].0, F::ZERO - F::splat(dmin) * stored[h].1);
            explained += sums[h].explained(scale, low).sum();
            x[h].map(|v| affine_code(v, scale.inverse(), low, shape.top))
        });
        if explained > gain || best.is_none() {
            gain = explained;
            best = Some(AffineSuper { d: halves.0, dmin: halves.1, scales: stored.map(|s| s.0), mins: stored.map(|s| s.1), codes });
        }
    }
    best.expect("there is a start")
}

/// The storable scale and minimum of each sub-block that add the least error to the best fit of its codes. The two
/// are not rounded one by one: for each of three scales the minimum follows.
#[inline(always)]
fn choose(sums: &Sums, d: f32, dmin: f32, super_top: f32) -> (F, F) {
    let (scale, min) = sums.fit_below();
    let (d_inverse, dmin_inverse) = (F::splat(inverse(d)), F::splat(inverse(dmin)));
    let top = F::splat(super_top);
    let mean = sums.l * sums.n.inverse();
    let nearest = (scale * d_inverse).max(F::ZERO).min(top).round();
    let (mut scales, mut mins, mut error) = (F::ZERO, F::ZERO, F::splat(f32::MAX));
    for step in [0.0, -1.0, 1.0] {
        let s = (nearest + F::splat(step)).max(F::ZERO).min(top);
        let ds = F::splat(d) * s - scale;
        let m = ((ds * mean - min) * dmin_inverse).max(F::ZERO).min(top).round();
        let dm = F::splat(dmin) * m + min;
        let added = sums.ll * ds * ds + sums.n * dm * dm - F::splat(2.0) * sums.l * ds * dm;
        scales = error.if_gt(added, s, scales);
        mins = error.if_gt(added, m, mins);
        error = error.min(added);
    }
    (scales, mins)
}

/// The super-block's two scales by least squares, given everything else.
#[inline(always)]
fn super_scales<const H: usize>(sums: &[Sums; H], stored: &[(F, F); H], d: f32, dmin: f32) -> (f32, f32) {
    let total = |term: fn(&Sums, F, F) -> F| (0..H).fold(0.0, |sum, h| sum + term(&sums[h], stored[h].0, stored[h].1).sum());
    let a = total(|sums, s, _| s * s * sums.ll);
    let b = total(|sums, s, m| s * m * sums.l);
    let c = total(|sums, _, m| m * m * sums.n);
    let p = total(|sums, s, _| s * sums.xl);
    let r = total(|sums, _, m| m * sums.x);
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
