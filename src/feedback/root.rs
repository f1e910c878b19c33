//! The root of a positive definite matrix: A = R · Rᵀ with R upper triangular, so that errors go from left to right.
//!
//! This is Cholesky's method from the last column to the first. R⁻¹ is the upper factor of A⁻¹ that error feedback is
//! usually written with; here only its diagonal blocks are needed, and A is never inverted.

use super::Stopped;
use super::product::{Operand, add_product};
use rayon::prelude::*;

/// Columns of a block.
pub(crate) const BLOCK: usize = 256;

/// Replaces the upper half of the symmetric `a`, of `n` rows, by its root; what is below the diagonal means nothing any
/// more. Returns the inverses of its diagonal blocks one after another, or the row where `a` is found not to be positive
/// definite.
pub(super) fn root(a: &mut [f64], n: usize, stop: Stopped<'_>) -> Option<Result<Vec<Vec<f64>>, usize>> {
    let mut inverses = Vec::new();
    for start in (0..n).step_by(BLOCK).rev() {
        let width = BLOCK.min(n - start);
        if let Err(row) = small_root(&mut a[start * n + start..], n, width) {
            return Some(Err(start + row));
        }
        let inverse = inverse(&a[start * n + start..], n, width);
        // The block's columns of the rows above.
        let mut panel = vec![0.0; start * width];
        panel.par_chunks_mut(BLOCK * width).zip(a.par_chunks(BLOCK * n)).for_each(|(panel, a)| {
            let rows = panel.len() / width;
            let transposed = Operand::rows(&inverse, width).transposed();
            add_product((panel, width), 1.0, Operand::rows(&a[start..], n), transposed, [rows, width, width]);
        });
        let strips = a[..start * n].par_chunks_mut(BLOCK * n).enumerate();
        strips.try_for_each(|(strip, a)| {
            if stop() {
                return None;
            }
            let (first, rows) = (strip * BLOCK, a.len() / n);
            let (own, later) = (&panel[first * width..], Operand::rows(&panel[first * width..], width).transposed());
            let shape = [rows, width, start - first];
            add_product((&mut a[first..], n), -1.0, Operand::rows(own, width), later, shape);
            for (a, own) in a.chunks_exact_mut(n).zip(own.chunks_exact(width)) {
                a[start..start + width].copy_from_slice(own);
            }
            Some(())
        })?;
        inverses.push(inverse);
    }
    inverses.reverse();
    Some(Ok(inverses))
}

/// The root of a block of `width` rows, `stride` apart.
fn small_root(a: &mut [f64], stride: usize, width: usize) -> Result<(), usize> {
    for j in (0..width).rev() {
        let (above, below) = a.split_at_mut(j * stride);
        let own = &mut below[..width];
        let square = own[j] - dot(&own[j + 1..], &own[j + 1..]);
        if square.is_nan() || square <= 0.0 {
            return Err(j);
        }
        own[j] = square.sqrt();
        for row in above.chunks_mut(stride) {
            row[j] = (row[j] - dot(&row[j + 1..width], &own[j + 1..])) / own[j];
        }
    }
    Ok(())
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The inverse of an upper triangular block.
fn inverse(root: &[f64], stride: usize, width: usize) -> Vec<f64> {
    let mut inverse = vec![0.0; width * width];
    for (i, row) in inverse.chunks_exact_mut(width).enumerate() {
        row[i] = 1.0;
        for k in i..width {
            let root = &root[k * stride..][..width];
            row[k] /= root[k];
            let factor = row[k];
            row[k + 1..].iter_mut().zip(&root[k + 1..]).for_each(|(to, root)| *to -= factor * root);
        }
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Σ x·xᵀ of as many x as there are rows, and a little on the diagonal.
    fn positive(n: usize) -> Vec<f64> {
        let x: Vec<f64> = (0..n * n).map(|i| ((i * i * 7 + i * 13) % 101) as f64 / 50.0 - 1.0).collect();
        let mut a = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..n {
                a[i * n + j] = dot(&x[i * n..][..n], &x[j * n..][..n]) / n as f64 + if i == j { 0.1 } else { 0.0 };
            }
        }
        a
    }

    #[test]
    fn a_root_times_itself_is_the_matrix() {
        for n in [1, 5, 256, 300, 600] {
            let a = positive(n);
            let mut found = a.clone();
            let inverses = root(&mut found, n, &|| false).unwrap().unwrap();
            let row = |i: usize| &found[i * n + i..][..n - i];
            for i in (0..n).step_by(7) {
                for j in i..n {
                    let product = dot(&row(i)[j - i..], row(j));
                    assert!((product - a[i * n + j]).abs() < 1e-9, "{n}: {i}, {j}");
                }
            }
            for (b, inverse) in inverses.iter().enumerate() {
                let width = BLOCK.min(n - b * BLOCK);
                for i in (0..width).step_by(5) {
                    for j in i..width {
                        let column =
                            (i..=j).map(|k| inverse[i * width + k] * found[(b * BLOCK + k) * n + b * BLOCK + j]);
                        let one = if i == j { 1.0 } else { 0.0 };
                        assert!((column.sum::<f64>() - one).abs() < 1e-9, "{n}: {i}, {j}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_has_no_root_is_told() {
        let mut a = positive(300);
        a[7 * 300 + 7] = -1.0;
        assert_eq!(root(&mut a, 300, &|| false).unwrap().unwrap_err(), 7);
        assert!(root(&mut positive(300), 300, &|| true).is_none());
    }
}
