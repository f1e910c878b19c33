//! Blocks chosen for what a matrix does rather than for what it is: error feedback and coordinate descent.
//!
//! Of a row of weights w and its blocks' q, the error is e = w − q, and what it costs is e · H · eᵀ, where H is the Gram matrix of
//! the matrix's inputs ([`Hessian`]): the mean square of the output's error. Rows do not depend on one another.
//!
//! [`carry`] goes through the columns from left to right: the later weights make good, as far as they can, what the earlier
//! ones lost in rounding (E. Frantar et al., "GPTQ", arXiv 2210.17323). [`descend`] then goes through all columns again and
//! again and changes one number at a time, a code, a scale, a minimum, wherever that lowers the cost, and fits the scales of
//! super-blocks. It begins at the better of what feedback and the plain search found, row by row, and never rises.
//!
//! Where it is known how a matrix's outputs go together in what a model says ([`Fisher`]), [`descend_across`] goes on with all rows
//! at once: a row's error can make good what another's does.
//!
//! Rows are treated in bands of [`BAND`], blocks of columns by products of matrices; the bands run in parallel, and each gives
//! the same bytes whatever the number of threads.

mod across;
mod band;
mod carry;
mod descend;
mod hessian;
mod product;
mod refit;
mod root;
mod shift;

pub use across::{Fisher, descend_across};
pub(crate) use band::tame;
pub(crate) use hessian::Block;
pub use hessian::{Hessian, HessianError};
pub(crate) use product::{Operand, add_product, add_product_by_all};
pub(crate) use root::BLOCK;
pub use shift::{quadratic, shift};

use crate::quant::FormatRef;
use band::Band;
use rayon::prelude::*;

/// Rows that are treated together. What is quantized in parts is cut at multiples of it.
pub const BAND: usize = 64;

/// Says whether to stop; asked several times a second.
pub type Stopped<'a> = &'a (dyn Fn() -> bool + Sync);

/// Whether feedback can choose blocks of this format. Floats only round.
pub fn supports(format: FormatRef) -> bool {
    !format.is_float()
}

/// What all rows' errors cost, in units of a mean square input.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Costs {
    /// After the plain search, with H's diagonal as importance.
    pub searched: f64,
    /// After error feedback.
    pub carried: f64,
    /// Before coordinate descent, and after each sweep of it. Only the first where the format knows no descent.
    pub sweeps: Vec<f64>,
}

impl Costs {
    /// With those of other rows.
    pub(crate) fn add(&mut self, other: &Self) {
        self.searched += other.searched;
        self.carried += other.carried;
        // A band that has come to rest stays where it is.
        let last = |sweeps: &[f64], n: usize| sweeps.get(n).or(sweeps.last()).copied().unwrap_or(0.0);
        let most = self.sweeps.len().max(other.sweeps.len());
        self.sweeps = (0..most).map(|n| last(&self.sweeps, n) + last(&other.sweeps, n)).collect();
    }
}

/// Quantizes whole rows some of whose weights go, those that are 0 in `sparse`: what going and rounding lose is made good
/// together, in one pass over the columns. `sparse` holds the weights as they are after others made good what went; where its
/// plain rounding costs less in a row, that is taken. Formats whose blocks have a minimum store what goes as the level next to 0.
/// Returns what errors cost, and None where it was stopped.
pub fn quantize_sparse(
    weights: &[f32],
    sparse: &[f32],
    hessian: &Hessian,
    format: FormatRef,
    stop: Stopped<'_>,
    out: &mut [u8],
) -> Option<f64> {
    let columns = hessian.columns();
    assert!(supports(format) && format.divides(columns as u64) && weights.len() == sparse.len());
    let row_bytes = format.bytes(columns as u64) as usize;
    assert_eq!(weights.len() / columns * row_bytes, out.len());
    let bands = weights.par_chunks(BAND * columns).zip(sparse.par_chunks(BAND * columns));
    let bands = bands.zip(out.par_chunks_mut(BAND * row_bytes));
    let costs: Option<Vec<f64>> = bands
        .map(|((weights, sparse), out)| Band::new(weights, hessian, format).quantize_sparse(sparse, stop, out))
        .collect();
    Some(costs?.iter().sum())
}

/// Quantizes whole rows of `hessian.columns()` weights, a whole number of blocks. `out` has just the room. Weights that are
/// NaN or infinite count as 0. None where it was stopped.
pub fn quantize(
    weights: &[f32],
    hessian: &Hessian,
    format: FormatRef,
    sweeps: usize,
    stop: Stopped<'_>,
    out: &mut [u8],
) -> Option<Costs> {
    let columns = hessian.columns();
    assert!(supports(format) && format.divides(columns as u64) && weights.len().is_multiple_of(columns));
    let row_bytes = format.bytes(columns as u64) as usize;
    assert_eq!(weights.len() / columns * row_bytes, out.len());
    let bands = weights.par_chunks(BAND * columns).zip(out.par_chunks_mut(BAND * row_bytes));
    let costs = bands.map(|(weights, out)| Band::new(weights, hessian, format).quantize(sweeps, stop, out));
    let costs: Option<Vec<Costs>> = costs.collect();
    let mut sum = Costs::default();
    costs?.iter().for_each(|costs| sum.add(costs));
    Some(sum)
}
