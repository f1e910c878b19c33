//! What a matrix is multiplied with so that its outputs are nearest to what they were, for inputs that changed.

use super::product::{Operand, add_product};
use super::root::root;
use super::{BAND, Stopped};
use rayon::prelude::*;

/// C · H⁻¹ of the mean of (x − x̂) · x̂ᵀ, of any number of rows, and that of x̂ · x̂ᵀ, of `columns` rows, where `damping` is added to H's diagonal in
/// units of its mean. All zeros where H is not positive definite even so. None where it was stopped.
pub fn shift(cross: &[f32], gram: &[f32], columns: usize, damping: f64, stop: Stopped<'_>) -> Option<Vec<f32>> {
    assert!(columns > 0 && gram.len() == columns * columns && cross.len().is_multiple_of(columns));
    let mut upper: Vec<f64> = gram.par_iter().map(|value| f64::from(*value)).collect();
    let mean = upper.iter().step_by(columns + 1).sum::<f64>() / columns as f64;
    upper.iter_mut().step_by(columns + 1).for_each(|diagonal| *diagonal += damping * mean);
    let mut shift = vec![0.0f32; cross.len()];
    if root(&mut upper, columns, stop)?.is_err() || !mean.is_finite() {
        return Some(shift);
    }
    let rows = shift.par_chunks_mut(columns).zip(cross.par_chunks(columns));
    let done = rows.map(|(shift, cross)| {
        if stop() {
            return None;
        }
        // d · R · Rᵀ = c: first z with z · Rᵀ = c from the end, then d with d · R = z from the beginning.
        let mut z: Vec<f64> = cross.iter().map(|value| f64::from(*value)).collect();
        for j in (0..columns).rev() {
            let row = &upper[j * columns..][..columns];
            let later: f64 = row[j + 1..].iter().zip(&z[j + 1..]).map(|(r, z)| r * z).sum();
            z[j] = (z[j] - later) / row[j];
        }
        for j in 0..columns {
            let row = &upper[j * columns..][..columns];
            z[j] /= row[j];
            let own = z[j];
            z[j + 1..].iter_mut().zip(&row[j + 1..]).for_each(|(z, r)| *z -= own * r);
        }
        shift.iter_mut().zip(z).for_each(|(shift, z)| *shift = z as f32);
        Some(())
    });
    done.collect::<Option<Vec<()>>>()?;
    Some(shift)
}

/// Σ e · H · eᵀ over rows e of `columns` numbers.
pub fn quadratic(rows: &[f32], gram: &[f32], columns: usize) -> f64 {
    assert!(columns > 0 && gram.len() == columns * columns && rows.len().is_multiple_of(columns));
    let bands = rows.par_chunks(BAND * columns).map(|e| {
        let mut g = vec![0.0f32; e.len()];
        let shape = [e.len() / columns, columns, columns];
        add_product((&mut g, columns), 1.0, Operand::rows(e, columns), Operand::rows(gram, columns), shape);
        e.iter().zip(&g).map(|(e, g)| f64::from(*e) * f64::from(*g)).sum::<f64>()
    });
    bands.collect::<Vec<f64>>().iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_undoes_the_gram_matrix() {
        let columns = 5;
        let at = |i: usize, j: usize| ((i * 7 + j * 3) % 11) as f32 / 11.0 - 0.4;
        let rows: Vec<Vec<f32>> = (0..40).map(|n| (0..columns).map(|j| at(n, j + n % 3)).collect()).collect();
        let mean = |i: usize, j: usize| rows.iter().map(|row| row[i] * row[j]).sum::<f32>() / 40.0;
        let gram: Vec<f32> = (0..25).map(|n| mean(n / columns, n % columns)).collect();
        let wanted: Vec<f32> = (0..25).map(|n| at(n / 5, n % 5)).collect();
        let trace = gram.iter().step_by(columns + 1).sum::<f32>() / columns as f32;
        let damped = |i: usize, j: usize| gram[i * columns + j] + if i == j { 0.02 * trace } else { 0.0 };
        let product = |n: usize| (0..5).map(|k| wanted[n / 5 * 5 + k] * damped(k, n % 5)).sum::<f32>();
        let cross: Vec<f32> = (0..25).map(product).collect();
        let found = shift(&cross, &gram, columns, 0.02, &|| false).unwrap();
        assert!(found.iter().zip(&wanted).all(|(a, b)| (a - b).abs() < 1e-3), "{found:?} {wanted:?}");
        assert_eq!(shift(&cross, &gram, columns, 0.02, &|| true), None);
    }
}
