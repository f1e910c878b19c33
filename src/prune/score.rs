//! How much a weight counts by itself.

use rayon::prelude::*;

/// |w|, or |w| times the number of its column. Rows are as long as there are numbers. What is not finite counts as 0.
pub fn scores(weights: &[f32], columns: usize, norms: Option<&[f32]>) -> Vec<f32> {
    assert!(weights.len().is_multiple_of(columns) && norms.is_none_or(|norms| norms.len() == columns));
    let mut scores = vec![0.0; weights.len()];
    scores.par_chunks_mut(columns).zip(weights.par_chunks(columns)).for_each(|(scores, weights)| {
        for (j, (score, weight)) in scores.iter_mut().zip(weights).enumerate() {
            let product = norms.map_or(weight.abs(), |norms| weight.abs() * norms[j]);
            *score = if product.is_finite() { product } else { 0.0 };
        }
    });
    scores
}
