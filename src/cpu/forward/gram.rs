//! Sums of x·xᵀ, and what errors of weights do under them.

/// `sums += rowsᵀ · rows`, of rows of `columns` numbers.
pub fn add_gram(rows: &[f32], columns: usize, sums: &mut [f32]) {
    add_cross(rows, rows, columns, sums);
}

/// `sums += aᵀ · b`, of as many rows of `columns` numbers each.
pub fn add_cross(a: &[f32], b: &[f32], columns: usize, sums: &mut [f32]) {
    assert!(columns > 0 && a.len().is_multiple_of(columns) && sums.len() == columns * columns && a.len() == b.len());
    add_product(sums, [columns, a.len() / columns], (a, [columns, 1]), b);
}

/// `sums += aᵀ · b`, of as many rows of `widths[0]` and `widths[1]` numbers.
pub fn add_products(a: &[f32], b: &[f32], widths: [usize; 2], sums: &mut [f32]) {
    let rows = a.len() / widths[0];
    assert!(a.len() == rows * widths[0] && b.len() == rows * widths[1] && sums.len() == widths[0] * widths[1]);
    add_product(sums, [widths[1], rows], (a, [widths[0], 1]), b);
}

/// `rows · matrixᵀ`, of rows and a matrix with rows of `columns` numbers.
pub fn project(rows: &[f32], columns: usize, matrix: &[f32]) -> Vec<f32> {
    let outer = matrix.len() / columns;
    let transposed: Vec<f32> = (0..matrix.len()).map(|n| matrix[n % outer * columns + n / outer]).collect();
    let mut products = vec![0.0f32; rows.len() / columns * outer];
    add_product(&mut products, [outer, columns], (rows, [1, columns]), &transposed);
    products
}

/// `rows · matrix`, of rows of `columns` numbers and a square matrix.
pub fn times(rows: &[f32], columns: usize, matrix: &[f32]) -> Vec<f32> {
    assert!(columns > 0 && rows.len().is_multiple_of(columns) && matrix.len() == columns * columns);
    let mut products = vec![0.0f32; rows.len()];
    add_product(&mut products, [columns, columns], (rows, [1, columns]), matrix);
    products
}

/// `to += a · b`, where `to` and `b` have rows of `columns` numbers, and `a` has `inner` columns; its steps are how far apart
/// these and its rows are.
fn add_product(to: &mut [f32], [columns, inner]: [usize; 2], (a, steps): (&[f32], [usize; 2]), b: &[f32]) {
    let rows = to.len() / columns;
    assert!(a.len() == rows * inner && b.len() == inner * columns);
    // SAFETY: all hold as many rows and columns as are named.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            to.as_mut_ptr(),
            1,
            columns as isize,
            true,
            a.as_ptr(),
            steps[0] as isize,
            steps[1] as isize,
            b.as_ptr(),
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

/// Σ eᵀ · gram · e over rows `e` of `columns` numbers: tr(E H Eᵀ), where `gram` is H, symmetric.
pub fn quadratic_form(rows: &[f32], columns: usize, gram: &[f32]) -> f64 {
    assert!(columns > 0 && rows.len().is_multiple_of(columns) && gram.len() == columns * columns);
    let products = times(rows, columns, gram);
    rows.iter().zip(&products).map(|(e, product)| f64::from(*e) * f64::from(*product)).sum()
}

#[cfg(test)]
mod tests {
    #[test]
    fn errors_count_by_the_inputs_they_meet() {
        let gram = [2.0, 1.0, 0.0, 1.0, 3.0, 0.5, 0.0, 0.5, 4.0];
        // Of the rows (1, 0, 2) and (0, -1, 1): 2 + 16, and 3 - 1 + 4.
        assert_eq!(super::quadratic_form(&[1.0, 0.0, 2.0, 0.0, -1.0, 1.0], 3, &gram), 24.0);
    }

    #[test]
    fn products_of_rows_of_other_lengths() {
        let (a, b) = ([1.0, 2.0, 3.0, 4.0], [1.0, 0.0, 2.0, 0.0, 1.0, 1.0]);
        let mut sums = [0.0; 6];
        super::add_products(&a, &b, [2, 3], &mut sums);
        assert_eq!(sums, [1.0, 3.0, 5.0, 2.0, 4.0, 8.0]);
        assert_eq!(super::project(&b, 3, &[1.0, 1.0, 1.0, 0.0, 2.0, 0.5]), [3.0, 1.0, 2.0, 2.5]);
    }

    #[test]
    fn products_of_columns_are_summed() {
        let mut sums = [1.0, 0.0, 0.0, 0.0];
        super::add_gram(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2, &mut sums);
        assert_eq!(sums, [36.0, 44.0, 44.0, 56.0]);
    }
}
