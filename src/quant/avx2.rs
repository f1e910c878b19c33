//! Eight floats in one register, on x86-64 processors that have AVX2.
//!
//! [`codec`](super::codec) looks for AVX2 before it enters anything here, and everything here is inlined into the
//! function that was compiled for it.

use super::lanes::{Floats, LANES};
use std::arch::x86_64::*;
use std::ops::{Add, Div, Mul, Sub};

/// Eight floats in a register. Only to be made where the processor has AVX2.
#[derive(Clone, Copy)]
pub(super) struct Avx2(__m256);

macro_rules! arithmetic {
    ($($trait:ident $method:ident $intrinsic:ident),*) => {$(
        impl $trait for Avx2 {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                // SAFETY: a value of this type exists only where AVX2 does.
                Self(unsafe { $intrinsic(self.0, other.0) })
            }
        }
    )*};
}

arithmetic!(Add add _mm256_add_ps, Sub sub _mm256_sub_ps, Mul mul _mm256_mul_ps, Div div _mm256_div_ps);

// SAFETY of every block below: a value of this type exists only where AVX2 does; `from_array` is called there only.
impl Floats for Avx2 {
    #[inline(always)]
    fn from_array(lanes: [f32; LANES]) -> Self {
        Self(unsafe { _mm256_loadu_ps(lanes.as_ptr()) })
    }

    #[inline(always)]
    fn to_array(self) -> [f32; LANES] {
        let mut lanes = [0.0; LANES];
        unsafe { _mm256_storeu_ps(lanes.as_mut_ptr(), self.0) };
        lanes
    }

    #[inline(always)]
    fn lanes(&self) -> &[f32; LANES] {
        unsafe { &*std::ptr::from_ref(&self.0).cast() }
    }

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self(unsafe { _mm256_set1_ps(value) })
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        Self(unsafe { _mm256_min_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        Self(unsafe { _mm256_max_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn abs(self) -> Self {
        Self(unsafe { _mm256_andnot_ps(_mm256_set1_ps(-0.0), self.0) })
    }

    #[inline(always)]
    fn round(self) -> Self {
        Self(unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(self.0) })
    }

    #[inline(always)]
    fn if_gt(self, other: Self, yes: Self, no: Self) -> Self {
        Self(unsafe { _mm256_blendv_ps(no.0, yes.0, _mm256_cmp_ps::<_CMP_GT_OQ>(self.0, other.0)) })
    }

    #[inline(always)]
    fn any_gt(self, other: Self) -> bool {
        unsafe { _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(self.0, other.0)) != 0 }
    }

    #[inline(always)]
    fn transpose(r: [Self; LANES]) -> [Self; LANES] {
        let [a, b, c, d, e, f, g, h] = r;
        unsafe {
            // Pairs of rows, then fours, each within its half of the register; then the halves.
            let (ab0, ab1) = (_mm256_unpacklo_ps(a.0, b.0), _mm256_unpackhi_ps(a.0, b.0));
            let (cd0, cd1) = (_mm256_unpacklo_ps(c.0, d.0), _mm256_unpackhi_ps(c.0, d.0));
            let (ef0, ef1) = (_mm256_unpacklo_ps(e.0, f.0), _mm256_unpackhi_ps(e.0, f.0));
            let (gh0, gh1) = (_mm256_unpacklo_ps(g.0, h.0), _mm256_unpackhi_ps(g.0, h.0));
            let (abcd0, abcd1) = (_mm256_shuffle_ps::<0x44>(ab0, cd0), _mm256_shuffle_ps::<0xee>(ab0, cd0));
            let (abcd2, abcd3) = (_mm256_shuffle_ps::<0x44>(ab1, cd1), _mm256_shuffle_ps::<0xee>(ab1, cd1));
            let (efgh0, efgh1) = (_mm256_shuffle_ps::<0x44>(ef0, gh0), _mm256_shuffle_ps::<0xee>(ef0, gh0));
            let (efgh2, efgh3) = (_mm256_shuffle_ps::<0x44>(ef1, gh1), _mm256_shuffle_ps::<0xee>(ef1, gh1));
            [
                Self(_mm256_permute2f128_ps::<0x20>(abcd0, efgh0)),
                Self(_mm256_permute2f128_ps::<0x20>(abcd1, efgh1)),
                Self(_mm256_permute2f128_ps::<0x20>(abcd2, efgh2)),
                Self(_mm256_permute2f128_ps::<0x20>(abcd3, efgh3)),
                Self(_mm256_permute2f128_ps::<0x31>(abcd0, efgh0)),
                Self(_mm256_permute2f128_ps::<0x31>(abcd1, efgh1)),
                Self(_mm256_permute2f128_ps::<0x31>(abcd2, efgh2)),
                Self(_mm256_permute2f128_ps::<0x31>(abcd3, efgh3)),
            ]
        }
    }

    #[inline(always)]
    fn pack4(codes: [Self; 4]) -> [u32; LANES] {
        let mut words = [0; LANES];
        unsafe {
            let [a, b, c, d] = codes;
            let low = _mm256_or_si256(_mm256_cvttps_epi32(a.0), _mm256_slli_epi32::<8>(_mm256_cvttps_epi32(b.0)));
            let high = _mm256_or_si256(_mm256_cvttps_epi32(c.0), _mm256_slli_epi32::<8>(_mm256_cvttps_epi32(d.0)));
            let high = _mm256_slli_epi32::<16>(high);
            _mm256_storeu_si256(words.as_mut_ptr().cast(), _mm256_or_si256(low, high));
        }
        words
    }
}
