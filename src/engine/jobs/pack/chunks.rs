//! Cutting plans into chunks that fit a slot.
//!
//! Small tensors share a chunk, large ones are split between rows or blocks, and between experts where each has an
//! importance of its own, whose factors travel with the weights. Tensors that keep their format need no
//! arithmetic and travel in chunks of their own, past the runner.

use crate::arch::Tensor;
use crate::engine::jobs::read::BLOCK;
use crate::graph::{ALIGN, Recording, SlotSize};
use crate::imatrix;
use crate::model::Model;
use crate::quant::{Effort, F32, FormatRef};
use crate::recipe::{Plan, PlannedTensor};
use std::ops::Range;

/// Weights and factors of a chunk: enough that a transfer's fixed costs do not show, and few enough that all slots stay
/// far below the memory bound.
const CHUNK_NUMBERS: u64 = 4 << 20;

/// The most bytes of a slot's buffers together; few files from one read come near it.
const CHUNK_BYTES: u64 = 32 << 20;

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
    /// What is made of it.
    pub(super) results: Vec<Converted>,
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

impl Converted {
    /// Its bytes in the slot's output.
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
    /// Bytes read from the model's files, without those that another chunk counts.
    pub(super) source_bytes: u64,
    /// Weights and factors.
    numbers: u64,
}

impl<'a> Chunk<'a> {
    /// How many more weights fit next to `factors`, written `results` times. `block` is what [`BLOCK`] of them need.
    fn room(&self, factors: u64, results: usize, block: SlotSize, limit: SlotSize) -> u64 {
        let fits = |limit: u64, used: u64, block: u64| match block {
            0 => u64::MAX,
            _ => limit.saturating_sub(used) / block * BLOCK,
        };
        let Recording { input_bytes: input, scratch_bytes: scratch, output_bytes: output, .. } = self.recording;
        let input = input + F32.bytes(factors).next_multiple_of(ALIGN);
        // Each result is padded on its own.
        let output = output + ALIGN * results as u64;
        let all = input + scratch + output + 2 * ALIGN;
        fits(CHUNK_NUMBERS, self.numbers + factors, BLOCK)
            .min(fits(limit.input, input, block.input))
            .min(fits(limit.scratch, scratch, block.scratch))
            .min(fits(limit.output, output, block.output))
            .min(fits(CHUNK_BYTES, all, block.input + block.scratch + block.output))
    }

    fn push(&mut self, stretch: &Stretch<'a>, first: u64, weights: u64, goals: &[Goal]) {
        let Stretch { tensor, from, .. } = *stretch;
        let columns = stretch.columns.filter(|_| !self.copied);
        let count = columns.map_or(0, |columns| columns.len() as u64);
        let mut read = match count {
            0 => self.recording.read(from, weights),
            _ => self.recording.read_weighted(from, weights, count, first % count),
        };
        let input = read.input();
        let factors = columns.zip(read.factors()).map(|(columns, input)| Factors { columns, input });
        let results = goals.iter().map(|Goal { file, planned, effort }| Converted {
            output: if self.copied { input.clone() } else { self.recording.write(&mut read, planned.format, *effort) },
            file: *file,
            position: planned.offset + planned.format.bytes(first),
        });
        let results = results.collect();
        self.numbers += weights + count;
        self.pieces.push(Piece { tensor, first, input, factors, results });
    }
}

/// A tensor, or one of its matrices where each has an importance of its own.
struct Stretch<'a> {
    /// Index into the model's tensors.
    tensor: usize,
    from: FormatRef,
    /// Of the tensor.
    weights: Range<u64>,
    /// How much each column counts.
    columns: Option<&'a [f32]>,
}

/// All plans have the same imatrix, if any.
fn stretches<'a>(index: usize, model: &Model, plans: &'a [Plan]) -> Vec<Stretch<'a>> {
    let tensor = &model.tensors[index];
    let importance = plans.iter().find_map(|plan| plan.importance(tensor, &plan.tensors[index]));
    let columns = tensor.columns() as usize;
    let length = match importance {
        Some(_) => tensor.shape.iter().take(2).product(),
        None => tensor.weights(),
    };
    let stretch = |nth: u64| Stretch {
        tensor: index,
        from: tensor.stored_format(),
        weights: nth * length..(nth + 1) * length,
        columns: importance.map(|importance| &importance[nth as usize * columns..][..columns]),
    };
    (0..tensor.weights() / length).map(stretch).collect()
}

/// What a tensor becomes in one of the files.
struct Goal {
    file: usize,
    planned: PlannedTensor,
    effort: Effort,
}

/// Whether anything has to be computed at all.
pub(super) fn needs_runner(model: &Model, plans: &[Plan]) -> bool {
    let is_computed = |plan: &Plan, (tensor, planned): (&Tensor, &PlannedTensor)| {
        tensor.stored_format() != planned.format && !plan.feeds_back(tensor, planned)
    };
    plans.iter().any(|plan| model.tensors.iter().zip(&plan.tensors).any(|each| is_computed(plan, each)))
}

/// The chunks of plans, without what error feedback chooses, in the order of the model's tensors. Files count through from plan to plan. `limit` is the
/// runner's.
///
/// Weights that some files get as they are and others do not travel in two chunks, the same range in both, one right
/// after the other: what is read a second time is still in the system's memory.
pub(super) fn split<'a>(model: &Model, plans: &'a [Plan], limit: SlotSize) -> Vec<Chunk<'a>> {
    let count = |first: &mut usize, plan: &Plan| Some(std::mem::replace(first, *first + plan.files.len()));
    let first_files: Vec<usize> = plans.iter().scan(0, count).collect();
    let mut chunks = Vec::new();
    let mut open = [false, true].map(|copied| Chunk { copied, ..Chunk::default() });
    for (index, tensor) in model.tensors.iter().enumerate() {
        let from = tensor.stored_format();
        let chosen_here = plans.iter().zip(&first_files);
        let chosen_here = chosen_here.filter(|(plan, _)| !plan.feeds_back(tensor, &plan.tensors[index]));
        let goals = chosen_here.map(|(plan, first)| {
            let planned = plan.tensors[index];
            Goal { file: first + planned.file, planned, effort: plan.recipe.effort }
        });
        let (copies, conversions): (Vec<Goal>, Vec<Goal>) = goals.partition(|goal| goal.planned.format == from);
        let ways = [(0, conversions), (1, copies)].into_iter().filter(|(_, goals)| !goals.is_empty());
        let ways: Vec<(usize, Vec<Goal>)> = ways.collect();
        if ways.is_empty() {
            continue;
        }
        for stretch in stretches(index, model, plans) {
            let factors = stretch.columns.map_or(0, |columns| columns.len() as u64);
            let mut first = stretch.weights.start;
            while first < stretch.weights.end {
                let mut weights = stretch.weights.end - first;
                for (way, goals) in &ways {
                    let chunk = &mut open[*way];
                    let block = block_bytes(from, goals, chunk.copied);
                    let (factors, results, limit) = match chunk.copied {
                        true => (0, 0, UNLIMITED),
                        false => (factors, goals.len(), limit),
                    };
                    if chunk.room(factors, results, block, limit) < BLOCK && !chunk.pieces.is_empty() {
                        let empty = Chunk { copied: chunk.copied, ..Chunk::default() };
                        chunks.push(std::mem::replace(chunk, empty));
                    }
                    weights = weights.min((chunk.room(factors, results, block, limit) / BLOCK).max(1) * BLOCK);
                }
                for (way, goals) in &ways {
                    open[*way].push(&stretch, first, weights, goals);
                }
                open[ways[0].0].source_bytes += tensor.file_bytes(first + weights) - tensor.file_bytes(first);
                first += weights;
            }
        }
    }
    chunks.extend(open.into_iter().filter(|chunk| !chunk.pieces.is_empty()));
    chunks
}

/// What the chunks that are only copied are held to, next to [`CHUNK_NUMBERS`].
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

/// The slot that holds any of these chunks.
pub(super) fn slot_size(chunks: &[Chunk<'_>], copied: bool) -> SlotSize {
    let most = |bytes: fn(&Recording) -> u64| {
        chunks.iter().filter(|chunk| chunk.copied == copied).map(|chunk| bytes(&chunk.recording)).max().unwrap_or(0)
    };
    SlotSize { input: most(|r| r.input_bytes), scratch: most(|r| r.scratch_bytes), output: most(|r| r.output_bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imatrix::Imatrix;
    use crate::recipe::{Recipe, Split};
    use std::path::Path;
    use std::sync::Arc;

    /// However many files and however small the slots: every weight reaches every file once, at its place, whole slots
    /// hold what a chunk needs, and what is read for several files counts once.
    #[test]
    fn every_weight_reaches_every_file_and_slots_hold_it() {
        let model = Model::open(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/sample"))).unwrap();
        let source: u64 = model.tensors.iter().map(|t| t.file_bytes(t.weights())).sum();
        let split = |name: &&str| Plan::new(&model, &Recipe::parse(name, &[])?)?.split(&model, Split::MaxTensors(30));
        let kinds = ["COPY", "F32", "F16", "Q8_0", "Q4_K_M", "Q4_0"];
        for (count, slot) in [(1, 1 << 20), (6, 1 << 20), (6, u64::MAX), (2, 100 << 10)] {
            let plans: Vec<Plan> = kinds[..count].iter().map(split).collect::<Result<_, _>>().unwrap();
            let limit = SlotSize { input: slot, scratch: slot, output: slot };
            let chunks = super::split(&model, &plans, limit);
            assert_eq!(chunks.iter().map(|chunk| chunk.source_bytes).sum::<u64>(), source);
            let mut reached: Vec<(usize, u64, u64)> = Vec::new();
            for chunk in &chunks {
                let Recording { input_bytes: input, scratch_bytes: scratch, output_bytes: output, .. } =
                    chunk.recording;
                assert!(input + scratch + output <= CHUNK_BYTES && chunk.numbers <= CHUNK_NUMBERS);
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

    /// The sample, with a matrix taken as four experts, and an imatrix for every other tensor.
    fn planned() -> (Model, Plan) {
        let mut model = Model::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/sample")).unwrap();
        let experts = model.tensors.iter_mut().find(|tensor| tensor.name == "blk.1.ffn_down.weight").unwrap();
        experts.shape = vec![768, 64, 4];
        let mut imatrix = Imatrix::default();
        for tensor in model.tensors.iter().step_by(2).chain(model.tensors.iter().filter(|t| t.shape.len() == 3)) {
            let columns = tensor.columns() * tensor.shape.iter().skip(2).product::<u64>();
            imatrix.columns.insert(tensor.name.clone(), (0..columns).map(|i| i as f32).collect());
        }
        let recipe = Recipe { imatrix: Some(Arc::new(imatrix)), ..Recipe::parse("Q4_K_M", &[]).unwrap() };
        let plan = Plan::new(&model, &recipe).unwrap();
        (model, plan)
    }

    fn weights(model: &Model, piece: &Piece<'_>) -> u64 {
        let format = model.tensors[piece.tensor].stored_format();
        (piece.input.end - piece.input.start) / format.block_bytes as u64 * format.block_weights as u64
    }

    #[test]
    fn chunks_cover_every_weight_once_and_stay_within_the_slot() {
        let (model, plan) = planned();
        let kib = |input: u64, output: u64| SlotSize { input: input << 10, scratch: 1 << 20, output: output << 10 };
        for limit in [kib(16, 1024), kib(64, 1024), kib(1024, 8), kib(1 << 20, 1 << 20)] {
            let chunks = split(&model, std::slice::from_ref(&plan), limit);
            for chunk in chunks.iter().filter(|chunk| !chunk.copied) {
                let Recording { input_bytes, scratch_bytes, output_bytes, .. } = chunk.recording;
                assert!(input_bytes <= limit.input && scratch_bytes <= limit.scratch && output_bytes <= limit.output);
            }
            for (index, tensor) in model.tensors.iter().enumerate() {
                let pieces = chunks.iter().flat_map(|chunk| &chunk.pieces).filter(|piece| piece.tensor == index);
                let end = pieces.fold(0, |end, piece| {
                    assert_eq!(piece.first, end, "{}", tensor.name);
                    assert_eq!(
                        piece.results[0].position,
                        plan.tensors[index].offset + plan.tensors[index].format.bytes(end)
                    );
                    end + weights(&model, piece)
                });
                assert_eq!(end, tensor.weights(), "{}", tensor.name);
            }
        }
    }

    #[test]
    fn a_piece_has_the_factors_of_its_expert() {
        let (model, plan) = planned();
        let limit = SlotSize { input: 40 << 10, scratch: 1 << 20, output: 1 << 20 };
        let mut weighted = 0;
        for chunk in split(&model, std::slice::from_ref(&plan), limit).iter().filter(|chunk| !chunk.copied) {
            let mut input = vec![0; chunk.recording.input_bytes as usize];
            for (piece, dispatch) in chunk.pieces.iter().zip(&chunk.recording.dispatches) {
                let (tensor, planned) = (&model.tensors[piece.tensor], &plan.tensors[piece.tensor]);
                let expected = plan.importance(tensor, planned);
                assert_eq!(piece.factors.is_some(), expected.is_some(), "{}", tensor.name);
                let (Some(factors), Some(expected)) = (&piece.factors, expected) else { continue };
                let (columns, matrix) = (tensor.columns(), tensor.columns() * tensor.shape[1]);
                let expert = piece.first / matrix;
                assert_eq!((piece.first + weights(&model, piece) - 1) / matrix, expert, "{}", tensor.name);
                let first = (expert * columns) as usize;
                let expected: Vec<f32> = imatrix::factors(&expected[first..first + columns as usize]).collect();

                factors.fill(&mut input);
                let bytes = dispatch.factors.unwrap().range();
                let filled = &input[bytes.start as usize..bytes.end as usize];
                assert_eq!(filled, bytemuck::cast_slice::<f32, u8>(&expected), "{}", tensor.name);
                let params = (u64::from(dispatch.params.columns), u64::from(dispatch.params.first));
                assert_eq!(params, (columns, piece.first % columns), "{}", tensor.name);
                weighted += weights(&model, piece);
            }
        }
        let named = model.tensors.iter().zip(&plan.tensors).filter(|(t, p)| plan.importance(t, p).is_some());
        assert_eq!(weighted, named.map(|(tensor, _)| tensor.weights()).sum::<u64>());
        assert!(weighted > 1 << 20);
    }
}
