//! How much a layer does.

use rayon::prelude::*;

/// 1 − the mean cosine between what goes into a layer and what comes out of it, over rows of `width` numbers: 0 for a layer
/// that only scales (block influence; X. Men et al., "ShortGPT", arXiv 2403.03853).
pub fn influence(before: &[f32], after: &[f32], width: usize) -> f64 {
    assert!(width > 0 && before.len() == after.len() && before.len().is_multiple_of(width));
    let cosines = before.par_chunks(width).zip(after.par_chunks(width)).map(|(a, b)| {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(f64::MIN_POSITIVE)
    });
    let cosines: Vec<f64> = cosines.collect();
    1.0 - cosines.iter().sum::<f64>() / cosines.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::influence;

    #[test]
    fn it_is_the_angle_that_counts() {
        assert!(influence(&[1.0, 2.0, -3.0, 1.0], &[2.0, 4.0, -6.0, 2.0], 2).abs() < 1e-12);
        assert!((influence(&[1.0, 0.0, 0.0, 1.0], &[0.0, 1.0, 0.0, 3.0], 2) - 0.5).abs() < 1e-12);
    }
}
