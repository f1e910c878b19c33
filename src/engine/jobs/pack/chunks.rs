//! Cutting plans into chunks that fit a slot.
//!
//! Small tensors share a chunk, large ones are split between rows or blocks. Tensors that keep their format need no
//! arithmetic and travel in chunks of their own, past the runner.

use crate::arch::{Rows, Source, Tensor};
use crate::graph::{ALIGN, Recording, SlotSize};
use crate::model::Model;
use crate::quant::{F32, FormatRef};
use crate::recipe::{Plan, PlannedTensor};
use std::ops::Range;

/// Enough that a transfer's fixed costs do not show, and few enough that all slots stay far below the memory bound.
const CHUNK_WEIGHTS: u64 = 4 << 20;

/// The most bytes of a slot's buffers together; few files from one read come near it.
const CHUNK_BYTES: u64 = 32 << 20;

/// Whole blocks of every format.
const BLOCK: u64 = 256;

/// Part of a tensor on its way.
#[derive(Debug)]
pub(super) struct Piece {
    /// Index into the model's tensors.
    pub(super) tensor: usize,
    /// Its first weight.
    pub(super) first: u64,
    /// Number of weights.
    pub(super) weights: u64,
    /// Where it lies in the slot's input.
    pub(super) input: Range<u64>,
    /// What is made of it.
    pub(super) results: Vec<Converted>,
}

/// A piece as one of the files gets it.
#[derive(Debug)]
pub(super) struct Converted {
    /// Where it lies in the slot's output.
    pub(super) output: Range<u64>,
    /// Index of the file it goes to.
    pub(super) file: usize,
    /// Where it goes there.
    pub(super) position: u64,
}

/// What travels through the pipeline at once.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    pub(super) pieces: Vec<Piece>,
    /// What to run; empty where bytes are only copied.
    pub(super) recording: Recording,
    /// Whether the output is the input.
    pub(super) copied: bool,
    /// Bytes read from the model's files, without those that another chunk counts.
    pub(super) source_bytes: u64,
    weights: u64,
}

impl Chunk {
    /// How many more weights fit. `block` is what [`BLOCK`] weights need.
    fn room(&self, block: SlotSize, limit: SlotSize) -> u64 {
        let fits = |limit: u64, used: u64, block: u64| match block {
            0 => u64::MAX,
            _ => limit.saturating_sub(used) / block * BLOCK,
        };
        let Recording { input_bytes: input, scratch_bytes: scratch, output_bytes: output, .. } = self.recording;
        fits(CHUNK_WEIGHTS, self.weights, BLOCK)
            .min(fits(limit.input, input, block.input))
            .min(fits(limit.scratch, scratch, block.scratch))
            .min(fits(limit.output, output, block.output))
            .min(fits(CHUNK_BYTES, input + scratch + output, block.input + block.scratch + block.output))
    }

    fn push(&mut self, index: usize, tensor: &Tensor, first: u64, weights: u64, goals: &[Goal]) {
        let mut read = self.recording.read(stored_format(tensor), weights);
        let input = read.input();
        let results = goals.iter().map(|Goal { file, planned }| Converted {
            output: if self.copied { input.clone() } else { self.recording.write(&mut read, planned.format) },
            file: *file,
            position: planned.offset + planned.format.bytes(first),
        });
        let results = results.collect();
        self.weights += weights;
        self.pieces.push(Piece { tensor: index, first, weights, input, results });
    }
}

/// What a tensor becomes in one of the files.
struct Goal {
    file: usize,
    planned: PlannedTensor,
}

/// The format a tensor's weights have before the recipe.
pub(super) fn stored_format(tensor: &Tensor) -> FormatRef {
    match &tensor.source {
        Source::Stored { format, .. } => format,
        Source::Computed(_) => &F32,
    }
}

/// Whether anything has to be computed at all.
pub(super) fn needs_runner(model: &Model, plans: &[Plan]) -> bool {
    let computed = |(tensor, planned): (&Tensor, &PlannedTensor)| stored_format(tensor) != planned.format;
    plans.iter().any(|plan| model.tensors.iter().zip(&plan.tensors).any(computed))
}

/// The chunks of plans, in the order of the model's tensors. Files count through from plan to plan. `limit` is the
/// runner's.
///
/// Weights that some files get as they are and others do not travel in two chunks, the same range in both, one right
/// after the other: what is read a second time is still in the system's memory.
pub(super) fn split(model: &Model, plans: &[Plan], limit: SlotSize) -> Vec<Chunk> {
    let count = |first: &mut usize, plan: &Plan| Some(std::mem::replace(first, *first + plan.files.len()));
    let first_files: Vec<usize> = plans.iter().scan(0, count).collect();
    let mut chunks = Vec::new();
    let mut open = [false, true].map(|copied| Chunk { copied, ..Chunk::default() });
    for (index, tensor) in model.tensors.iter().enumerate() {
        let from = stored_format(tensor);
        let goals = plans.iter().zip(&first_files).map(|(plan, first)| {
            let planned = plan.tensors[index];
            Goal { file: first + planned.file, planned }
        });
        let (copies, conversions): (Vec<Goal>, Vec<Goal>) = goals.partition(|goal| goal.planned.format == from);
        let ways = [(0, conversions), (1, copies)].into_iter().filter(|(_, goals)| !goals.is_empty());
        let ways: Vec<(usize, Vec<Goal>)> = ways.collect();
        let granule = granule(tensor);
        let mut first = 0;
        while first < tensor.weights() {
            let mut weights = tensor.weights() - first;
            for (way, goals) in &ways {
                let chunk = &mut open[*way];
                let block = block_bytes(from, goals, chunk.copied);
                // Each result is padded on its own.
                let padding = ALIGN * goals.len() as u64;
                let limit = if chunk.copied {
                    UNLIMITED
                } else {
                    SlotSize { output: limit.output.saturating_sub(padding), ..limit }
                };
                if chunk.room(block, limit) < granule && !chunk.pieces.is_empty() {
                    let empty = Chunk { copied: chunk.copied, ..Chunk::default() };
                    chunks.push(std::mem::replace(chunk, empty));
                }
                weights = weights.min((chunk.room(block, limit) / granule).max(1) * granule);
            }
            for (way, goals) in &ways {
                open[*way].push(index, tensor, first, weights, goals);
            }
            open[ways[0].0].source_bytes += from.bytes(weights);
            first += weights;
        }
    }
    chunks.extend(open.into_iter().filter(|chunk| !chunk.pieces.is_empty()));
    chunks
}

/// What the chunks that are only copied are held to, next to [`CHUNK_WEIGHTS`].
const UNLIMITED: SlotSize = SlotSize { input: u64::MAX, scratch: u64::MAX, output: u64::MAX };

/// What [`BLOCK`] weights need in a slot.
fn block_bytes(from: FormatRef, goals: &[Goal], copied: bool) -> SlotSize {
    let input = from.bytes(BLOCK);
    match copied {
        true => SlotSize { input, scratch: 0, output: 0 },
        false => SlotSize {
            input,
            scratch: if from.is_float() { 0 } else { F32.bytes(BLOCK) },
            output: goals.iter().map(|goal| goal.planned.format.bytes(BLOCK)).sum(),
        },
    }
}

/// A tensor is cut at multiples of this many weights: whole blocks, and whole pairs of rows where rows are reordered.
fn granule(tensor: &Tensor) -> u64 {
    match &tensor.source {
        Source::Stored { rows: Rows::Rope { .. }, .. } if tensor.shape.len() > 1 => 2 * tensor.columns(),
        Source::Stored { rows: Rows::Rope { head_dim }, .. } => *head_dim,
        _ => BLOCK,
    }
}

/// The slot that holds any of these chunks.
pub(super) fn slot_size(chunks: &[Chunk], copied: bool) -> SlotSize {
    let most = |bytes: fn(&Recording) -> u64| {
        chunks.iter().filter(|chunk| chunk.copied == copied).map(|chunk| bytes(&chunk.recording)).max().unwrap_or(0)
    };
    SlotSize { input: most(|r| r.input_bytes), scratch: most(|r| r.scratch_bytes), output: most(|r| r.output_bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::{Recipe, Split};

    /// However many files and however small the slots: every weight reaches every file once, at its place, whole slots
    /// hold what a chunk needs, and what is read for several files counts once.
    #[test]
    fn every_weight_reaches_every_file_and_slots_hold_it() {
        let model = Model::open(std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/sample"))).unwrap();
        let source: u64 = model.tensors.iter().map(|t| stored_format(t).bytes(t.weights())).sum();
        let split = |name: &&str| Plan::new(&model, &Recipe::parse(name, &[])?)?.split(&model, Split::MaxTensors(30));
        let kinds = ["COPY", "F32", "F16", "Q8_0", "Q4_K_M", "Q4_0"];
        for (count, slot) in [(1, 1 << 20), (6, 1 << 20), (6, u64::MAX), (2, 100_000)] {
            let plans: Vec<Plan> = kinds[..count].iter().map(split).collect::<Result<_, _>>().unwrap();
            let limit = SlotSize { input: slot, scratch: slot, output: slot };
            let chunks = super::split(&model, &plans, limit);
            assert_eq!(chunks.iter().map(|chunk| chunk.source_bytes).sum::<u64>(), source);
            let mut reached: Vec<(usize, u64, u64)> = Vec::new();
            for chunk in &chunks {
                let Recording { input_bytes: input, scratch_bytes: scratch, output_bytes: output, .. } =
                    chunk.recording;
                assert!(input + scratch + output <= CHUNK_BYTES && chunk.weights <= CHUNK_WEIGHTS);
                assert!(chunk.copied || input.max(scratch).max(output) <= slot, "{input}, {scratch}, {output}");
                let results = chunk.pieces.iter().flat_map(|piece| &piece.results);
                reached.extend(results.map(|r| (r.file, r.position, r.output.end - r.output.start)));
            }
            reached.sort();
            let mut first = 0;
            for plan in &plans {
                for planned in &plan.tensors {
                    let file = first + planned.file;
                    let (mut at, end) = (planned.offset, planned.offset + planned.bytes);
                    while at < end {
                        let next = reached.binary_search_by_key(&(file, at), |(file, at, _)| (*file, *at));
                        at += reached.remove(next.expect("a piece that starts here")).2;
                    }
                    assert_eq!(at, end);
                }
                first += plan.files.len();
            }
            assert!(reached.is_empty(), "nothing is written twice");
        }
    }
}
