//! Reading the weights of a tensor in the order of the GGUF file.

use super::decode::Memory;
use super::finite;
use super::merge::Merge;
use crate::arch::{Part, Position, Source, Tensor};
use crate::engine::worker::Stop;
use crate::model::Model;
use crate::quant::{F32, FormatRef};
use rayon::prelude::*;
use std::ops::Range;

/// Whole blocks of every format: a tensor is cut at multiples of this many weights.
pub(super) const BLOCK: u64 = 256;

/// Reads are split at this many weights among threads: one core copies slower than memory can deliver. A thread reads
/// into memory of its own first, which fits its cache, for a slot's input may be memory that is slow to read back.
const PIECE: u64 = 64 << 10;

/// The same for tensors that are transposed: the more rows at once, the fewer and longer the reads.
const TRANSPOSED_PIECE: u64 = 1 << 20;

/// What is read, for messages too.
pub(super) struct Reader<'a> {
    model: &'a Model,
    tensor: &'a Tensor,
}

impl Reader<'_> {
    /// Reads bytes, `from` many after the beginning of something stored.
    pub(super) fn read(&self, at: Position, from: u64, out: &mut [u8]) -> Result<(), Stop> {
        let (file, offset) = (&self.model.files[at.file], at.offset + from);
        file.read_at(offset, out).map_err(|error| {
            let problem = format!(
                "{} bytes of the tensor {} at byte {offset} could not be read: {error}; the file had {} bytes when it was \
                 opened, so check that nothing changes it and open it again",
                out.len(),
                self.tensor.stored_name,
                file.bytes
            );
            Stop::Failed(format!("{}: {problem}", file.path.display()))
        })
    }

    /// A refusal of what was read there.
    pub(super) fn refuse(&self, at: Position, problem: &str) -> Stop {
        let path = self.model.files[at.file].path.display();
        Stop::Failed(format!("{path}: the tensor {} {problem}", self.tensor.stored_name))
    }
}

/// Fills `out` with weights from the one at index `first` on. Returns the index in the tensor of the first weight that is
/// NaN or infinite, if any.
pub(super) fn fill(model: &Model, tensor: &Tensor, first: u64, out: &mut [u8]) -> Result<Option<u64>, Stop> {
    let (format, parts, addends) = match &tensor.source {
        Source::Stored { format, parts, addends } => (*format, parts, addends),
        Source::Computed(values) => {
            let stored: &[u8] = bytemuck::cast_slice(&values[first as usize..]);
            out.copy_from_slice(&stored[..out.len()]);
            return Ok(None);
        }
    };
    let reader = Reader { model, tensor };
    let is_transposed = |part: &Part| part.view.axes.last().is_some_and(|axis| axis.stride > 1 && tensor.columns() > 1);
    let piece = if parts.iter().any(is_transposed) { TRANSPOSED_PIECE } else { PIECE };
    let weights = out.len() as u64 / format.block_bytes as u64 * format.block_weights as u64;
    let merge = match addends.is_empty() {
        true => None,
        false => Some(Merge::load(&reader, tensor, &rows_of(tensor, first..first + weights))?),
    };
    let pieces = out.par_chunks_mut(format.bytes(piece) as usize).enumerate();
    let pieces = pieces.map_init(<(Memory, Vec<u8>)>::default, |(memory, read), (n, out)| {
        let first = first + n as u64 * piece;
        read.resize(out.len(), 0);
        match &merge {
            None => fill_piece(&reader, (format, parts), first, memory, read)?,
            Some(merge) => fill_merged(&reader, (format, parts), first, memory, merge, read)?,
        }
        out.copy_from_slice(read);
        Ok(finite::first_nonfinite(format, read).map(|i| first + i))
    });
    pieces.try_reduce(|| None, |a: Option<u64>, b| Ok(a.into_iter().chain(b).min()))
}

/// The rows that weights are in.
fn rows_of(tensor: &Tensor, weights: Range<u64>) -> Range<u64> {
    weights.start / tensor.columns()..weights.end.div_ceil(tensor.columns())
}

/// Reads weights as F32 and adds what adapters do: to whole rows, for a row's length may matter.
fn fill_merged(
    reader: &Reader<'_>,
    stored: (FormatRef, &[Part]),
    first: u64,
    memory: &mut Memory,
    merge: &Merge,
    out: &mut [u8],
) -> Result<(), Stop> {
    let columns = reader.tensor.columns();
    let rows = rows_of(reader.tensor, first..first + out.len() as u64 / F32.block_bytes as u64);
    let mut weights = vec![0.0f32; ((rows.end - rows.start) * columns) as usize];
    fill_piece(reader, stored, rows.start * columns, memory, bytemuck::cast_slice_mut(&mut weights))?;
    merge.apply(rows.start, &mut weights);
    let before = F32.bytes(first - rows.start * columns) as usize;
    out.copy_from_slice(&bytemuck::cast_slice(&weights)[before..][..out.len()]);
    Ok(())
}

/// Reads weights from as many parts as they lie in.
fn fill_piece(
    reader: &Reader<'_>,
    (format, parts): (FormatRef, &[Part]),
    first: u64,
    memory: &mut Memory,
    mut out: &mut [u8],
) -> Result<(), Stop> {
    let end = first + out.len() as u64 / format.block_bytes as u64 * format.block_weights as u64;
    let mut start = 0;
    for part in parts {
        let next = start + part.weights();
        let here = first.max(start)..end.min(next);
        if !here.is_empty() {
            let (piece, rest) = out.split_at_mut(format.bytes(here.end - here.start) as usize);
            let block = part.format.block_weights as u64;
            let units = (here.start - start) / block..(here.end - start) / block;
            memory.fill(reader, part, format, units, piece)?;
            out = rest;
        }
        start = next;
    }
    Ok(())
}
