//! Searches for formats with a minimum: x ≈ scale · code + minimum.
//!
//! A grid of ranges gives a few roundings of the weights; for each the best scale and minimum follow by least
//! squares, and so does the error that remains, without a second look at the weights. The winner is then fitted to
//! what the format can store, and the weights rounded again to that.

use super::f16;
use super::lanes::{Floats, LANES, each, inverse};
use super::search::Effort;
use super::weight::Weight;

/// Sums over a lane's weights x and codes l, all that a least-squares fit needs.
#[derive(Clone, Copy)]
struct Sums<V> {
    /// Of the weights' factors, of the weights.
    n: V,
    x: V,
    l: V,
    ll: V,
    xl: V,
}

impl<V: Floats> Sums<V> {
    /// No codes yet.
    #[inline(always)]
    fn of<const N: usize, W: Weight<V>>(x: &[V; N], w: &[W; N]) -> Self {
        let sum = (0..N).fold(V::zero(), |sum, i| sum + w[i] * x[i]);
        Self { n: W::sum(w), x: sum, l: V::zero(), ll: V::zero(), xl: V::zero() }
    }

    /// With the codes `code` gives to `x`.
    #[inline(always)]
    fn coded<const N: usize, W: Weight<V>>(self, x: &[V; N], w: &[W; N], code: impl Fn(V) -> V) -> Self {
        let mut sums = Self { l: V::zero(), ll: V::zero(), xl: V::zero(), ..self };
        for i in 0..N {
            let l = code(x[i]);
            let wl = w[i] * l;
            sums.l = sums.l + wl;
            sums.ll = sums.ll + wl * l;
            sums.xl = sums.xl + wl * x[i];
        }
        sums
    }

    /// n² times the variance of the codes; 0 where it is lost in rounding, for then all codes are the same.
    #[inline(always)]
    fn spread(&self) -> V {
        let square = self.n * self.ll;
        let spread = square - self.l * self.l;
        spread.if_gt(square * V::splat(1.0 / (1 << 20) as f32), spread, V::zero())
    }

    /// The scale and minimum that leave the least error for these codes.
    #[inline(always)]
    fn fit(&self) -> (V, V) {
        let scale = (self.n * self.xl - self.x * self.l) * self.spread().inverse();
        (scale, (self.x - scale * self.l) * self.n.inverse())
    }

    /// [`fit`](Self::fit) with a minimum of at most 0, as super-blocks store it.
    #[inline(always)]
    fn fit_below(&self) -> (V, V) {
        let (scale, min) = self.fit();
        (min.if_gt(V::zero(), self.xl * self.ll.inverse(), scale), min.min(V::zero()))
    }
}

/// A grid of ranges to try: each step stretches the range by some codes, and in turn begins it at its lowest weight or
/// some codes below, which rounds the weights otherwise for the same range.
pub(super) struct Grid {
    pub(super) steps: usize,
    /// Codes added to the range by the first step, and more by each step.
    pub(super) from: f32,
    pub(super) step: f32,
    /// Codes below the lowest weight: none, `shift`, ... up to `shifts` − 1 times it, and round again.
    pub(super) shifts: usize,
    pub(super) shift: f32,
}

/// The best fit with codes 0..=`top`; the range always holds 0 where `keep_zero` (a minimum above 0 cannot be stored).
#[inline(always)]
fn affine<V: Floats, const N: usize, W: Weight<V>>(
    x: &[V; N],
    w: &[W; N],
    top: f32,
    keep_zero: bool,
    grid: &Grid,
) -> Sums<V> {
    let mut low = if keep_zero { V::zero() } else { x[0] };
    let mut high = low;
    for &v in x {
        low = low.min(v);
        high = high.max(v);
    }
    let sums = Sums::of(x, w);
    let inverse_range = (high - low).inverse();
    let above = each(x, |v| v - low);
    let base = Sums { x: sums.x - sums.n * low, ..sums };
    let (mut best, mut gain) = (sums, V::splat(-1.0));
    for step in 0..grid.steps {
        let inverse = V::splat((top + grid.from) + grid.step * step as f32) * inverse_range;
        let shift = V::splat(grid.shift * (step % grid.shifts) as f32);
        let found = base.coded(&above, w, |y| (y * inverse - shift).max(V::zero()).min(V::splat(top)).round());
        let covariance = found.n * found.xl - found.x * found.l;
        let explained = covariance * covariance * found.spread().inverse();
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
fn affine_code<V: Floats>(x: V, inverse: V, min: V, top: f32) -> V {
    ((x - min) * inverse).max(V::zero()).min(V::splat(top)).round()
}

/// A super-block of `H` · 8 sub-blocks of `N` weights: x ≈ d · scale · code − dmin · min.
pub(super) struct AffineSuper<V, const N: usize, const H: usize> {
    /// f16 bits.
    pub(super) d: u16,
    /// f16 bits.
    pub(super) dmin: u16,
    /// Whole numbers 0..=the largest that can be stored.
    pub(super) scales: [[f32; LANES]; H],
    pub(super) mins: [[f32; LANES]; H],
    pub(super) codes: [[V; N]; H],
}

/// Largest code, largest sub-block scale and minimum, and the grid.
pub(super) struct Shape {
    pub(super) top: f32,
    pub(super) super_top: f32,
    pub(super) grid: Grid,
}

impl Shape {
    /// Sub-blocks with scales and minimums of six bits.
    pub(super) const fn of_six_bits(top: f32) -> Self {
        Self { top, super_top: 63.0, grid: GRID }
    }
}

/// The ranges for sub-blocks and blocks of 32 weights.
const GRID: Grid = Grid { steps: 8, from: -0.875, step: 0.25, shifts: 2, shift: 0.36 };

/// Scale and minimum (f16 bits) and codes of eight blocks.
pub(super) struct AffineBlocks<V, const N: usize> {
    pub(super) scale: [u16; LANES],
    pub(super) min: [u16; LANES],
    pub(super) codes: [V; N],
}

/// The best blocks with a scale and a minimum of their own.
#[inline(always)]
pub(super) fn affine_blocks<V: Floats, const N: usize, W: Weight<V>>(
    x: &[V; N],
    w: &[W; N],
    top: f32,
) -> AffineBlocks<V, N> {
    let sums = affine(x, w, top, false, &GRID);
    let scale = sums.fit().0.to_array().map(f16::encode_scale);
    let stored = V::from_array(scale.map(f16::decode));
    let min = ((sums.x - stored * sums.l) * sums.n.inverse()).to_array().map(f16::encode_scale);
    let (inverse, low) = (stored.inverse(), V::from_array(min.map(f16::decode)));
    AffineBlocks { scale, min, codes: each(x, |v| affine_code(v, inverse, low, top)) }
}

/// The best super-block.
#[inline(always)]
pub(super) fn affine_super<V: Floats, const N: usize, const H: usize, W: Weight<V>>(
    x: &[[V; N]; H],
    w: &[[W; N]; H],
    shape: &Shape,
    effort: Effort,
) -> AffineSuper<V, N, H> {
    let mut sums = [Sums::of(&[V::zero(); N], &w[0]); H];
    let mut largest = (0.0, 0.0);
    for h in 0..H {
        sums[h] = affine(&x[h], &w[h], shape.top, true, &shape.grid);
        let (scale, min) = sums[h].fit_below();
        largest = (most(scale, largest.0), most(V::zero() - min, largest.1));
    }
    let (mut d, mut dmin) = (largest.0 / shape.super_top, largest.1 / shape.super_top);
    for _ in 0..effort.super_rounds() {
        let mut stored = [(V::zero(), V::zero()); H];
        for h in 0..H {
            stored[h] = choose(&sums[h], d, dmin, shape.super_top);
            let inverse = (V::splat(d) * stored[h].0).inverse();
            let low = V::zero() - V::splat(dmin) * stored[h].1;
            sums[h] = sums[h].coded(&x[h], &w[h], |v| affine_code(v, inverse, low, shape.top));
        }
        (d, dmin) = super_scales(&sums, &stored, d, dmin);
    }
    let (d, dmin) = (f16::encode_scale(d), f16::encode_scale(dmin));
    let mut result = AffineSuper { d, dmin, scales: [[0.0; LANES]; H], mins: [[0.0; LANES]; H], codes: *x };
    let (d, dmin) = (f16::decode(d), f16::decode(dmin));
    for h in 0..H {
        let (scale, min) = choose(&sums[h], d, dmin, shape.super_top);
        let (inverse, low) = ((V::splat(d) * scale).inverse(), V::zero() - V::splat(dmin) * min);
        result.scales[h] = scale.to_array();
        result.mins[h] = min.to_array();
        result.codes[h] = each(&x[h], |v| affine_code(v, inverse, low, shape.top));
    }
    result
}

/// The largest of the lanes and `least`.
#[inline(always)]
fn most<V: Floats>(v: V, least: f32) -> f32 {
    v.to_array().into_iter().fold(least, |a, b| if b > a { b } else { a })
}

/// The storable scale and minimum of each sub-block that add the least error to the best fit of its codes. The two
/// are not rounded one by one: for each of three scales the minimum follows.
#[inline(always)]
fn choose<V: Floats>(sums: &Sums<V>, d: f32, dmin: f32, super_top: f32) -> (V, V) {
    let (scale, min) = sums.fit_below();
    let (d_inverse, dmin_inverse) = (V::splat(inverse(d)), V::splat(inverse(dmin)));
    let top = V::splat(super_top);
    let n_inverse = sums.n.inverse();
    let nearest = (scale * d_inverse).max(V::zero()).min(top).round();
    let (mut scales, mut mins, mut error) = (V::zero(), V::zero(), V::splat(f32::MAX));
    for step in [0.0, -1.0, 1.0] {
        let s = (nearest + V::splat(step)).max(V::zero()).min(top);
        let ds = V::splat(d) * s - scale;
        let m = ((ds * sums.l * n_inverse - min) * dmin_inverse).max(V::zero()).min(top).round();
        let dm = V::splat(dmin) * m + min;
        let added = sums.ll * ds * ds + sums.n * dm * dm - V::splat(2.0) * sums.l * ds * dm;
        scales = error.if_gt(added, s, scales);
        mins = error.if_gt(added, m, mins);
        error = error.min(added);
    }
    (scales, mins)
}

/// The super-block's two scales by least squares, given everything else.
#[inline(always)]
fn super_scales<V: Floats, const H: usize>(sums: &[Sums<V>; H], stored: &[(V, V); H], d: f32, dmin: f32) -> (f32, f32) {
    let (mut a, mut b, mut c, mut p, mut r) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (sums, &(scale, min)) in sums.iter().zip(stored) {
        a += (scale * scale * sums.ll).sum();
        b += (scale * min * sums.l).sum();
        c += (min * min * sums.n).sum();
        p += (scale * sums.xl).sum();
        r += (min * sums.x).sum();
    }
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
