//! Error feedback from left to right.
//!
//! With H = R · Rᵀ, R upper triangular, the errors e of the columns before a block leave e · R to be made good in it, and the
//! weights that do so best, if all columns to come could take any value, are w + (e · R) · R⁻¹. Each block of a format is
//! searched on these, and its columns are then rounded one by one, each of their errors changing those after it. Where some
//! weights are to be 0 they are rounded to the level next to it, and all of what they were is made good like any other error
//! (E. Frantar and D. Alistarh, "SparseGPT", arXiv 2301.00774, section 3.5).

use super::Stopped;
use super::band::{Band, search};
use super::hessian::Block;
use super::product::{Operand, add_product};
use super::root::BLOCK;
use crate::quant::{Apart, Parts};
use crate::wide::wide;

/// Writes a band's blocks. Those weights are to be 0 that are in `sparse`.
pub(super) fn carry(band: &Band<'_>, sparse: Option<&[f32]>, stop: Stopped<'_>, out: &mut [u8]) -> Option<()> {
    let Band { rows, hessian, format, .. } = *band;
    let columns = hessian.columns;
    let row_bytes = out.len() / rows;
    let mut errors = vec![0.0; rows * columns];
    let mut targets = vec![0.0; rows * BLOCK];
    let mut lost = vec![0.0; rows * BLOCK];
    for block in &hessian.blocks {
        if stop() {
            return None;
        }
        let Block { start, width, .. } = *block;
        let (targets, lost) = (&mut targets[..rows * width], &mut lost[..rows * width]);
        lost.fill(0.0);
        let root = Operand::rows(&hessian.root[start..], columns);
        add_product((lost, width), 1.0, Operand::rows(&errors, columns), root, [rows, start, width]);
        for (targets, weights) in targets.chunks_exact_mut(width).zip(band.weights.chunks_exact(columns)) {
            targets.copy_from_slice(&weights[start..start + width]);
        }
        let inverse = Operand::rows(&block.inverse, width);
        add_product((targets, width), 1.0, Operand::rows(lost, width), inverse, [rows, width, width]);
        for first in (0..width).step_by(format.block_weights) {
            let found = search_unit(band, block, (targets, sparse), first);
            for (row, unit) in found.chunks_exact(format.block_bytes).enumerate() {
                let at = row * row_bytes + (start + first) / format.block_weights * format.block_bytes;
                let unit_out = &mut out[at..at + format.block_bytes];
                unit_out.copy_from_slice(unit);
                let errors = &mut errors[row * columns + start..][..width];
                let weights = &band.weights[row * columns + start..][..width];
                let targets = &mut targets[row * width..][..width];
                let sparse = sparse.map(|sparse| &sparse[row * columns + start..][..width]);
                wide(|| round(band, block, first, unit_out, Row { weights, sparse, targets, errors }));
            }
        }
    }
    Some(())
}

/// The search for one block of the format in every row, beginning at column `first` of `block`.
fn search_unit(band: &Band<'_>, block: &Block, (targets, sparse): (&[f32], Option<&[f32]>), first: usize) -> Vec<u8> {
    let Band { rows, hessian, format, .. } = *band;
    let wanted = first..first + format.block_weights;
    let mut gathered: Vec<f32> =
        targets.chunks_exact(block.width).flat_map(|targets| &targets[wanted.clone()]).copied().collect();
    for (row, sparse) in sparse.iter().flat_map(|sparse| sparse.chunks_exact(hessian.columns)).enumerate() {
        let gathered = &mut gathered[row * format.block_weights..][..format.block_weights];
        let gone = gathered.iter_mut().zip(&sparse[block.start + first..]).filter(|(_, weight)| **weight == 0.0);
        gone.for_each(|(target, _)| *target = 0.0);
    }
    let importance = hessian.importance_left(block, wanted, band.parts.is_some());
    let mut found = vec![0; rows * format.block_bytes];
    search(format, &gathered, &importance, &mut found);
    found
}

/// A row's part in a block of columns.
struct Row<'a> {
    weights: &'a [f32],
    /// With zeros for what is to be 0, if anything is.
    sparse: Option<&'a [f32]>,
    /// The weights that would make good the errors so far.
    targets: &'a mut [f32],
    errors: &'a mut [f32],
}

/// Rounds the columns of one block of the format, or takes them as they are where only whole blocks can be chosen.
#[inline(always)]
fn round(band: &Band<'_>, block: &Block, first: usize, unit: &mut [u8], row: Row<'_>) {
    let Row { weights, sparse, targets, errors } = row;
    let mut apart = Apart::default();
    match band.parts {
        Some(parts) => parts.read(unit, &mut apart),
        None => (band.format.dequantize)(unit, &mut apart.levels[..band.format.block_weights]),
    }
    for i in 0..band.format.block_weights {
        let j = first + i;
        let value = match band.parts {
            Some(parts) => {
                let goes = sparse.is_some_and(|sparse| sparse[j] == 0.0);
                nearest(parts, &mut apart, i, if goes { 0.0 } else { targets[j] })
            }
            None => apart.levels[i],
        };
        errors[j] = weights[j] - value;
        let inverse = &block.inverse[j * block.width..][..block.width];
        let error = (targets[j] - value) / inverse[j];
        targets[j + 1..].iter_mut().zip(&inverse[j + 1..]).for_each(|(target, u)| *target -= error * u);
    }
    if let Some(parts) = band.parts {
        parts.write(&apart, unit);
    }
}

/// Chooses the level of a weight, and returns its value.
#[inline(always)]
fn nearest(parts: &Parts, apart: &mut Apart, i: usize, target: f32) -> f32 {
    let scale = apart.d * apart.scales[i / parts.sub];
    let min = apart.dmin * apart.mins[i / parts.sub];
    let level = (target + min) / scale;
    if level.is_finite() {
        apart.levels[i] = parts.nearest(level);
    }
    scale * apart.levels[i] - min
}
