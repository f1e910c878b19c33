//! Sums of x·xᵀ.

/// `sums += rowsᵀ · rows`, of rows of `columns` numbers.
pub fn add_gram(rows: &[f32], columns: usize, sums: &mut [f32]) {
    assert!(columns > 0 && rows.len().is_multiple_of(columns) && sums.len() == columns * columns);
    // SAFETY: both hold as many rows and columns as are named.
    unsafe {
        gemm::gemm(
            columns,
            columns,
            rows.len() / columns,
            sums.as_mut_ptr(),
            1,
            columns as isize,
            true,
            rows.as_ptr(),
            columns as isize,
            1,
            rows.as_ptr(),
            1,
            columns as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::Rayon(0),
        );
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn products_of_columns_are_summed() {
        let mut sums = [1.0, 0.0, 0.0, 0.0];
        super::add_gram(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2, &mut sums);
        assert_eq!(sums, [36.0, 44.0, 44.0, 56.0]);
    }
}
