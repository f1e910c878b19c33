//! The Gram matrix of a matrix's inputs, made ready: the second derivative of what an error in a row of weights costs.

use super::Stopped;
use super::root::{BLOCK, root};
use rayon::prelude::*;
use std::fmt;
use std::ops::Range;

/// What errors cost: a row's is e · H · eᵀ. H is a Gram matrix divided by the mean of its diagonal, with a little added there.
pub struct Hessian {
    pub(super) columns: usize,
    /// H, symmetric.
    pub(crate) matrix: Vec<f32>,
    /// R, upper triangular, with H = R · Rᵀ.
    pub(crate) root: Vec<f32>,
    pub(crate) blocks: Vec<Block>,
}

/// Some neighbouring columns.
pub(crate) struct Block {
    /// The first column.
    pub(crate) start: usize,
    /// How many.
    pub(crate) width: usize,
    /// Their part of H.
    pub(super) matrix: Vec<f32>,
    /// The inverse of their part of R.
    pub(crate) inverse: Vec<f32>,
}

/// Why a matrix is no Gram matrix.
#[derive(Clone, Debug, PartialEq)]
pub enum HessianError {
    /// It should have columns² numbers.
    Length {
        /// How many it has.
        found: usize,
        /// How many a row has.
        columns: usize,
    },
    /// A number that no mean of products is: not finite, negative on the diagonal, or larger than its row and column allow.
    Value {
        /// Where.
        row: usize,
        /// Where.
        column: usize,
        /// What.
        value: f32,
    },
    /// It is not positive definite, which shows in this row.
    Indefinite(usize),
}

impl fmt::Display for HessianError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { found, columns } => {
                write!(f, "has {found} numbers, and {columns} times {columns} were expected")
            }
            Self::Value { row, column, value } => {
                write!(f, "has {value} in row {row}, column {column}, which no mean of products is")
            }
            Self::Indefinite(row) => write!(f, "is not positive definite, as row {row} shows"),
        }
    }
}

/// How far beyond the root of two squares rounding may bring the mean of a product.
const SLACK: f64 = 1.01;

/// The same for what is too small to be squared, in units of the mean square.
const ROUNDING: f64 = 1e-6;

/// Rows and columns that are copied together.
const TILE: usize = 64;

impl Hessian {
    /// From the mean of x · xᵀ over inputs of `columns` numbers, of which the upper half counts. `damping` is added to the
    /// diagonal, in units of its mean: it keeps errors from running into columns that the text never told apart. All zeros
    /// count as the unit matrix. None where it was stopped.
    pub fn new(gram: &[f32], columns: usize, damping: f64, stop: Stopped<'_>) -> Option<Result<Self, HessianError>> {
        let mean = match mean_square(gram, columns) {
            Ok(mean) => mean,
            Err(error) => return Some(Err(error)),
        };
        let scaled = |i: usize, j: usize| {
            let value = f64::from(gram[i.min(j) * columns + i.max(j)]);
            let value = if mean > 0.0 { value / mean } else { f64::from(u8::from(i == j)) };
            if i == j { value + damping } else { value }
        };
        let mut matrix = vec![0.0f32; columns * columns];
        // Tile by tile, for below the diagonal columns are read.
        matrix.par_chunks_mut(TILE * columns).enumerate().for_each(|(n, rows)| {
            for first in (0..columns).step_by(TILE) {
                for (i, row) in rows.chunks_exact_mut(columns).enumerate() {
                    for (j, value) in row.iter_mut().enumerate().skip(first).take(TILE) {
                        *value = scaled(n * TILE + i, j) as f32;
                    }
                }
            }
        });
        let mut upper: Vec<f64> = matrix.par_iter().map(|value| f64::from(*value)).collect();
        let inverses = match root(&mut upper, columns, stop)? {
            Ok(inverses) => inverses,
            Err(row) => return Some(Err(HessianError::Indefinite(row))),
        };
        let block = |(n, inverse): (usize, Vec<f64>)| {
            let (start, width) = (n * BLOCK, BLOCK.min(columns - n * BLOCK));
            let rows = (start..start + width).map(|row| &matrix[row * columns + start..][..width]);
            Block {
                start,
                width,
                matrix: rows.flatten().copied().collect(),
                inverse: inverse.into_iter().map(|value| value as f32).collect(),
            }
        };
        let blocks = inverses.into_iter().enumerate().map(block).collect();
        // What is below the diagonal means nothing.
        let upper = upper.into_par_iter().enumerate();
        let root = upper.map(|(n, value)| if n / columns > n % columns { 0.0 } else { value as f32 }).collect();
        Some(Ok(Self { columns, matrix, root, blocks }))
    }

    /// How long an input is.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// R, upper triangular, with H = R · Rᵀ, row by row.
    pub fn root(&self) -> &[f32] {
        &self.root
    }

    /// H, symmetric, row by row.
    pub fn matrix(&self) -> &[f32] {
        &self.matrix
    }

    /// How much each column's squared error counts by itself, as factors of a search.
    pub(crate) fn importance(&self) -> Vec<f32> {
        factors((0..self.columns).map(|i| self.matrix[i * self.columns + i]))
    }

    /// The same for some columns of `block` that feedback comes to: what is left of a column's cost when the columns after it
    /// make good what they can. Of those that are rounded one by one the later ones in the block do too.
    pub(crate) fn importance_left(&self, block: &Block, wanted: Range<usize>, one_by_one: bool) -> Vec<f32> {
        factors(wanted.clone().map(|j| {
            let root = &self.root[(block.start + j) * self.columns + block.start..][..block.width];
            if one_by_one { root[j] * root[j] } else { root[j..wanted.end].iter().map(|r| r * r).sum() }
        }))
    }
}

/// Numbers in units of their mean.
fn factors(numbers: impl Iterator<Item = f32> + Clone) -> Vec<f32> {
    let (sum, count) = numbers.clone().fold((0.0, 0), |(sum, count), number| (sum + f64::from(number), count + 1));
    let mean = sum / f64::from(count);
    numbers.map(|number| (f64::from(number) / mean) as f32).collect()
}

/// The mean of the diagonal of what is to be the mean of x · xᵀ.
pub(super) fn mean_square(gram: &[f32], columns: usize) -> Result<f64, HessianError> {
    if columns == 0 || gram.len() != columns * columns {
        return Err(HessianError::Length { found: gram.len(), columns });
    }
    let diagonal: Vec<f64> = (0..columns).map(|i| f64::from(gram[i * columns + i])).collect();
    let mean = diagonal.iter().sum::<f64>() / columns as f64;
    let no_square = diagonal.iter().position(|square| !(0.0..=f64::from(f32::MAX)).contains(square));
    match no_square.map(|i| (i, i)).or_else(|| wrong(gram, &diagonal, ROUNDING * mean)) {
        Some((row, column)) => Err(HessianError::Value { row, column, value: gram[row * columns + column] }),
        None => Ok(mean),
    }
}

/// The first place of a number that no Gram matrix with this diagonal has there, but for rounding.
fn wrong(gram: &[f32], diagonal: &[f64], rounding: f64) -> Option<(usize, usize)> {
    let rows = gram.par_chunks(diagonal.len()).enumerate();
    rows.find_map_first(|(i, row)| {
        let is_right = |j: usize, value: f64| value.abs() <= SLACK * (diagonal[i] * diagonal[j]).sqrt() + rounding;
        let from_diagonal = row.iter().enumerate().skip(i);
        from_diagonal
            .map(|(j, value)| (j, f64::from(*value)))
            .find(|(j, value)| !is_right(*j, *value))
            .map(|(j, _)| (i, j))
    })
}
