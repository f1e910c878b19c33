//! Which weights stay, by their scores. Of equal scores the earlier goes first, so that everyone finds the same.

use super::pattern::{Pattern, Scope};
use super::score::scores;
use rayon::prelude::*;

/// Sets to 0 what goes of whole rows of so many columns by its size, or by its size times the factor of its column.
pub fn sparsify(weights: &mut [f32], columns: usize, factors: Option<&[f32]>, pattern: Pattern, scope: Scope) {
    let scores = scores(weights, columns, factors);
    let zero = |weights: &mut [f32], kept: &[bool]| {
        weights.iter_mut().zip(kept).filter(|(_, kept)| !**kept).for_each(|(weight, _)| *weight = 0.0);
    };
    let rows = weights.par_chunks_mut(columns).zip(scores.par_chunks(columns));
    match pattern {
        Pattern::Share(_) => {
            let limits = Limit::of_rows(&scores, columns, pattern, scope);
            rows.zip(limits).for_each(|((weights, scores), limit)| {
                let mut kept = vec![true; columns];
                limit.keep(scores, &mut kept);
                zero(weights, &kept);
            });
        }
        Pattern::Groups { of, .. } => rows.for_each(|(weights, scores)| {
            let mut kept = vec![true; of];
            for (weights, scores) in weights.chunks_mut(of).zip(scores.chunks(of)) {
                keep_groups(scores, pattern.count(scores.len()), &mut kept[..scores.len()]);
                zero(weights, &kept[..scores.len()]);
            }
        }),
    }
}

/// What goes of a row: all scores below a bound, and the first few that are equal to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limit {
    /// The bits of the bound. Scores are not negative, so their bits have their order.
    pub bound: u32,
    /// How many of its equals go.
    pub equals: u32,
}

impl Limit {
    /// Those of rows, so that as many weights go as a pattern says: of each row, or of all together.
    pub fn of_rows(scores: &[f32], columns: usize, pattern: Pattern, scope: Scope) -> Vec<Self> {
        match scope {
            Scope::Row => scores.par_chunks(columns).map(|row| Self::of(row, pattern.count(columns))).collect(),
            Scope::Layer | Scope::Model => Self::of_all(scores, columns, pattern.count(scores.len())),
        }
    }

    /// So that `count` of these scores go.
    fn of(scores: &[f32], count: usize) -> Self {
        if count == 0 {
            return Self::default();
        }
        let mut keys: Vec<u32> = scores.iter().map(|score| score.to_bits()).collect();
        let (below, bound, _) = keys.select_nth_unstable(count - 1);
        let equals = 1 + below.iter().filter(|key| *key == bound).count();
        Self { bound: *bound, equals: equals as u32 }
    }

    /// The same of rows together: the first rows lose the equals.
    fn of_all(scores: &[f32], columns: usize, count: usize) -> Vec<Self> {
        let Self { bound, equals } = Self::of(scores, count);
        let found = scores.par_chunks(columns).map(|row| row.iter().filter(|score| score.to_bits() == bound).count());
        let mut left = equals;
        let take = |found: usize| {
            let equals = left.min(found as u32);
            left -= equals;
            Self { bound, equals }
        };
        found.collect::<Vec<_>>().into_iter().map(take).collect()
    }

    /// Marks what stays of a row.
    pub fn keep(self, scores: &[f32], kept: &mut [bool]) {
        let mut equals = self.equals;
        for (score, kept) in scores.iter().zip(kept) {
            let key = score.to_bits();
            let goes = key < self.bound || key == self.bound && equals > 0;
            equals -= u32::from(goes && key == self.bound);
            *kept = !goes;
        }
    }
}

/// Marks what stays of neighbours: all but the `count` smallest.
pub(super) fn keep_groups(scores: &[f32], count: usize, kept: &mut [bool]) {
    Limit::of(scores, count).keep(scores, kept);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(scores: &[f32], columns: usize, pattern: Pattern, scope: Scope) -> Vec<u8> {
        let limits = Limit::of_rows(scores, columns, pattern, scope);
        let mut kept = vec![false; scores.len()];
        for ((scores, kept), limit) in scores.chunks(columns).zip(kept.chunks_mut(columns)).zip(limits) {
            limit.keep(scores, kept);
        }
        kept.into_iter().map(u8::from).collect()
    }

    #[test]
    fn the_smallest_go_and_of_equals_the_first() {
        let scores = [3.0, 1.0, 2.0, 2.0, 9.0, 2.0, 8.0, 7.0];
        assert_eq!(kept(&scores, 4, Pattern::Share(0.5), Scope::Row), [1, 0, 0, 1, 1, 0, 1, 0]);
        assert_eq!(kept(&scores, 4, Pattern::Share(0.375), Scope::Layer), [1, 0, 0, 0, 1, 1, 1, 1]);
        assert_eq!(kept(&scores, 4, Pattern::Share(0.5), Scope::Layer), [1, 0, 0, 0, 1, 0, 1, 1]);
        assert_eq!(kept(&scores, 4, Pattern::Share(0.01), Scope::Layer), [1; 8], "none of so few");
    }

    #[test]
    fn every_count_is_met_exactly() {
        let scores: Vec<f32> = (0..96).map(|i| ((i * 37) % 11) as f32).collect();
        for count in 0..=96 {
            let pattern = Pattern::Share(count as f64 / 96.0);
            let gone = kept(&scores, 8, pattern, Scope::Layer).iter().filter(|kept| **kept == 0).count();
            assert_eq!(gone, count);
        }
    }
}
