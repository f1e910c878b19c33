//! Measuring what models predict, layer by layer: a layer's weights are read, used for all of the text, and dropped.
//!
//! The candidate and the reference walk side by side, and the logits of a few tokens at a time are scored and dropped, so
//! memory holds one layer, the residual streams of the text, and no file of logits.

use super::read::fill;
use crate::arch::Tensor;
use crate::cpu::forward::{self as cpu, Matrices, Matrix};
use crate::engine::command::MeasureRequest;
use crate::engine::event::{MeasureReport, Stage};
use crate::engine::meter::Meter;
use crate::engine::worker::{Context, Stop};
use crate::eval::Divergence;
use crate::forward::{self, Facts, Program, RESIDUAL};
use crate::model::Model;
use rayon::prelude::*;
use std::time::Instant;

/// Tokens that go through a layer at a time.
const BATCH: usize = 4096;
/// Tokens whose logits are in memory at a time.
const SCORED: usize = 64;

/// Measures what a request names.
pub(in crate::engine) fn run(request: &MeasureRequest, context: &Context<'_>) -> Result<MeasureReport, Stop> {
    let started = Instant::now();
    let chunk = request.context;
    let tokens = chunks(request)?;
    let mut walks = vec![Walk::new(&request.candidate, &tokens)?];
    if let Some(reference) = &request.reference {
        if reference.hparams.vocabulary != request.candidate.hparams.vocabulary {
            return Err(Stop::Failed(format!(
                "{} has {} tokens and {} has {}; measure a model against one with the same tokenizer",
                request.candidate.path.display(),
                request.candidate.hparams.vocabulary,
                reference.path.display(),
                reference.hparams.vocabulary
            )));
        }
        walks.push(Walk::new(reference, &tokens)?);
    }
    let total = walks.iter().map(|walk| walk.model.tensors.iter().map(stored_bytes).sum::<u64>()).sum();
    let meter = Meter::new(context, Stage::Measuring, total);
    let layers = walks.iter().map(|walk| walk.model.hparams.layers).max().unwrap_or(0);
    for layer in 0..layers {
        for walk in walks.iter_mut().filter(|walk| layer < walk.model.hparams.layers) {
            walk.step(&forward::layer(walk.model, &walk.facts, layer), chunk, &meter)?;
        }
    }
    let divergence = score(&walks, &tokens, chunk, &meter)?;
    Ok(MeasureReport {
        candidate: request.candidate.path.clone(),
        reference: request.reference.as_ref().map(|model| model.path.clone()),
        text: request.text.clone(),
        chunks: tokens.len() / chunk,
        context: chunk,
        divergence,
        elapsed: started.elapsed(),
    })
}

/// Whole chunks of the text, each begun by the token that begins texts, where the model wants one.
fn chunks(request: &MeasureRequest) -> Result<Vec<u32>, Stop> {
    let (chunk, vocabulary) = (request.context, request.candidate.hparams.vocabulary);
    if chunk < 8 || chunk as u64 > request.candidate.hparams.context {
        return Err(Stop::Failed(format!(
            "a context of {chunk} tokens was asked for, and {} takes from 8 to {}",
            request.candidate.path.display(),
            request.candidate.hparams.context
        )));
    }
    let count = request.tokens.len() / chunk;
    let count = request.chunks.map_or(count, |most| count.min(most));
    if count == 0 {
        return Err(Stop::Failed(format!(
            "{} has {} tokens, fewer than the {chunk} of one chunk; take a longer text or a smaller --ctx",
            request.text.display(),
            request.tokens.len()
        )));
    }
    let mut tokens = request.tokens[..count * chunk].to_vec();
    if let Some(token) = tokens.iter().find(|token| u64::from(**token) >= vocabulary) {
        return Err(Stop::Failed(format!("the text has the token {token}, and the model has {vocabulary}")));
    }
    if let Some(begin) = request.begin {
        tokens.chunks_exact_mut(chunk).for_each(|chunk| chunk[0] = begin);
    }
    Ok(tokens)
}

/// A model on its way through the text.
struct Walk<'a> {
    model: &'a Model,
    facts: Facts,
    /// Rows of the residual stream, a row a token.
    rows: Vec<f32>,
}

impl<'a> Walk<'a> {
    fn new(model: &'a Model, tokens: &[u32]) -> Result<Self, Stop> {
        let find = |name: &str| model.tensors.iter().find(|tensor| tensor.name == name);
        let factors = find("rope_freqs.weight").map(|tensor| load(model, tensor)).transpose()?;
        let factors = factors.map(|matrix| matrix.floats());
        let facts = Facts::of(model, factors.as_deref()).map_err(|error| Stop::Failed(error.to_string()))?;
        let missing = || Stop::Failed(format!("{} has no token_embd.weight", model.path.display()));
        let table = find("token_embd.weight").ok_or_else(missing)?;
        let mut rows = vec![0.0; tokens.len() * table.columns() as usize];
        let format = table.stored_format();
        let each = rows.par_chunks_mut(table.columns() as usize).zip(tokens);
        each.try_for_each_init(Vec::new, |bytes, (row, token)| {
            bytes.resize(format.bytes(table.columns()) as usize, 0);
            fill(model, table, u64::from(*token) * table.columns(), bytes)?;
            (format.dequantize)(bytes, row);
            Ok::<(), Stop>(())
        })?;
        let mut walk = Self { model, facts, rows };
        let program = forward::embedding(model, &walk.facts);
        let matrices = walk.load(&program, None)?;
        cpu::run(&program, &matrices, tokens.len(), &mut walk.rows, RESIDUAL);
        Ok(walk)
    }

    fn width(&self) -> usize {
        self.model.hparams.hidden as usize
    }

    /// Reads the tensors of a program.
    fn load(&self, program: &Program, meter: Option<&Meter<'_, '_>>) -> Result<Matrices, Stop> {
        let mut matrices = Matrices::new();
        for name in program.tensors() {
            let found = self.model.tensors.iter().find(|tensor| tensor.name == name);
            let missing = || Stop::Failed(format!("{} has no {name}", self.model.path.display()));
            let tensor = found.ok_or_else(missing)?;
            matrices.insert(name.to_owned(), load(self.model, tensor)?);
            if let Some(meter) = meter {
                meter.advance(stored_bytes(tensor), name)?;
            }
        }
        Ok(matrices)
    }

    /// A layer, for all of the text.
    fn step(&mut self, program: &Program, chunk: usize, meter: &Meter<'_, '_>) -> Result<(), Stop> {
        let matrices = self.load(program, Some(meter))?;
        let batch = (BATCH / chunk).max(1) * chunk * self.width();
        for rows in self.rows.chunks_mut(batch) {
            let mut own = rows.to_vec();
            cpu::run(program, &matrices, chunk, &mut own, RESIDUAL);
            rows.copy_from_slice(&own);
            meter.advance(0, "")?;
        }
        Ok(())
    }
}

/// Scores the second half of each chunk, as llama-perplexity does.
fn score(walks: &[Walk<'_>], tokens: &[u32], chunk: usize, meter: &Meter<'_, '_>) -> Result<Divergence, Stop> {
    let mut outputs = Vec::new();
    for walk in walks {
        let (program, logits) = forward::output(walk.model, &walk.facts);
        let matrices = walk.load(&program, Some(meter))?;
        outputs.push((walk, program, logits, matrices));
    }
    let mut divergence = Divergence::default();
    for first in (0..tokens.len()).step_by(chunk) {
        // The last token of a chunk has no successor in it.
        let scored: Vec<usize> = (first + chunk / 2..first + chunk - 1).collect();
        for positions in scored.chunks(SCORED) {
            let range = positions[0]..positions[0] + positions.len();
            let logits: Vec<Vec<f32>> = outputs
                .iter()
                .map(|(walk, program, logits, matrices)| {
                    let width = walk.width();
                    let mut rows = walk.rows[range.start * width..range.end * width].to_vec();
                    cpu::run(program, matrices, positions.len(), &mut rows, *logits)
                })
                .collect();
            let vocabulary = logits[0].len() / positions.len();
            let each = |i: usize| {
                let mut one = Divergence::default();
                let row = i * vocabulary..(i + 1) * vocabulary;
                let next = tokens[positions[i] + 1] as usize;
                match &logits[..] {
                    [own] => one.add(&own[row], next),
                    [own, reference, ..] => one.add_against(&own[row.clone()], &reference[row], next),
                    [] => {}
                }
                one
            };
            let scores: Vec<Divergence> = (0..positions.len()).into_par_iter().map(each).collect();
            scores.into_iter().for_each(|one| divergence.append(one));
            meter.advance(0, "")?;
        }
    }
    Ok(divergence)
}

fn stored_bytes(tensor: &Tensor) -> u64 {
    tensor.stored_format().bytes(tensor.weights())
}

fn load(model: &Model, tensor: &Tensor) -> Result<Matrix, Stop> {
    let format = tensor.stored_format();
    let mut bytes = vec![0; stored_bytes(tensor) as usize];
    fill(model, tensor, 0, &mut bytes)?;
    Ok(Matrix { format, shape: tensor.shape.clone(), bytes })
}
