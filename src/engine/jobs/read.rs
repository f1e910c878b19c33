//! Reading the weights of a tensor in the order of the GGUF file.

use super::decode::{CODES, Memory};
use super::finite;
use super::gather::gather;
use crate::arch::{Coding, Part, Position, Source, Tensor};
use crate::engine::worker::Stop;
use crate::model::Model;
use crate::quant::FormatRef;
use rayon::prelude::*;
use std::ops::Range;

/// Whole blocks of every format: a tensor is cut at multiples of this many weights.
pub(super) const BLOCK: u64 = 256;

/// Reads are split at this many weights among threads: one core copies slower than memory can deliver. A thread reads
/// into memory of its own first, which fits its cache, for a slot's input may be memory that is slow to read back.
const PIECE: u64 = 64 << 10;

/// The same for tensors that are transposed: the more rows at once, the fewer and longer the reads.
const TRANSPOSED_PIECE: u64 = 1 << 20;

/// Fills `out` with weights from the one at index `first` on. Returns the index in the tensor of the first weight that is
/// NaN or infinite, if any.
pub(super) fn fill(model: &Model, tensor: &Tensor, first: u64, out: &mut [u8]) -> Result<Option<u64>, Stop> {
    let (format, parts) = match &tensor.source {
        Source::Stored { format, parts } => (*format, parts),
        Source::Computed(values) => {
            let stored: &[u8] = bytemuck::cast_slice(&values[first as usize..]);
            out.copy_from_slice(&stored[..out.len()]);
            return Ok(None);
        }
    };
    let is_transposed = |part: &Part| part.view.axes.last().is_some_and(|axis| axis.stride > 1 && tensor.columns() > 1);
    let piece = if parts.iter().any(is_transposed) { TRANSPOSED_PIECE } else { PIECE };
    let pieces = out.par_chunks_mut(format.bytes(piece) as usize).enumerate();
    let pieces = pieces.map_init(<(Memory, Vec<u8>)>::default, |(memory, read), (n, out)| {
        let first = first + n as u64 * piece;
        read.resize(out.len(), 0);
        fill_piece(model, tensor, (format, parts), first, memory, read)?;
        out.copy_from_slice(read);
        Ok(finite::first_nonfinite(format, read).map(|i| first + i))
    });
    pieces.try_reduce(|| None, |a: Option<u64>, b| Ok(a.into_iter().chain(b).min()))
}

/// Reads weights from as many parts as they lie in.
fn fill_piece(
    model: &Model,
    tensor: &Tensor,
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
            fill_part(model, tensor, part, format, units, memory, piece)?;
            out = rest;
        }
        start = next;
    }
    Ok(())
}

/// Reads some units of a part and makes weights of them.
fn fill_part(
    model: &Model,
    tensor: &Tensor,
    part: &Part,
    format: FormatRef,
    units: Range<u64>,
    memory: &mut Memory,
    out: &mut [u8],
) -> Result<(), Stop> {
    let count = (units.end - units.start) as usize;
    let gather = |at: Position, unit: usize, unordered: &mut Vec<u8>, mut out: &mut [u8]| {
        for boxed in part.view.boxes(units.clone()) {
            let (piece, rest) = out.split_at_mut(boxed.units() as usize * unit);
            gather(boxed, unit, unordered, piece, |from, out| read_at(model, tensor, at.file, at.offset + from, out))?;
            out = rest;
        }
        Ok(())
    };
    let unit = match part.coding {
        Coding::Plain if part.format == format => {
            return gather(part.at, format.block_bytes, &mut memory.unordered, out);
        }
        Coding::Plain | Coding::Plus(_) => part.format.block_bytes,
        Coding::SplitMxfp4 { exponents } => {
            memory.beside.resize(count, 0);
            gather(exponents, 1, &mut memory.unordered, &mut memory.beside)?;
            CODES
        }
    };
    memory.stored.resize(count * unit, 0);
    gather(part.at, unit, &mut memory.unordered, &mut memory.stored)?;
    memory.decode(part, format, out);
    Ok(())
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
