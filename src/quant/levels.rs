//! The values that codes stand for, in units of a block's scale.

use super::lanes::Floats;

/// A format's levels. Methods rather than closures: those are not always inlined, which a register type needs.
pub(super) trait Levels {
    /// The level nearest to each.
    fn nearest<V: Floats>(v: V) -> V;
    /// The code of the level nearest to each, as it is stored.
    fn code<V: Floats>(v: V) -> V;

    /// The codes of many.
    #[inline(always)]
    fn codes<V: Floats, const N: usize>(units: &[V; N]) -> [V; N] {
        let mut codes = *units;
        for code in &mut codes {
            *code = Self::code(*code);
        }
        codes
    }
}

/// Whole numbers `LOW..=HIGH`, stored as what they are above `LOW`.
pub(super) struct Whole<const LOW: i32, const HIGH: i32>;

impl<const LOW: i32, const HIGH: i32> Levels for Whole<LOW, HIGH> {
    #[inline(always)]
    fn nearest<V: Floats>(v: V) -> V {
        v.max(V::splat(LOW as f32)).min(V::splat(HIGH as f32)).round()
    }

    #[inline(always)]
    fn code<V: Floats>(v: V) -> V {
        Self::nearest(v) - V::splat(LOW as f32)
    }
}

/// The sixteen levels of IQ4_NL and IQ4_XS: `kvalues_iq4nl` of ggml-common.h, close together near 0 as weights are.
pub(super) struct Iq4;

impl Iq4 {
    pub(super) const LEVELS: [f32; 16] =
        [-127.0, -104.0, -83.0, -65.0, -49.0, -35.0, -22.0, -10.0, 1.0, 13.0, 25.0, 38.0, 53.0, 69.0, 89.0, 113.0];

    /// Where the extreme weight is tried: around the lowest level, or the highest with the other sign.
    pub(super) const STEPS: [f32; 8] = [-148.0, -141.0, -134.0, -127.0, -120.0, -113.0, 113.0, 123.0];
}

impl Levels for Iq4 {
    #[inline(always)]
    fn nearest<V: Floats>(v: V) -> V {
        staircase(&Self::LEVELS, v).0
    }

    #[inline(always)]
    fn code<V: Floats>(v: V) -> V {
        staircase(&Self::LEVELS, v).1
    }
}

/// The levels of MXFP4 and NVFP4: floats of a sign, two exponent bits and a mantissa bit (E2M1), doubled to be whole
/// numbers; `kvalues_fp4` of ggml-common.h, from the OCP Microscaling Formats specification, version 1.0.
pub(super) struct Fp4;

impl Fp4 {
    /// Codes 8..16 are the same with a sign.
    const LEVELS: [f32; 8] = [0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0];

    /// The level of a code.
    #[inline(always)]
    pub(super) fn level(code: u8) -> f32 {
        let level = Self::LEVELS[usize::from(code & 7)];
        if code & 8 == 0 { level } else { 0.0 - level }
    }
}

impl Levels for Fp4 {
    #[inline(always)]
    fn nearest<V: Floats>(v: V) -> V {
        let (level, _) = staircase(&Self::LEVELS, v.abs());
        V::zero().if_gt(v, V::zero() - level, level)
    }

    /// 0 has no sign.
    #[inline(always)]
    fn code<V: Floats>(v: V) -> V {
        let (_, code) = staircase(&Self::LEVELS, v.abs());
        let sign = code.if_gt(V::zero(), V::splat(8.0), V::zero());
        code + V::zero().if_gt(v, sign, V::zero())
    }
}

/// The nearest of rising levels, half-way the lower one, and its number.
#[inline(always)]
fn staircase<V: Floats>(levels: &[f32], v: V) -> (V, V) {
    let (mut level, mut code) = (V::splat(levels[0]), V::zero());
    for i in 1..levels.len() {
        let middle = V::splat((levels[i - 1] + levels[i]) / 2.0);
        level = level + v.if_gt(middle, V::splat(levels[i] - levels[i - 1]), V::zero());
        code = code + v.if_gt(middle, V::splat(1.0), V::zero());
    }
    (level, code)
}
