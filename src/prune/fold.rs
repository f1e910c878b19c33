//! What a matrix has to do beside its own work so that a layer behind it can go.
//!
//! The layer added Δ to the residual stream, row by row; the matrix W before it adds W · h. Of all matrices B, that for which
//! B · h is nearest to Δ in the mean is C · H⁻¹, with C the mean of Δ · hᵀ and H that of h · hᵀ. W + B then does both, as far as Δ
//! follows from h, and is no larger than W.

use super::Stopped;
use crate::feedback;

/// What is added to H's diagonal, in units of its mean.
const DAMPING: f64 = 0.01;

/// Sums over a text, of every other part of it and of those between.
pub struct Fold {
    inner: usize,
    /// Of h · hᵀ and of Δ · hᵀ.
    halves: [[Vec<f32>; 2]; 2],
}

impl Fold {
    /// For a matrix of so many rows and columns.
    pub fn new(outer: usize, inner: usize) -> Self {
        Self { inner, halves: [(); 2].map(|()| [vec![0.0; inner * inner], vec![0.0; outer * inner]]) }
    }

    /// The sums of a half, to be added to.
    pub fn half(&mut self, part: usize) -> &mut [Vec<f32>; 2] {
        &mut self.halves[part % 2]
    }

    /// B, as much of it as does good: what one half of the text asks for is tried on the other, and chance is left out. None
    /// where it was stopped.
    pub fn solve(&self, stop: Stopped<'_>) -> Option<Vec<f32>> {
        let solve = |[gram, cross]: [&[f32]; 2]| feedback::shift(cross, gram, self.inner, DAMPING, stop);
        let (mut good, mut all) = (0.0, 0.0);
        for (own, other) in [(0, 1), (1, 0)] {
            let [gram, cross] = &self.halves[other];
            let asked = solve(self.halves[own].each_ref().map(Vec::as_slice))?;
            good += asked.iter().zip(cross).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
            all += feedback::quadratic(&asked, gram, self.inner);
        }
        let half = if all > 0.0 { (good / all).clamp(0.0, 1.0) } else { 0.0 };
        // All of the text has half of the chance in it.
        let kept = if half > 0.0 { half / (half + (1.0 - half) / 2.0) } else { 0.0 };
        let [first, second] = &self.halves;
        let sum = |n: usize| -> Vec<f32> { first[n].iter().zip(&second[n]).map(|(a, b)| a + b).collect() };
        let mut found = solve([&sum(0), &sum(1)])?;
        found.iter_mut().for_each(|b| *b *= kept as f32);
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_from_the_input_is_taken_over() {
        let (outer, inner) = (2, 4);
        let h = |n: usize, j: usize| (((n * 31 + j * 17 + n * n * j) % 23) as f32) / 11.0 - 1.0;
        let wanted = |i: usize, j: usize| (i as f32 + 1.0) * (j as f32 - 1.5);
        let mut fold = Fold::new(outer, inner);
        for n in 0..400 {
            let [gram, cross] = fold.half(n / 20);
            for a in 0..inner {
                (0..inner).for_each(|b| gram[a * inner + b] += h(n, a) * h(n, b));
                for i in 0..outer {
                    let delta: f32 = (0..inner).map(|j| wanted(i, j) * h(n, j)).sum();
                    cross[i * inner + a] += delta * h(n, a);
                }
            }
        }
        let found = fold.solve(&|| false).unwrap();
        for (n, b) in found.iter().enumerate() {
            let wanted = wanted(n / inner, n % inner);
            assert!((b - wanted).abs() < 0.05 * wanted.abs() + 0.05, "{b} {wanted}");
        }
        assert_eq!(fold.solve(&|| true), None);
        assert_eq!(Fold::new(2, 4).solve(&|| false).unwrap(), [0.0; 8], "nothing of nothing");
    }
}
