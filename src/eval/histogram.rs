//! How often values of very different size occur.

/// Counts of values by their power of ten, each power in [`Histogram::STEPS`] steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    /// From the smallest values to the largest; what lies beyond is counted in the first and the last.
    pub counts: Vec<usize>,
}

impl Histogram {
    /// The power of ten where it begins.
    pub const FIRST: i32 = -7;
    /// The power of ten where it ends.
    pub const LAST: i32 = 2;
    /// Counts for each power of ten.
    pub const STEPS: i32 = 4;

    /// Of these values, none of which is negative.
    pub fn of(values: &[f64]) -> Self {
        let mut counts = vec![0; ((Self::LAST - Self::FIRST) * Self::STEPS) as usize];
        let last = counts.len() - 1;
        for value in values {
            let place = (value.max(f64::MIN_POSITIVE).log10() - f64::from(Self::FIRST)) * f64::from(Self::STEPS);
            counts[(place.max(0.0) as usize).min(last)] += 1;
        }
        Self { counts }
    }

    /// The power of ten, with its fraction, where a count begins.
    pub fn power(place: usize) -> f64 {
        f64::from(Self::FIRST) + place as f64 / f64::from(Self::STEPS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_by_their_size() {
        let histogram = Histogram::of(&[0.0, 1e-9, 0.011, 0.012, 1e6, f64::INFINITY]);
        let found: Vec<(usize, usize)> =
            histogram.counts.iter().copied().enumerate().filter(|(_, count)| *count > 0).collect();
        assert_eq!(found, [(0, 2), (20, 2), (35, 2)]);
        assert_eq!(Histogram::power(20), -2.0);
    }
}
