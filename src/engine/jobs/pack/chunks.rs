//! Cutting a plan into chunks that fit a slot.
//!
//! Small tensors share a chunk, large ones are split between rows or blocks, and between experts where each has an
//! importance of its own, whose factors travel with the weights. Tensors that keep their format need no
//! arithmetic and travel in chunks of their own, past the runner.

use crate::engine::jobs::read::granule;
use crate::graph::{ALIGN, Recording, SlotSize};
use crate::imatrix;
use crate::model::Model;
use crate::quant::{F32, FormatRef};
use crate::recipe::Plan;
use std::ops::Range;

/// Weights and factors of a chunk: enough that a transfer's fixed costs do not show, and few enough that all slots stay
/// far below the memory bound.
const CHUNK_NUMBERS: u64 = 4 << 20;

/// Part of a tensor on its way.
#[derive(Debug)]
pub(super) struct Piece<'a> {
    /// Index into the model's tensors.
    pub(super) tensor: usize,
    /// Its first weight.
    pub(super) first: u64,
    /// Where it lies in the slot's input.
    pub(super) input: Range<u64>,
    /// How much its columns count, where they differ.
    pub(super) factors: Option<Factors<'a>>,
    /// Where its result lies in the slot's output.
    pub(super) output: Range<u64>,
    /// Where the result goes in the file.
    pub(super) position: u64,
}

/// The factors of a piece's squared errors, a column each.
#[derive(Debug)]
pub(super) struct Factors<'a> {
    /// The imatrix's entry for the piece's matrix.
    columns: &'a [f32],
    /// Where they lie in the slot's input.
    input: Range<u64>,
}

impl Factors<'_> {
    /// Writes them where they belong in the slot's input.
    pub(super) fn fill(&self, input: &mut [u8]) {
        let room = input[self.input.start as usize..self.input.end as usize].as_chunks_mut().0;
        room.iter_mut().zip(imatrix::factors(self.columns)).for_each(|(bytes, factor)| *bytes = factor.to_le_bytes());
    }
}

impl Piece<'_> {
    /// Its result in the slot's output.
    pub(super) fn of<'a>(&self, output: &'a [u8]) -> &'a [u8] {
        &output[self.output.start as usize..self.output.end as usize]
    }
}

/// What travels through the pipeline at once.
#[derive(Debug, Default)]
pub(super) struct Chunk<'a> {
    pub(super) pieces: Vec<Piece<'a>>,
    /// What to run; empty where bytes are only copied.
    pub(super) recording: Recording,
    /// Whether the output is the input.
    pub(super) copied: bool,
    /// Weights and factors.
    numbers: u64,
}

impl<'a> Chunk<'a> {
    /// Bytes read from the model's files.
    pub(super) fn source_bytes(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.input.end - piece.input.start).sum()
    }

    /// Weights of a stretch for which there is still room.
    fn room(&self, stretch: &Stretch<'_>, limit: SlotSize) -> u64 {
        let factors = stretch.columns.map_or(0, |columns| columns.len() as u64);
        let numbers = CHUNK_NUMBERS.saturating_sub(self.numbers + factors);
        if self.copied {
            return numbers;
        }
        let Recording { input_bytes, scratch_bytes, output_bytes, .. } = self.recording;
        let fits = |format: FormatRef, used: u64, limit: u64| {
            limit.saturating_sub(used) / format.block_bytes as u64 * format.block_weights as u64
        };
        numbers
            .min(fits(stretch.from, input_bytes + F32.bytes(factors).next_multiple_of(ALIGN), limit.input))
            .min(fits(&F32, scratch_bytes, limit.scratch))
            .min(fits(stretch.to, output_bytes, limit.output))
    }

    fn push(&mut self, stretch: &Stretch<'a>, first: u64, weights: u64) {
        let Stretch { tensor, from, to, columns, .. } = *stretch;
        let mut factors = None;
        let (input, output) = if self.copied {
            let at = self.recording.input_bytes;
            self.recording.input_bytes += from.bytes(weights);
            (at..self.recording.input_bytes, at..self.recording.input_bytes)
        } else if let Some(columns) = columns {
            let count = columns.len() as u64;
            self.numbers += count;
            let (input, room, output) = self.recording.convert_weighted(from, to, weights, count, first % count);
            factors = Some(Factors { columns, input: room });
            (input, output)
        } else {
            self.recording.convert(from, to, weights)
        };
        self.numbers += weights;
        let position = stretch.position + to.bytes(first);
        self.pieces.push(Piece { tensor, first, input, factors, output, position });
    }
}

/// A tensor, or one of its matrices where each has an importance of its own.
struct Stretch<'a> {
    /// Index into the model's tensors.
    tensor: usize,
    from: FormatRef,
    to: FormatRef,
    /// Where the tensor lies in the file.
    position: u64,
    /// Of the tensor.
    weights: Range<u64>,
    /// How much each column counts.
    columns: Option<&'a [f32]>,
}

fn stretches<'a>(tensor: usize, model: &Model, plan: &'a Plan) -> impl Iterator<Item = Stretch<'a>> {
    let (index, tensor, planned) = (tensor, &model.tensors[tensor], &plan.tensors[tensor]);
    let importance = plan.importance(tensor, planned);
    let columns = tensor.columns() as usize;
    let length = match importance {
        Some(_) => tensor.shape.iter().take(2).product(),
        None => tensor.weights(),
    };
    let (from, to, position) = (tensor.stored_format(), planned.format, planned.offset);
    (0..tensor.weights() / length).map(move |nth| Stretch {
        tensor: index,
        from,
        to,
        position,
        weights: nth * length..(nth + 1) * length,
        columns: importance.map(|importance| &importance[nth as usize * columns..][..columns]),
    })
}

/// Whether anything has to be computed at all.
pub(super) fn needs_runner(model: &Model, plan: &Plan) -> bool {
    model.tensors.iter().zip(&plan.tensors).any(|(tensor, planned)| tensor.stored_format() != planned.format)
}

/// The chunks of a plan, in the order of its tensors. `limit` is the runner's.
pub(super) fn split<'a>(model: &Model, plan: &'a Plan, limit: SlotSize) -> Vec<Chunk<'a>> {
    let mut chunks = Vec::new();
    let mut open = [Chunk::default(), Chunk { copied: true, ..Chunk::default() }];
    for (index, tensor) in model.tensors.iter().enumerate() {
        let granule = granule(tensor);
        for stretch in stretches(index, model, plan) {
            let copied = stretch.from == stretch.to;
            let chunk = &mut open[usize::from(copied)];
            let mut first = stretch.weights.start;
            while first < stretch.weights.end {
                let room = chunk.room(&stretch, limit) / granule * granule;
                if room == 0 && !chunk.pieces.is_empty() {
                    chunks.push(std::mem::replace(chunk, Chunk { copied, ..Chunk::default() }));
                    continue;
                }
                let weights = (stretch.weights.end - first).min(room.max(granule));
                chunk.push(&stretch, first, weights);
                first += weights;
            }
        }
    }
    chunks.extend(open.into_iter().filter(|chunk| !chunk.pieces.is_empty()));
    chunks
}

/// The slot that holds any of these chunks.
pub(super) fn slot_size(chunks: &[Chunk<'_>], copied: bool) -> SlotSize {
    let most = |bytes: fn(&Recording) -> u64| {
        chunks.iter().filter(|chunk| chunk.copied == copied).map(|chunk| bytes(&chunk.recording)).max().unwrap_or(0)
    };
    SlotSize { input: most(|r| r.input_bytes), scratch: most(|r| r.scratch_bytes), output: most(|r| r.output_bytes) }
}
