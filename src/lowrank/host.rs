//! A matrix in main memory, and products with it by the processor.

use super::finder::Steps;
use super::orthonormal::orthonormalise;
use crate::feedback::{Operand, add_product_by_all};
use std::convert::Infallible;

/// E, or E · R with a root of its inputs' Gram matrix: [`Steps`] of it by the processor.
#[derive(Clone, Copy, Debug)]
pub struct Host<'a> {
    matrix: &'a [f32],
    columns: usize,
    /// Upper triangular, of `columns` rows.
    root: Option<&'a [f32]>,
}

impl<'a> Host<'a> {
    /// Of rows of `columns` numbers, and of a square `root` that they are multiplied with.
    pub fn new(matrix: &'a [f32], columns: usize, root: Option<&'a [f32]>) -> Self {
        assert!(columns > 0 && matrix.len().is_multiple_of(columns));
        assert!(root.is_none_or(|root| root.len() == columns * columns));
        Self { matrix, columns, root }
    }
}

/// `block · by`, of rows of `inner` numbers that become rows of `outer` numbers.
fn times(block: &[f32], by: Operand<'_, f32>, [inner, outer]: [usize; 2]) -> Vec<f32> {
    let rows = block.len() / inner;
    let mut product = vec![0.0; rows * outer];
    add_product_by_all((&mut product, outer), 1.0, Operand::rows(block, inner), by, [rows, inner, outer]);
    product
}

impl Steps for Host<'_> {
    type Error = Infallible;

    fn shape(&self) -> [usize; 2] {
        [self.matrix.len() / self.columns, self.columns]
    }

    fn across(&mut self, block: &[f32]) -> Result<Vec<f32>, Infallible> {
        let [rows, columns] = self.shape();
        let matrix = Operand::rows(self.matrix, columns).transposed();
        Ok(match self.root {
            None => times(block, matrix, [columns, rows]),
            Some(root) => {
                let turned = times(block, Operand::rows(root, columns).transposed(), [columns; 2]);
                times(&turned, matrix, [columns, rows])
            }
        })
    }

    fn back(&mut self, block: &[f32]) -> Result<Vec<f32>, Infallible> {
        let [rows, columns] = self.shape();
        let found = times(block, Operand::rows(self.matrix, columns), [rows, columns]);
        Ok(match self.root {
            None => found,
            Some(root) => times(&found, Operand::rows(root, columns), [columns; 2]),
        })
    }

    fn orthonormalise(&mut self, rows: &mut [f32], first: usize) -> Result<(), Infallible> {
        orthonormalise(rows, self.matrix.len() / self.columns, first);
        Ok(())
    }
}
