//! Looking for NaN and infinite weights in stored bytes.

use crate::quant::{BF16, F16, F32, FormatRef};

/// The index of the first weight that is NaN or infinite. Block formats hold codes, which are always finite.
pub(super) fn first_nonfinite(format: FormatRef, bytes: &[u8]) -> Option<u64> {
    let first = if *format == F32 {
        find::<4>(bytes, |b| u32::from_le_bytes(b) & 0x7f80_0000 == 0x7f80_0000)
    } else if *format == F16 {
        find::<2>(bytes, |b| u16::from_le_bytes(b) & 0x7c00 == 0x7c00)
    } else if *format == BF16 {
        find::<2>(bytes, |b| u16::from_le_bytes(b) & 0x7f80 == 0x7f80)
    } else {
        None
    };
    first.map(|index| index as u64)
}

/// Tests runs without a branch a weight, which the compiler turns into vector code, and looks closer where one fails.
fn find<const N: usize>(bytes: &[u8], bad: impl Fn([u8; N]) -> bool + Copy) -> Option<usize> {
    let read = |b: &[u8]| bad(b.try_into().expect("a chunk of N bytes"));
    let run = 1024 * N;
    bytes
        .chunks(run)
        .position(|run| run.chunks_exact(N).fold(false, |any, b| any | read(b)))
        .map(|r| r * 1024 + bytes[r * run..].chunks_exact(N).position(read).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bad_weight_is_found_in_every_precision() {
        let at = 3000;
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut weights = vec![1.5f32; 5000];
            weights[at] = bad;
            weights[at + 7] = bad;
            let f32s: Vec<u8> = weights.iter().flat_map(|w| w.to_le_bytes()).collect();
            let f16s: Vec<u8> = weights.iter().flat_map(|w| half::f16::from_f32(*w).to_le_bytes()).collect();
            let bf16s: Vec<u8> = weights.iter().flat_map(|w| half::bf16::from_f32(*w).to_le_bytes()).collect();
            for (format, bytes) in [(&F32, f32s), (&F16, f16s), (&BF16, bf16s)] {
                assert_eq!(first_nonfinite(format, &bytes), Some(at as u64), "{format}");
                assert_eq!(first_nonfinite(format, &bytes[..format.bytes(at as u64) as usize]), None, "{format}");
            }
        }
    }
}
