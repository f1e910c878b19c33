//! The leading singular vectors of a matrix, from products of it with blocks of vectors.
//!
//! A random block, what M · Mᵀ makes of it, what that makes of the result, and so on: what these blocks span together holds the
//! leading vectors far better than the last of them alone (C. Musco and C. Musco, "Randomized block Krylov methods", 2015; N.
//! Halko, P. Martinsson and J. Tropp, arXiv 0909.4061). Within it they are the eigenvectors of a small matrix.

use super::eigen::eigen;
use crate::feedback::{Operand, Stopped, add_product_by_all};

/// Vectors of a block beyond those that are wanted.
const SPARE: usize = 8;

/// Blocks that are enough to find what errors of quantization hold: the energy of the vectors that are found is then that of
/// the best ones to some hundredths, and the best ones, of a spectrum as flat as theirs, are no better than their neighbours.
pub const DEPTH: usize = 4;

/// Products with a matrix M, wherever it is. Vectors are rows of a block, one after another.
pub trait Steps {
    /// Why a product cannot be made.
    type Error;

    /// Rows and columns of M.
    fn shape(&self) -> [usize; 2];

    /// `block · Mᵀ`: rows as long as M has columns become rows as long as it has rows.
    fn across(&mut self, block: &[f32]) -> Result<Vec<f32>, Self::Error>;

    /// `block · M`, the other way.
    fn back(&mut self, block: &[f32]) -> Result<Vec<f32>, Self::Error>;

    /// What [`orthonormalise`](super::orthonormalise) does, of rows as long as M has rows.
    fn orthonormalise(&mut self, rows: &mut [f32], first: usize) -> Result<(), Self::Error>;
}

/// The leading singular values of a matrix, and their left vectors.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Leading {
    /// The largest first.
    pub values: Vec<f64>,
    /// A row each, as long as the matrix has rows.
    pub left: Vec<f32>,
}

/// Finds as many as `rank`, or all where there are fewer, from so many blocks, or as many as there are directions. Where the
/// first block has room for all of them, what is found is exact. None where it was stopped.
pub fn leading<S: Steps>(
    matrix: &mut S,
    rank: usize,
    depth: usize,
    stop: Stopped<'_>,
) -> Result<Option<Leading>, S::Error> {
    let [rows, columns] = matrix.shape();
    let (all, rank) = (rows.min(columns), rank.min(rows).min(columns));
    if rank == 0 {
        return Ok(Some(Leading::default()));
    }
    let (mut basis, mut images) = (Vec::new(), Vec::new());
    let mut next = matrix.across(&noise((rank + SPARE).min(all) * columns))?;
    for block in 1.. {
        let first = basis.len() / rows;
        next.truncate((all - first) * rows);
        basis.append(&mut next);
        matrix.orthonormalise(&mut basis, first)?;
        images.append(&mut matrix.back(&basis[first * rows..])?);
        if block == depth.max(1) || basis.len() == all * rows {
            break;
        }
        if stop() {
            return Ok(None);
        }
        next = matrix.across(&images[first * columns..])?;
    }
    let size = basis.len() / rows;
    let images: Vec<f64> = images.into_iter().map(f64::from).collect();
    let mut gram = vec![0.0f64; size * size];
    let of = Operand::rows(&images, columns);
    add_product_by_all((&mut gram, size), 1.0, of, of.transposed(), [size, columns, size]);
    let (squares, vectors) = eigen(&gram, size);
    let vectors: Vec<f32> = vectors[..rank * size].iter().map(|number| *number as f32).collect();
    let mut left = vec![0.0f32; rank * rows];
    let (vectors, basis) = (Operand::rows(&vectors, size), Operand::rows(&basis, rows));
    add_product_by_all((&mut left, rows), 1.0, vectors, basis, [rank, size, rows]);
    Ok(Some(Leading { values: squares[..rank].iter().map(|square| square.max(0.0).sqrt()).collect(), left }))
}

/// Numbers that are the same every time, and as good as random: sums of four, which are nearly bell-shaped.
fn noise(count: usize) -> Vec<f32> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    (0..count).map(|_| uniform() + uniform() + uniform() + uniform()).collect()
}
