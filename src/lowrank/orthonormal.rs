//! Orthonormal rows, by Gram and Schmidt's method: the twin of `shaders/orthonormalise.wgsl`.

use rayon::prelude::*;

/// What is left of a row in the directions that were not there before, by its length; less is rounding, and no direction.
pub(crate) const NOTHING: f32 = 1e-5;

/// Numbers that are summed in a row, so that a sum is the same however many threads there are.
const PIECE: usize = 1 << 12;

/// Makes rows of `width` numbers orthonormal from the row of number `first` on; those before are so already. Each loses what
/// the rows before it have of it, twice, for the first time leaves what was rounded (W. Kahan's "twice is enough"; B. Parlett,
/// 1980), and gets the length 1. Rows that are sums of those before become 0.
pub fn orthonormalise(rows: &mut [f32], width: usize, first: usize) {
    assert!(width > 0 && rows.len().is_multiple_of(width));
    for number in first..rows.len() / width {
        let (before, own) = rows.split_at_mut(number * width);
        let own = &mut own[..width];
        let length = dot(own, own).sqrt();
        for _ in 0..2 {
            let shares: Vec<f32> = before.par_chunks_exact(width).map(|row| dot(row, own) as f32).collect();
            own.par_chunks_mut(PIECE).enumerate().for_each(|(piece, own)| {
                for (row, share) in before.chunks_exact(width).zip(&shares) {
                    own.iter_mut().zip(&row[piece * PIECE..]).for_each(|(own, row)| *own -= share * row);
                }
            });
        }
        let left = dot(own, own).sqrt();
        let factor = if left > f64::from(NOTHING) * length { (1.0 / left) as f32 } else { 0.0 };
        own.iter_mut().for_each(|number| *number *= factor);
    }
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_orthonormal_and_sums_of_them_nothing() {
        let width = 50;
        let at = |i: usize| ((i * i * 7 + i * 13) % 101) as f32 / 50.0 - 1.0;
        let mut rows: Vec<f32> = (0..4 * width).map(at).collect();
        // The last is the sum of the second and the third.
        for i in 0..width {
            rows[3 * width + i] = rows[width + i] + rows[2 * width + i];
        }
        orthonormalise(&mut rows, width, 0);
        for i in 0..4 {
            for j in 0..=i {
                let expected = if i == j && i < 3 { 1.0 } else { 0.0 };
                let found = dot(&rows[i * width..][..width], &rows[j * width..][..width]);
                assert!((found - expected).abs() < 1e-6, "{i}, {j}: {found}");
            }
        }
        let before = rows.clone();
        orthonormalise(&mut rows, width, 4);
        assert_eq!(rows, before);
    }
}
