//! How large the numbers are that matrices are multiplied with: what an importance matrix is made of.

use rayon::prelude::*;
use std::collections::BTreeMap;

/// Rows that a thread adds up, in an order that does not depend on how many there are.
const ROWS: usize = 256;

/// Squares of what goes into each matrix, by its name.
#[derive(Clone, Debug, Default)]
pub struct Activations {
    /// In the order of names.
    pub matrices: BTreeMap<String, Squares>,
}

/// Of one matrix, or of each of several experts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Squares {
    /// The sum by column, of one expert after another.
    pub sums: Vec<f64>,
    /// How many rows each expert saw.
    pub counts: Vec<u64>,
}

impl Activations {
    /// Adds the rows that go into a matrix, which is number `expert` of `experts`.
    pub fn add(&mut self, name: &str, expert: usize, experts: usize, columns: usize, rows: &[f32]) {
        if !self.matrices.contains_key(name) {
            let squares = Squares { sums: vec![0.0; experts * columns], counts: vec![0; experts] };
            self.matrices.insert(name.to_owned(), squares);
        }
        let Some(squares) = self.matrices.get_mut(name) else { return };
        squares.counts[expert] += (rows.len() / columns) as u64;
        let parts = rows.par_chunks(ROWS * columns).map(|rows| {
            let mut sums = vec![0.0f32; columns];
            for row in rows.chunks_exact(columns) {
                sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x * x);
            }
            sums
        });
        let own = &mut squares.sums[expert * columns..][..columns];
        for part in parts.collect::<Vec<_>>() {
            own.iter_mut().zip(part).for_each(|(sum, part)| *sum += f64::from(part));
        }
    }

    /// Adds sums by column over so many rows, of one expert of a matrix after another.
    pub fn add_sums(&mut self, name: &str, sums: &[f32], counts: &[u64]) {
        let all = self
            .matrices
            .entry(name.to_owned())
            .or_insert_with(|| Squares { sums: vec![0.0; sums.len()], counts: vec![0; counts.len()] });
        all.sums.iter_mut().zip(sums).for_each(|(all, sum)| *all += f64::from(*sum));
        all.counts.iter_mut().zip(counts).for_each(|(all, count)| *all += count);
    }
}

impl Squares {
    /// The mean by column; 1 for an expert that saw nothing, of which nothing is known.
    pub fn means(&self) -> Vec<f32> {
        let columns = self.sums.len() / self.counts.len().max(1);
        let each = self.sums.chunks(columns.max(1)).zip(&self.counts);
        let mean = |(sums, count): (&[f64], &u64)| -> Vec<f32> {
            sums.iter().map(|sum| if *count == 0 { 1.0 } else { (sum / *count as f64) as f32 }).collect()
        };
        each.flat_map(mean).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squares_are_summed_by_column_and_expert() {
        let mut activations = Activations::default();
        activations.add("a", 1, 2, 2, &[1.0, 2.0, 3.0, 4.0]);
        activations.add("a", 1, 2, 2, &[0.0, -2.0]);
        let squares = &activations.matrices["a"];
        assert_eq!((squares.sums.as_slice(), squares.counts.as_slice()), (&[0.0, 0.0, 10.0, 24.0][..], &[0, 3][..]));
        assert_eq!(squares.means(), [1.0, 1.0, 10.0 / 3.0, 8.0]);
    }
}
