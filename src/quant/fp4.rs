//! The levels of MXFP4 and NVFP4: floats of a sign, two exponent bits and a mantissa bit (E2M1), doubled to be whole
//! numbers; `kvalues_fp4` of ggml-common.h, from the OCP Microscaling Formats specification, version 1.0.

use super::lanes::F;

/// Codes 8..16 are the same with a sign.
const LEVELS: [f32; 8] = [0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0];

/// The nearest level of each; half-way the one closer to 0.
#[inline(always)]
pub(super) fn nearest(v: F) -> F {
    let magnitude = v.abs();
    let level = LEVELS.windows(2).fold(F::ZERO, |level, pair| {
        level + magnitude.if_gt(F::splat((pair[0] + pair[1]) / 2.0), F::splat(pair[1] - pair[0]), F::ZERO)
    });
    F::ZERO.if_gt(v, F::ZERO - level, level)
}

/// The code of the nearest level; 0 has no sign.
#[inline(always)]
pub(super) fn code(v: F) -> F {
    let magnitude = v.abs();
    let code = LEVELS.windows(2).fold(F::ZERO, |code, pair| {
        code + magnitude.if_gt(F::splat((pair[0] + pair[1]) / 2.0), F::splat(1.0), F::ZERO)
    });
    code + F::ZERO.if_gt(v, code.if_gt(F::ZERO, F::splat(8.0), F::ZERO), F::ZERO)
}

/// The level of a code.
#[inline(always)]
pub(super) fn level(code: u8) -> f32 {
    let level = LEVELS[usize::from(code & 7)];
    if code & 8 == 0 { level } else { -level }
}
