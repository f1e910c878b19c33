//! Products of matrices, by one thread: the same bits however many threads there are; large ones by all threads.

use gemm::Parallelism;

/// A matrix in memory: numbers, and how far apart its rows and its columns are.
#[derive(Clone, Copy)]
pub(crate) struct Operand<'a, T> {
    numbers: &'a [T],
    row: usize,
    column: usize,
}

impl<'a, T> Operand<'a, T> {
    /// Rows `stride` apart.
    pub(crate) fn rows(numbers: &'a [T], stride: usize) -> Self {
        Self { numbers, row: stride, column: 1 }
    }

    /// The same with rows and columns exchanged.
    pub(crate) fn transposed(self) -> Self {
        Self { row: self.column, column: self.row, ..self }
    }

    fn holds(&self, rows: usize, columns: usize) -> bool {
        rows * columns == 0 || (rows - 1) * self.row + (columns - 1) * self.column < self.numbers.len()
    }
}

/// `to += factor · a · b`, where `to` has its rows `stride` apart, and the shape is rows, inner, columns.
pub(crate) fn add_product<T: 'static + Copy + From<f32>>(
    to: (&mut [T], usize),
    factor: T,
    a: Operand<'_, T>,
    b: Operand<'_, T>,
    shape: [usize; 3],
) {
    multiply(to, factor, [a, b], shape, Parallelism::None);
}

/// The same by all threads.
pub(crate) fn add_product_by_all<T: 'static + Copy + From<f32>>(
    to: (&mut [T], usize),
    factor: T,
    a: Operand<'_, T>,
    b: Operand<'_, T>,
    shape: [usize; 3],
) {
    multiply(to, factor, [a, b], shape, Parallelism::Rayon(0));
}

fn multiply<T: 'static + Copy + From<f32>>(
    to: (&mut [T], usize),
    factor: T,
    [a, b]: [Operand<'_, T>; 2],
    [rows, inner, columns]: [usize; 3],
    parallelism: Parallelism,
) {
    let (to, stride) = to;
    if rows * inner * columns == 0 {
        return;
    }
    assert!(a.holds(rows, inner) && b.holds(inner, columns) && (rows - 1) * stride + columns <= to.len());
    // SAFETY: each holds as many rows and columns as are named.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            to.as_mut_ptr(),
            1,
            stride as isize,
            true,
            a.numbers.as_ptr(),
            a.column as isize,
            a.row as isize,
            b.numbers.as_ptr(),
            b.column as isize,
            b.row as isize,
            T::from(1.0),
            factor,
            false,
            false,
            false,
            parallelism,
        );
    }
}

/// The sum of products; rounded as f32 within eight sums of every eighth.
#[inline(always)]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f64 {
    const LANES: usize = 8;
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sums = [0.0f32; LANES];
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let rest = a_rest.iter().zip(b_rest).map(|(a, b)| a * b);
    sums.into_iter().chain(rest).map(f64::from).sum()
}
