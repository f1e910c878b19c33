//! Eight numbers side by side: a lane is what one invocation of a kernel is on the GPU.
//!
//! Search and rounding are written once over lanes, every operation elementwise and every sum in the order of the
//! weights, so the compiler may use whatever vector width it finds without changing a bit of the result, and a shader
//! that does the same steps for one lane writes the same bytes.

use std::array::from_fn;
use std::ops::{Add, BitAnd, BitOr, Div, Mul, Shl, Shr, Sub};

/// Lanes in a vector, and sub-blocks of 32 weights in a tile.
pub(super) const LANES: usize = 8;
/// Weights handled at a time: a super-block, or eight blocks of 32.
pub(super) const TILE: usize = 256;

/// Eight values, one a lane.
#[derive(Clone, Copy)]
#[repr(C, align(32))]
pub(super) struct Lanes<T>(pub(super) [T; LANES]);

/// Eight floats.
pub(super) type F = Lanes<f32>;
/// Eight words.
pub(super) type U = Lanes<u32>;

macro_rules! elementwise {
    ($($trait:ident $method:ident),*) => {$(
        impl<T: Copy + $trait<Output = T>> $trait for Lanes<T> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                Self(from_fn(|i| self.0[i].$method(other.0[i])))
            }
        }
    )*};
}

elementwise!(Add add, Sub sub, Mul mul, Div div, BitAnd bitand, BitOr bitor);

impl Shl<u32> for U {
    type Output = Self;
    #[inline(always)]
    fn shl(self, bits: u32) -> Self {
        self.map(|v| v << bits)
    }
}

impl Shr<u32> for U {
    type Output = Self;
    #[inline(always)]
    fn shr(self, bits: u32) -> Self {
        self.map(|v| v >> bits)
    }
}

impl<T: Copy> Lanes<T> {
    #[inline(always)]
    pub(super) fn splat(value: T) -> Self {
        Self([value; LANES])
    }

    #[inline(always)]
    pub(super) fn map<R>(self, f: impl Fn(T) -> R) -> Lanes<R> {
        Lanes(from_fn(|i| f(self.0[i])))
    }
}

/// Adding and subtracting 1.5 · 2²³ rounds to the nearest integer, ties to even, for magnitudes below 2²²; the low
/// bits of the sum are the integer itself.
const ROUND: f32 = 12_582_912.0;

impl F {
    pub(super) const ZERO: Self = Lanes([0.0; LANES]);

    #[inline(always)]
    pub(super) fn min(self, other: Self) -> Self {
        Self(from_fn(|i| if other.0[i] < self.0[i] { other.0[i] } else { self.0[i] }))
    }

    #[inline(always)]
    pub(super) fn max(self, other: Self) -> Self {
        Self(from_fn(|i| if other.0[i] > self.0[i] { other.0[i] } else { self.0[i] }))
    }

    #[inline(always)]
    pub(super) fn abs(self) -> Self {
        self.map(f32::abs)
    }

    /// The nearest integer of each, ties to even, as WGSL's `round`. Magnitudes below 2²².
    #[inline(always)]
    pub(super) fn round(self) -> Self {
        self.map(|v| (v + ROUND) - ROUND)
    }

    /// The next lower integer of each; not negative, below 2²².
    #[inline(always)]
    pub(super) fn floor(self) -> Self {
        self.map(|v| {
            let nearest = (v + ROUND) - ROUND;
            if nearest > v { nearest - 1.0 } else { nearest }
        })
    }

    /// The word of an integer in 0..2²².
    #[inline(always)]
    pub(super) fn to_word(self) -> U {
        self.map(|v| (v + ROUND).to_bits() & 0x3f_ffff)
    }

    /// `yes` where `self` is greater than `other`, else `no`.
    #[inline(always)]
    pub(super) fn if_gt(self, other: Self, yes: Self, no: Self) -> Self {
        Self(from_fn(|i| if self.0[i] > other.0[i] { yes.0[i] } else { no.0[i] }))
    }

    /// 1 / v, or 0 where v is 0: the inverse of a scale.
    #[inline(always)]
    pub(super) fn inverse(self) -> Self {
        self.map(inverse)
    }

    /// The sum over the lanes, in their order.
    #[inline(always)]
    pub(super) fn sum(self) -> f32 {
        self.0.iter().fold(0.0, |sum, v| sum + v)
    }

    /// The sum over each group of neighbouring lanes, in their order, in all of the group.
    #[inline(always)]
    pub(super) fn sum_groups(self, group: usize) -> Self {
        if group == 1 {
            return self;
        }
        let first = |lane: usize| lane / group * group;
        Self(from_fn(|lane| self.0[first(lane)..first(lane) + group].iter().fold(0.0, |sum, v| sum + v)))
    }
}

/// 1 / v, or 0 where v is 0.
#[inline(always)]
pub(super) fn inverse(v: f32) -> f32 {
    if v == 0.0 { 0.0 } else { 1.0 / v }
}

/// Weights of a tile as the searches want them: lane `l` of vector `i` is weight `l * N + i`, not finite as 0 and
/// tamed in magnitude.
///
/// Below 2⁻³⁶ a weight is 2⁻¹¹ of half the smallest step any f16 scale can express, so it counts as 0; above 2⁴⁰ it
/// is far past the largest. Inside these bounds no square, sum or product of the searches overflows or becomes
/// subnormal, which some GPUs flush.
#[inline(always)]
pub(super) fn load<const N: usize>(weights: &[f32]) -> [F; N] {
    let mut x = [F::ZERO; N];
    for lane in 0..LANES {
        for i in 0..N {
            x[i].0[lane] = weights[lane * N + i];
        }
    }
    x.map(|v| v.map(tame))
}

#[inline(always)]
fn tame(v: f32) -> f32 {
    const SMALLEST: f32 = 1.0 / (1u64 << 36) as f32;
    const LARGEST: f32 = (1u64 << 40) as f32;
    let magnitude = v.abs();
    let bounded = if magnitude > LARGEST { LARGEST.copysign(v) } else { v };
    if magnitude >= SMALLEST && magnitude < f32::INFINITY { bounded } else { 0.0 }
}

/// Four codes (0..=255) a word, first in the lowest byte: word `w` of a lane holds its weights `4w..4w + 4`.
#[inline(always)]
pub(super) fn pack<const N: usize, const W: usize>(codes: &[F; N]) -> [U; W] {
    from_fn(|w| {
        let c = |i: usize| codes[4 * w + i].to_word();
        c(0) | c(1) << 8 | c(2) << 16 | c(3) << 24
    })
}

/// The low nibbles of 32 codes: weights 0..16 low, 16..32 high.
#[inline(always)]
pub(super) fn nibbles(codes: &[U; 8]) -> [U; 4] {
    let mask = U::splat(0x0f0f_0f0f);
    from_fn(|w| codes[w] & mask | (codes[w + 4] & mask) << 4)
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

/// Bit `bit` of 32 codes, weight 0 lowest.
#[inline(always)]
pub(super) fn plane(codes: &[U; 8], bit: u32) -> U {
    // The product brings the four bytes' lowest bits side by side, to bits 24..28.
    let gather = |w: u32| (w >> bit & 0x0101_0101).wrapping_mul(0x0102_0408) >> 24 & 15;
    (0..8).fold(U::splat(0), |bits, w| bits | codes[w].map(gather) << (4 * w as u32))
}
