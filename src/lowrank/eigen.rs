//! The eigenvalues and eigenvectors of a small symmetric matrix.

use nalgebra::{DMatrix, SymmetricEigen};

/// Largest first: the values, and the vectors, a row each. `matrix` has `size` rows and columns, of which the lower half counts.
pub(super) fn eigen(matrix: &[f64], size: usize) -> (Vec<f64>, Vec<f64>) {
    let SymmetricEigen { eigenvalues, eigenvectors } = SymmetricEigen::new(DMatrix::from_row_slice(size, size, matrix));
    let mut order: Vec<usize> = (0..size).collect();
    order.sort_by(|a, b| eigenvalues[*b].total_cmp(&eigenvalues[*a]));
    let values = order.iter().map(|place| eigenvalues[*place]).collect();
    (values, order.iter().flat_map(|place| eigenvectors.column(*place).iter().copied().collect::<Vec<_>>()).collect())
}
