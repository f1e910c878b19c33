//! Eight numbers side by side: a lane is what one invocation of a kernel is on the GPU.
//!
//! Search and rounding are written once over lanes, every operation elementwise and every sum in the order of the
//! weights, so the width of the machine's vectors does not change a bit of the result, and a shader that does the same
//! steps for one lane writes the same bytes. Multiplication and addition are never fused, for that would.

use std::array::from_fn;
use std::ops::{Add, Div, Mul, Sub};

/// Lanes in a vector, and sub-blocks of 32 weights in a tile.
pub(super) const LANES: usize = 8;
/// Weights handled at a time: a super-block, or eight blocks of 32.
pub(super) const TILE: usize = 256;

/// Eight floats, one a lane.
pub(super) trait Floats:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self>
{
    fn from_array(lanes: [f32; LANES]) -> Self;
    fn to_array(self) -> [f32; LANES];
    /// The lanes of a vector that lies in memory, without taking it into a register.
    fn lanes(&self) -> &[f32; LANES];
    fn min(self, other: Self) -> Self;
    fn max(self, other: Self) -> Self;
    fn abs(self) -> Self;
    /// The nearest integer of each, ties to even, as WGSL's `round`. Magnitudes below 2²².
    fn round(self) -> Self;
    /// `yes` where `self` is greater than `other`, else `no`.
    fn if_gt(self, other: Self, yes: Self, no: Self) -> Self;
    /// Whether any lane of `self` is greater than that of `other`.
    fn any_gt(self, other: Self) -> bool;
    /// Lane `i` of vector `j` becomes lane `j` of vector `i`.
    fn transpose(rows: [Self; LANES]) -> [Self; LANES];
    /// Four codes (0..=255) a word, the first in the lowest byte.
    fn pack4(codes: [Self; 4]) -> [u32; LANES];

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self::from_array([value; LANES])
    }

    #[inline(always)]
    fn zero() -> Self {
        Self::splat(0.0)
    }

    /// 1 / v, or 0 where v is 0: the inverse of a scale.
    #[inline(always)]
    fn inverse(self) -> Self {
        self.abs().if_gt(Self::zero(), Self::splat(1.0) / self, Self::zero())
    }

    /// The sum over the lanes, in their order.
    #[inline(always)]
    fn sum(self) -> f32 {
        self.to_array().iter().fold(0.0, |sum, v| sum + v)
    }

    /// The sum over each group of neighbouring lanes, in their order, in all of the group.
    #[inline(always)]
    fn sum_groups(self, group: usize) -> Self {
        let lanes = self.to_array();
        let mut sums = [0.0; LANES];
        for (sums, lanes) in sums.chunks_exact_mut(group).zip(lanes.chunks_exact(group)) {
            sums.fill(lanes.iter().fold(0.0, |sum, v| sum + v));
        }
        Self::from_array(sums)
    }
}

/// 1 / v, or 0 where v is 0.
#[inline(always)]
pub(super) fn inverse(v: f32) -> f32 {
    if v == 0.0 { 0.0 } else { 1.0 / v }
}

/// Weights of a tile as the searches want them: lane `l` of vector `i` is weight `l * N + i`, tamed: not finite
/// counts as 0, as does anything below 2⁻³⁶; the largest is 2⁴⁰.
///
/// 2⁻³⁶ is 2⁻¹¹ of half the smallest step any f16 scale can express, 2⁴⁰ far past the largest. Inside these bounds no
/// square, sum or product of the searches overflows or becomes subnormal, which some GPUs flush.
#[inline(always)]
pub(super) fn load<V: Floats, const N: usize>(weights: &[f32]) -> [V; N] {
    let mut x = rows::<V, N>(weights);
    for x in &mut x {
        *x = tame(*x);
    }
    x
}

/// Lane `l` of vector `i` is number `l * N + i`.
#[inline(always)]
pub(super) fn rows<V: Floats, const N: usize>(numbers: &[f32]) -> [V; N] {
    let numbers = &numbers[..LANES * N];
    let mut x = [V::zero(); N];
    for (i, x) in x.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
        for (row, numbers) in x.iter_mut().zip(numbers.chunks_exact(N)) {
            *row = V::from_array(numbers.as_chunks().0[i]);
        }
        *x = V::transpose(*x);
    }
    x
}

/// `f` of each vector. (The standard library's `map` is not always inlined, which a register type needs.)
#[inline(always)]
pub(super) fn each<V: Floats, const N: usize>(x: &[V; N], f: impl Fn(V) -> V) -> [V; N] {
    let mut y = *x;
    for v in &mut y {
        *v = f(*v);
    }
    y
}

#[inline(always)]
fn tame<V: Floats>(v: V) -> V {
    let smallest = V::splat(1.0 / (1u64 << 36) as f32 * (1.0 - f32::EPSILON / 2.0));
    let largest = V::splat((1u64 << 40) as f32);
    let bounded = v.max(V::zero() - largest).min(largest);
    // Comparisons with NaN are false.
    let finite = V::splat(f32::INFINITY).if_gt(v.abs(), bounded, V::zero());
    v.abs().if_gt(smallest, finite, V::zero())
}

/// Codes to words of four: word `w` of a lane holds its weights `4w..4w + 4`.
#[inline(always)]
pub(super) fn pack<V: Floats, const N: usize, const W: usize>(codes: &[V; N]) -> [[u32; LANES]; W] {
    let mut words = [[0; LANES]; W];
    for (word, codes) in words.iter_mut().zip(codes.as_chunks().0) {
        *word = V::pack4(*codes);
    }
    words
}

/// The low nibbles of a lane's 32 codes: weights 0..16 low, 16..32 high.
#[inline(always)]
pub(super) fn nibbles(codes: &[[u32; LANES]; 8]) -> [[u32; LANES]; 4] {
    let low = |w: usize, lane: usize| codes[w][lane] & 0x0f0f_0f0f;
    from_fn(|w| from_fn(|lane| low(w, lane) | low(w + 4, lane) << 4))
}

/// The low two bits of 128 codes, `word(i)` holding those of weights `4i..4i + 4`: byte `i` has weights `i`, `i + 32`,
/// `i + 64` and `i + 96`, the first lowest.
#[inline(always)]
pub(super) fn crumbs(word: impl Fn(usize) -> u32) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (i, bytes) in bytes.chunks_exact_mut(4).enumerate() {
        let packed = (0..4).fold(0, |bits, j| bits | (word(i + 8 * j) & 0x0303_0303) << (2 * j));
        bytes.copy_from_slice(&packed.to_le_bytes());
    }
    bytes
}

/// The fifth bits of a lane's 32 codes, weight 0 lowest.
#[inline(always)]
pub(super) fn fifth_bits(codes: &[[u32; LANES]; 8]) -> [u32; LANES] {
    // The product brings the four bytes' lowest bits side by side, to bits 24..28.
    let gather = |w: u32| (w >> 4 & 0x0101_0101).wrapping_mul(0x0102_0408) >> 24 & 15;
    from_fn(|lane| (0..8).fold(0, |bits, w| bits | gather(codes[w][lane]) << (4 * w)))
}

/// Eight floats in the arithmetic that every machine has.
#[derive(Clone, Copy)]
pub(super) struct Portable([f32; LANES]);

macro_rules! portable {
    ($($trait:ident $method:ident),*) => {$(
        impl $trait for Portable {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                Self(from_fn(|i| self.0[i].$method(other.0[i])))
            }
        }
    )*};
}

portable!(Add add, Sub sub, Mul mul, Div div);

/// Adding and subtracting 1.5 · 2²³ rounds to the nearest integer, ties to even, for magnitudes below 2²².
const ROUND: f32 = 12_582_912.0;

impl Floats for Portable {
    #[inline(always)]
    fn from_array(lanes: [f32; LANES]) -> Self {
        Self(lanes)
    }

    #[inline(always)]
    fn to_array(self) -> [f32; LANES] {
        self.0
    }

    #[inline(always)]
    fn lanes(&self) -> &[f32; LANES] {
        &self.0
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        Self(from_fn(|i| if self.0[i] < other.0[i] { self.0[i] } else { other.0[i] }))
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        Self(from_fn(|i| if self.0[i] > other.0[i] { self.0[i] } else { other.0[i] }))
    }

    #[inline(always)]
    fn abs(self) -> Self {
        Self(self.0.map(f32::abs))
    }

    #[inline(always)]
    fn round(self) -> Self {
        Self(self.0.map(|v| (v + ROUND) - ROUND))
    }

    #[inline(always)]
    fn if_gt(self, other: Self, yes: Self, no: Self) -> Self {
        Self(from_fn(|i| if self.0[i] > other.0[i] { yes.0[i] } else { no.0[i] }))
    }

    #[inline(always)]
    fn any_gt(self, other: Self) -> bool {
        self.0.iter().zip(&other.0).any(|(a, b)| a > b)
    }

    #[inline(always)]
    fn transpose(rows: [Self; LANES]) -> [Self; LANES] {
        from_fn(|i| Self(from_fn(|j| rows[j].0[i])))
    }

    #[inline(always)]
    fn pack4(codes: [Self; 4]) -> [u32; LANES] {
        from_fn(|lane| (0..4).fold(0, |word, i| word | ((codes[i].0[lane] + ROUND).to_bits() & 0xff) << (8 * i)))
    }
}
