//! What weights would take if they were entropy coded.

use crate::quant::{FormatRef, Search};
use rayon::prelude::*;

/// Bytes that an ideal coder needs for weights stored as a float: for which of them are 0, and, of the others, for each of
/// their bytes by how often it comes at its place. Zeros cost next to nothing that way, exponents little, mantissas all.
pub fn entropy_coded(weights: &[f32], float: FormatRef) -> u64 {
    const TASK: usize = 1 << 16;
    assert!(float.is_float());
    let width = float.block_bytes;
    let counts = weights.par_chunks(TASK).map(|weights| {
        let mut bytes = vec![0; weights.len() * width];
        (float.quantize)(weights, Search::default(), &mut bytes);
        let mut counts = vec![0u64; width * 256];
        for (bytes, _) in bytes.chunks_exact(width).zip(weights).filter(|(_, weight)| **weight != 0.0) {
            bytes.iter().enumerate().for_each(|(place, byte)| counts[place * 256 + usize::from(*byte)] += 1);
        }
        counts
    });
    let add = |mut all: Vec<u64>, own: Vec<u64>| {
        all.iter_mut().zip(own).for_each(|(all, own)| *all += own);
        all
    };
    let counts = counts.reduce(|| vec![0; width * 256], add);
    let others: u64 = counts[..256].iter().sum();
    let zeros = weights.len() as u64 - others;
    let bits = bits(&[zeros, others]) + counts.chunks_exact(256).map(bits).sum::<f64>();
    (bits / 8.0).ceil() as u64
}

/// Σ n · log₂(all / n).
fn bits(counts: &[u64]) -> f64 {
    let all = counts.iter().sum::<u64>() as f64;
    counts.iter().filter(|count| **count > 0).map(|count| *count as f64 * (all / *count as f64).log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::BF16;

    #[test]
    fn zeros_are_cheap_and_chance_is_not() {
        let full: Vec<f32> =
            (0..4096u32).map(|n| f32::from_bits(0x3f80_0000 | n.wrapping_mul(2_654_435_761) >> 9)).collect();
        let sparse: Vec<f32> = full.iter().enumerate().map(|(n, w)| if n % 2 == 0 { *w } else { 0.0 }).collect();
        let (full, sparse) = (entropy_coded(&full, &BF16), entropy_coded(&sparse, &BF16));
        // Seven bits of mantissa and no more, for all have the same exponent; a bit of place for each of the sparse.
        assert!((3450..=3650).contains(&full), "{full}");
        assert!((2200..=2320).contains(&sparse), "{sparse}");
        assert_eq!(entropy_coded(&[0.0; 4096], &BF16), 0);
    }
}
