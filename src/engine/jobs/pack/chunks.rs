//! Cutting a plan into chunks that fit a slot.
//!
//! Small tensors share a chunk, large ones are split between rows or blocks. Tensors that keep their format need no
//! arithmetic and travel in chunks of their own, past the runner.

use crate::arch::Tensor;
use crate::engine::jobs::read::{granule, stored_format};
use crate::graph::{Recording, SlotSize};
use crate::model::Model;
use crate::quant::{F32, FormatRef};
use crate::recipe::Plan;
use std::ops::Range;

/// Enough that a transfer's fixed costs do not show, and few enough that all slots stay far below the memory bound.
const CHUNK_WEIGHTS: u64 = 4 << 20;

/// Part of a tensor on its way.
#[derive(Debug)]
pub(super) struct Piece {
    /// Index into the model's tensors.
    pub(super) tensor: usize,
    /// Its first weight.
    pub(super) first: u64,
    /// Where it lies in the slot's input.
    pub(super) input: Range<u64>,
    /// Where its result lies in the slot's output.
    pub(super) output: Range<u64>,
    /// Where the result goes in the file.
    pub(super) position: u64,
}

impl Piece {
    /// Its result in the slot's output.
    pub(super) fn of<'a>(&self, output: &'a [u8]) -> &'a [u8] {
        &output[self.output.start as usize..self.output.end as usize]
    }
}

/// What travels through the pipeline at once.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    pub(super) pieces: Vec<Piece>,
    /// What to run; empty where bytes are only copied.
    pub(super) recording: Recording,
    /// Whether the output is the input.
    pub(super) copied: bool,
    weights: u64,
}

impl Chunk {
    /// Bytes read from the model's files.
    pub(super) fn source_bytes(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.input.end - piece.input.start).sum()
    }

    fn push(&mut self, model: &Model, index: usize, first: u64, weights: u64, to: FormatRef, start: u64) {
        let from = stored_format(&model.tensors[index]);
        let (input, output) = if self.copied {
            let at = self.recording.input_bytes;
            self.recording.input_bytes += from.bytes(weights);
            (at..self.recording.input_bytes, at..self.recording.input_bytes)
        } else {
            self.recording.convert(from, to, weights)
        };
        self.weights += weights;
        self.pieces.push(Piece { tensor: index, first, input, output, position: start + to.bytes(first) });
    }
}

/// Whether anything has to be computed at all.
pub(super) fn needs_runner(model: &Model, plan: &Plan) -> bool {
    model.tensors.iter().zip(&plan.tensors).any(|(tensor, planned)| stored_format(tensor) != planned.format)
}

/// The chunks of a plan, in the order of its tensors. `limit` is the runner's.
pub(super) fn split(model: &Model, plan: &Plan, limit: SlotSize) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    let mut open = [Chunk::default(), Chunk { copied: true, ..Chunk::default() }];
    for (index, (tensor, planned)) in model.tensors.iter().zip(&plan.tensors).enumerate() {
        let copied = stored_format(tensor) == planned.format;
        let capacity = if copied { CHUNK_WEIGHTS } else { CHUNK_WEIGHTS.min(capacity(tensor, planned.format, limit)) };
        let granule = granule(tensor);
        let chunk = &mut open[usize::from(copied)];
        let mut first = 0;
        while first < tensor.weights() {
            let room = capacity.saturating_sub(chunk.weights) / granule * granule;
            let left = tensor.weights() - first;
            if room == 0 && !chunk.pieces.is_empty() {
                chunks.push(std::mem::replace(chunk, Chunk { copied, ..Chunk::default() }));
                continue;
            }
            let weights = left.min(room.max(granule));
            chunk.push(model, index, first, weights, planned.format, planned.offset);
            first += weights;
        }
    }
    chunks.extend(open.into_iter().filter(|chunk| !chunk.pieces.is_empty()));
    chunks
}

/// The most weights of this tensor a slot can hold.
fn capacity(tensor: &Tensor, to: FormatRef, limit: SlotSize) -> u64 {
    let fits = |format: FormatRef, bytes: u64| bytes / format.block_bytes as u64 * format.block_weights as u64;
    fits(stored_format(tensor), limit.input).min(fits(to, limit.output)).min(fits(&F32, limit.scratch.max(limit.input)))
}

/// The slot that holds any of these chunks.
pub(super) fn slot_size(chunks: &[Chunk], copied: bool) -> SlotSize {
    let most = |bytes: fn(&Recording) -> u64| {
        chunks.iter().filter(|chunk| chunk.copied == copied).map(|chunk| bytes(&chunk.recording)).max().unwrap_or(0)
    };
    SlotSize { input: most(|r| r.input_bytes), scratch: most(|r| r.scratch_bytes), output: most(|r| r.output_bytes) }
}
