//! Six-bit scales and minimums of Q4_K and Q5_K, eight each in twelve bytes.
//!
//! Bytes 0..4 and 4..8 hold the first four scales and minimums, and in their top two bits the upper two bits of the
//! last four; bytes 8..12 hold the low nibbles of those, scale below minimum (`get_scale_min_k4` of ggml-quants.c).

use std::array::from_fn;

#[inline(always)]
pub(super) fn pack(scales: &[u8; 8], mins: &[u8; 8]) -> [u8; 12] {
    from_fn(|i| match i {
        0..4 => scales[i] | scales[i + 4] >> 4 << 6,
        4..8 => mins[i - 4] | mins[i] >> 4 << 6,
        _ => scales[i - 4] & 15 | mins[i - 4] << 4,
    })
}

#[inline(always)]
pub(super) fn unpack(bytes: &[u8; 12]) -> ([u8; 8], [u8; 8]) {
    let value = |first: usize, shift: usize, i: usize| match i {
        0..4 => bytes[first + i] & 63,
        _ => bytes[i + 4] >> shift & 15 | bytes[first + i - 4] >> 6 << 4,
    };
    (from_fn(|i| value(0, 0, i)), from_fn(|i| value(4, 4, i)))
}
