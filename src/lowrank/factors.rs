//! The two factors of a matrix of low rank.

use crate::feedback::{Operand, add_product_by_all};
use rayon::prelude::*;

/// B · A, of which the first columns of B and rows of A are the best for every smaller rank.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Factors {
    /// Numbers in a row of A.
    pub columns: usize,
    /// A, a row for each rank.
    pub a: Vec<f32>,
    /// The columns of B, one after another.
    pub b: Vec<f32>,
}

impl Factors {
    /// The part of a matrix of rows of `columns` numbers that `left` spans: orthonormal vectors, a row each, as long as the
    /// matrix has rows. A and B are of the same magnitude, so that neither is lost where numbers are short.
    pub fn of(left: Vec<f32>, matrix: &[f32], columns: usize) -> Self {
        let rows = matrix.len() / columns;
        let rank = left.len() / rows.max(1);
        let (mut a, mut b) = (vec![0.0f32; rank * columns], left);
        let shape = [rank, rows, columns];
        add_product_by_all((&mut a, columns), 1.0, Operand::rows(&b, rows), Operand::rows(matrix, columns), shape);
        a.par_chunks_exact_mut(columns).zip(b.par_chunks_exact_mut(rows)).for_each(|(a, b)| {
            let length = a.iter().map(|number| f64::from(*number).powi(2)).sum::<f64>().sqrt().sqrt() as f32;
            if length > 0.0 {
                a.iter_mut().for_each(|number| *number /= length);
                b.iter_mut().for_each(|number| *number *= length);
            }
        });
        Self { columns, a, b }
    }

    /// Rows of A.
    pub fn rank(&self) -> usize {
        self.a.len() / self.columns.max(1)
    }

    /// A of a smaller rank, row by row.
    pub fn first(&self, rank: usize) -> &[f32] {
        &self.a[..rank * self.columns]
    }

    /// B of a smaller rank, row by row, times a factor.
    pub fn second(&self, rank: usize, factor: f32) -> Vec<f32> {
        let rows = self.b.len() / self.rank().max(1);
        let row = |row: usize| (0..rank).map(move |k| factor * self.b[k * rows + row]);
        (0..rows).flat_map(row).collect()
    }
}

/// Adds `scale * b a` to a matrix of rows of `columns` numbers, of which both are parts row by row.
pub fn add(matrix: &mut [f32], columns: usize, (a, b): (&[f32], &[f32]), scale: f32) {
    let (rank, rows) = (a.len() / columns, matrix.len() / columns);
    assert!(a.len() == rank * columns && b.len() == rows * rank);
    let (a, b) = (Operand::rows(a, columns), Operand::rows(b, rank));
    add_product_by_all((matrix, columns), scale, b, a, [rows, rank, columns]);
}
