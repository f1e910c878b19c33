//! Reading bytes of a tensor in the order of the GGUF file.

use super::finite;
use crate::arch::{Rows, Source, Tensor};
use crate::engine::worker::Stop;
use crate::model::Model;
use crate::quant::FormatRef;
use rayon::prelude::*;

/// Whole blocks of every format.
pub(super) const BLOCK: u64 = 256;

/// Reads are split at this size among threads: one core copies slower than memory can deliver. A thread reads into
/// memory of its own first, which fits its cache, for a slot's input may be memory that is slow to read back.
const PART: usize = 128 << 10;

/// A tensor is cut at multiples of this many weights: whole blocks, and whole pairs of rows where rows are reordered.
pub(super) fn granule(tensor: &Tensor) -> u64 {
    match &tensor.source {
        Source::Stored { rows: Rows::Rope { .. }, .. } if tensor.shape.len() > 1 => 2 * tensor.columns(),
        Source::Stored { rows: Rows::Rope { head_dim }, .. } => *head_dim,
        _ => BLOCK,
    }
}

/// Fills `out` with weights from the one at index `first` on. Returns the index in the tensor of the first weight that is
/// NaN or infinite, if any.
pub(super) fn fill(model: &Model, tensor: &Tensor, first: u64, out: &mut [u8]) -> Result<Option<u64>, Stop> {
    match &tensor.source {
        Source::Computed(values) => {
            let stored: &[u8] = bytemuck::cast_slice(&values[first as usize..]);
            out.copy_from_slice(&stored[..out.len()]);
            Ok(None)
        }
        Source::Stored { file, offset, format, rows: Rows::Stored } => {
            let start = offset + format.bytes(first);
            let parts = out.par_chunks_mut(PART).enumerate().map_init(Vec::new, |read, (n, part)| {
                let skipped = (n * PART) as u64;
                read.resize(part.len(), 0);
                read_at(model, tensor, *file, start + skipped, read)?;
                part.copy_from_slice(read);
                Ok(finite::first_nonfinite(format, read).map(|i| first + weights_in(format, skipped) + i))
            });
            parts.try_reduce(|| None, |a: Option<u64>, b| Ok(a.into_iter().chain(b).min()))
        }
        Source::Stored { file, offset, format, rows: Rows::Rope { head_dim } } => {
            rope_rows(model, tensor, first, (*file, *offset, format, *head_dim), out)
        }
    }
}

/// Reads pairs of rows: in each head, two runs of neighbouring rows, half a head apart, become one interleaved run.
fn rope_rows(
    model: &Model,
    tensor: &Tensor,
    first: u64,
    (file, offset, format, head_dim): (usize, u64, FormatRef, u64),
    out: &mut [u8],
) -> Result<Option<u64>, Stop> {
    // A bias has one weight a "row".
    let columns = if tensor.shape.len() > 1 { tensor.columns() } else { 1 };
    let row = format.bytes(columns) as usize;
    let mut run = Vec::new();
    let mut next = first / columns;
    let mut left = out;
    let mut bad: Option<u64> = None;
    while !left.is_empty() {
        let (head, within) = (next / head_dim, next % head_dim);
        let rows = (head_dim - within).min((left.len() / row) as u64);
        let (head_out, rest) = left.split_at_mut(rows as usize * row);
        for half in 0..2 {
            run.resize(rows as usize / 2 * row, 0);
            let source = head * head_dim + half * head_dim / 2 + within / 2;
            read_at(model, tensor, file, offset + source * row as u64, &mut run)?;
            let targets = head_out.chunks_exact_mut(row).skip(half as usize).step_by(2);
            targets.zip(run.chunks_exact(row)).for_each(|(to, from)| to.copy_from_slice(from));
            let found = finite::first_nonfinite(format, &run)
                .map(|i| (next + 2 * (i / columns) + half) * columns + i % columns);
            bad = bad.into_iter().chain(found).min();
        }
        next += rows;
        left = rest;
    }
    Ok(bad)
}

fn weights_in(format: FormatRef, bytes: u64) -> u64 {
    bytes / format.block_bytes as u64 * format.block_weights as u64
}

fn read_at(model: &Model, tensor: &Tensor, file: usize, offset: u64, out: &mut [u8]) -> Result<(), Stop> {
    let file = &model.files[file];
    file.read_at(offset, out).map_err(|error| {
        Stop::Failed(format!(
            "{}: {} bytes of the tensor {} at byte {offset} could not be read: {error}; the file had {} bytes when it was \
             opened, so check that nothing changes it and open it again",
            file.path.display(),
            out.len(),
            tensor.stored_name,
            file.bytes
        ))
    })
}
