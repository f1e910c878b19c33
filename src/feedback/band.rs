//! A band of rows: searched, fed back, and the better of both improved.

use super::product::{Operand, add_product};
use super::{Costs, Hessian, Stopped, carry, descend};
use crate::quant::{Effort, FormatRef, Importance, Parts, Search};

/// The largest weight that is believed; every format's scales end far below.
const LARGEST: f32 = (1u64 << 40) as f32;

/// Some rows of a matrix.
pub(super) struct Band<'a> {
    pub(super) weights: Vec<f32>,
    pub(super) rows: usize,
    pub(super) hessian: &'a Hessian,
    pub(super) format: FormatRef,
    pub(super) parts: Option<&'static Parts>,
}

/// The errors of a band's rows, and their products with H.
pub(super) struct Errors {
    pub(super) e: Vec<f32>,
    pub(super) g: Vec<f32>,
}

impl Errors {
    /// What each row's error costs.
    pub(super) fn costs(&self, columns: usize) -> Vec<f64> {
        let rows = self.e.chunks_exact(columns).zip(self.g.chunks_exact(columns));
        rows.map(|(e, g)| e.iter().zip(g).map(|(e, g)| f64::from(*e) * f64::from(*g)).sum()).collect()
    }
}

impl<'a> Band<'a> {
    pub(super) fn new(weights: &[f32], hessian: &'a Hessian, format: FormatRef) -> Self {
        Self {
            weights: weights.iter().copied().map(tame).collect(),
            rows: weights.len() / hessian.columns,
            hessian,
            format,
            parts: Parts::of(format),
        }
    }

    pub(super) fn quantize(&self, sweeps: usize, stop: Stopped<'_>, out: &mut [u8]) -> Option<Costs> {
        search(self.format, &self.weights, &self.hessian.importance(), out);
        let (errors, [searched, carried]) = self.feed_back(None, stop, out)?;
        let sweeps = match self.parts {
            Some(parts) => descend::descend(self, parts, errors, sweeps, stop, out)?,
            None => vec![errors.costs(self.hessian.columns).iter().sum()],
        };
        Some(Costs { searched, carried, sweeps })
    }

    /// The same of weights some of which are to be 0, as they are in `sparse`. Returns what errors cost.
    pub(super) fn quantize_sparse(&self, sparse: &[f32], stop: Stopped<'_>, out: &mut [u8]) -> Option<f64> {
        search(self.format, sparse, &self.hessian.importance(), out);
        let (errors, _) = self.feed_back(Some(sparse), stop, out)?;
        Some(errors.costs(self.hessian.columns).iter().sum())
    }

    /// Puts what feedback makes in the place of what was searched, row by row, where it costs less. Returns the errors then, and
    /// what was searched and what was fed back cost.
    fn feed_back(&self, sparse: Option<&[f32]>, stop: Stopped<'_>, out: &mut [u8]) -> Option<(Errors, [f64; 2])> {
        let columns = self.hessian.columns;
        let mut errors = self.errors(out);
        let mut carried = vec![0; out.len()];
        carry::carry(self, sparse, stop, &mut carried)?;
        let other = self.errors(&carried);
        let costs = [errors.costs(columns), other.costs(columns)];
        let row_bytes = out.len() / self.rows;
        for row in (0..self.rows).filter(|row| costs[1][*row] < costs[0][*row]) {
            let (bytes, numbers) = (row * row_bytes..(row + 1) * row_bytes, row * columns..(row + 1) * columns);
            out[bytes.clone()].copy_from_slice(&carried[bytes]);
            errors.e[numbers.clone()].copy_from_slice(&other.e[numbers.clone()]);
            errors.g[numbers.clone()].copy_from_slice(&other.g[numbers]);
        }
        Some((errors, costs.map(|costs| costs.iter().sum())))
    }

    /// Those of blocks.
    fn errors(&self, blocks: &[u8]) -> Errors {
        let columns = self.hessian.columns;
        let mut e = vec![0.0; self.weights.len()];
        (self.format.dequantize)(blocks, &mut e);
        e.iter_mut().zip(&self.weights).for_each(|(e, weight)| *e = weight - *e);
        let mut g = vec![0.0; e.len()];
        let matrix = Operand::rows(&self.hessian.matrix, columns);
        add_product((&mut g, columns), 1.0, Operand::rows(&e, columns), matrix, [self.rows, columns, columns]);
        Errors { e, g }
    }
}

/// The weight that is believed.
pub(crate) fn tame(weight: f32) -> f32 {
    if weight.is_finite() { weight.clamp(-LARGEST, LARGEST) } else { 0.0 }
}

/// The search of the format, where each column's squared error counts as it does in `columns`. Rows are as long as that.
pub(super) fn search(format: FormatRef, weights: &[f32], columns: &[f32], out: &mut [u8]) {
    let importance = Some(Importance { columns, first: 0 });
    (format.quantize)(weights, Search { importance, effort: Effort::Best }, out);
}
