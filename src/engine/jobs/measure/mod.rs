//! Measuring what models predict, layer by layer: a layer's weights are read, used for all of the text, and dropped.
//!
//! The candidate and the reference walk side by side, and the logits of a few tokens at a time are scored and dropped, so
//! memory holds one layer, the residual streams of the text, and no file of logits.

mod calibrate;
mod compare;
mod documents;
mod errors;
mod fisher;
mod gather;
mod gpu;
mod identity;
mod kv;
mod low_rank;
mod needle;
mod passages;
mod prompt;
mod prune;
mod reckon;
mod sensitivity;
mod sequence;
mod speaker;
mod state;
mod statistics;
mod text;
mod walk;
mod weights;

pub(in crate::engine) use calibrate::calibrate;
pub(in crate::engine) use compare::compare;
pub(in crate::engine) use kv::kv;
pub(in crate::engine) use low_rank::{low_rank, low_rank_pairs};
pub(in crate::engine) use prompt::prompt;
pub(in crate::engine) use prune::{outline, prune, weigh};
pub(in crate::engine) use sensitivity::sensitivity;
pub(in crate::engine) use sequence::sequence;
pub(in crate::engine) use statistics::{Found, find as find_statistics, statistics};

use crate::engine::command::MeasureRequest;
use crate::engine::device::Devices;
use crate::engine::event::{MeasureReport, Stage};
use crate::engine::jobs::feedback::Chooser;
use crate::engine::meter::Meter;
use crate::engine::worker::{Context, Stop};
use crate::eval::Divergence;
use crate::model::Model;
use crate::recipe::{Plan, Recipe};
use rayon::prelude::*;
use std::time::Instant;
use text::{BuiltIn, Text};
use walk::{Output, Walk};
use weights::Weights;

/// Logits that are in memory at a time, of each model.
const LOGITS: usize = 32 << 20;

/// Bytes of a matrix that makes logits which stay in main memory beside another model's.
const MATRIX: usize = 1 << 29;

/// Measures what a request names.
pub(in crate::engine) fn run(
    devices: &mut Devices,
    request: &MeasureRequest,
    context: &Context<'_>,
) -> Result<MeasureReport, Stop> {
    let started = Instant::now();
    let candidate = &request.candidate;
    let plan = request.recipe.as_ref().map(|recipe| Plan::new(candidate, recipe)).transpose()?;
    let bits_per_weight = plan.as_ref().map(|plan| plan.bits_per_weight);
    let text = Text::read(request.text.as_deref(), BuiltIn::Evaluation, candidate, request.context, request.chunks)?;
    let gpu = gpu::open(devices, &request.computing)?;
    let chooser = Chooser::open(devices, &request.computing, &plan)?;
    let mut walks = vec![Walk::new(Weights::new(candidate, plan, context).on(chooser), &text, gpu.clone())?];
    if let Some(reference) = &request.reference {
        same_tokens(candidate, reference)?;
        walks.push(Walk::new(Weights::new(reference, None, context), &text, gpu.clone())?);
    }
    let total = walks.iter().map(Walk::bytes).sum();
    let meter = Meter::new(context, Stage::Measuring, total);
    let mut layer_errors = Vec::new();
    for layer in 0..walks.iter().map(Walk::layers).max().unwrap_or(0) {
        for walk in walks.iter_mut().filter(|walk| layer < walk.layers()) {
            walk.layer(layer, &meter, &mut |_, _, _| {})?;
        }
        if let [own, reference] = &walks[..] {
            layer_errors.extend(own.error(reference)?);
        }
    }
    walks.iter_mut().try_for_each(Walk::settle)?;
    Ok(MeasureReport {
        candidate: candidate.path.clone(),
        recipe: request.recipe.as_ref().map(Recipe::name),
        bits_per_weight,
        reference: request.reference.as_ref().map(|model| model.path.clone()),
        divergence: score(&walks.iter().collect::<Vec<_>>(), &text, &meter)?,
        layer_errors,
        chunks: text.chunks(),
        context: text.chunk,
        text: text.name,
        device: gpu::name(gpu.as_ref()),
        elapsed: started.elapsed(),
    })
}

/// Takes a text through models side by side. Returns what each of the others predicts beside the first.
fn side_by_side(walks: &mut [Walk<'_>], text: &Text, context: &Context<'_>) -> Result<Vec<Divergence>, Stop> {
    let meter = Meter::new(context, Stage::Measuring, walks.iter().map(Walk::bytes).sum());
    for layer in 0..walks.iter().map(Walk::layers).max().unwrap_or(0) {
        let mut left = walks.iter_mut().filter(|walk| layer < walk.layers());
        left.try_for_each(|walk| walk.layer(layer, &meter, &mut |_, _, _| {}))?;
    }
    walks.iter_mut().try_for_each(Walk::settle)?;
    let [reference, others @ ..] = &*walks else { return Ok(Vec::new()) };
    others.iter().map(|walk| score(&[walk, reference], text, &meter)).collect()
}

/// Refuses models whose tokens mean different things.
fn same_tokens(candidate: &Model, reference: &Model) -> Result<(), Stop> {
    let tokens = "tokenizer.ggml.tokens";
    if candidate.value(tokens) == reference.value(tokens) {
        return Ok(());
    }
    Err(Stop::Failed(format!(
        "{} and {} have different tokens, so their predictions cannot be compared; measure a model against the one it was \
         made from",
        candidate.path.display(),
        reference.path.display()
    )))
}

/// The root of the squared difference by the squared reference; none where they have different shapes.
fn relative_error(own: &[f32], reference: &[f32]) -> Option<f64> {
    /// Numbers that are added up in a row, so that the figure is the same every time.
    const PIECE: usize = 1 << 16;
    if own.len() != reference.len() {
        return None;
    }
    let square = |x: f32| f64::from(x) * f64::from(x);
    let pieces = own.par_chunks(PIECE).zip(reference.par_chunks(PIECE)).map(|(own, reference)| {
        let difference: f64 = own.iter().zip(reference).map(|(own, other)| square(own - other)).sum();
        (difference, reference.iter().map(|x| square(*x)).sum::<f64>())
    });
    let sums = pieces.collect::<Vec<_>>().into_iter().fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1));
    Some((sums.0 / sums.1.max(f64::MIN_POSITIVE)).sqrt())
}

/// The tokens that are scored: the second half of each chunk, as llama-perplexity has it. The last token of a chunk has no
/// successor in it.
fn scored(text: &Text) -> Vec<usize> {
    let starts = (0..text.tokens.len()).step_by(text.chunk);
    starts.flat_map(|start| start + text.chunk / 2..start + text.chunk - 1).collect()
}

/// Refuses a text with tokens that an output does not know.
fn known(text: &Text, vocabulary: usize) -> Result<(), Stop> {
    match text.tokens.iter().find(|token| **token as usize >= vocabulary) {
        None => Ok(()),
        Some(token) => Err(Stop::Failed(format!("the text has the token {token}, and the output knows {vocabulary}"))),
    }
}

/// Scores logits of some positions, against those of a reference if there are any.
fn score_rows(own: &[f32], reference: Option<&[f32]>, positions: &[usize], text: &Text) -> Divergence {
    let row = |logits: &[f32], i: usize| {
        let width = logits.len() / positions.len();
        i * width..(i + 1) * width
    };
    let each = |i: usize| {
        let mut one = Divergence::default();
        let next = text.tokens[positions[i] + 1] as usize;
        match reference {
            None => one.add(&own[row(own, i)], next),
            Some(reference) => one.add_against(&own[row(own, i)], &reference[row(reference, i)], next),
        }
        one
    };
    let scores: Vec<Divergence> = (0..positions.len()).into_par_iter().map(each).collect();
    let mut all = Divergence::default();
    scores.into_iter().for_each(|one| all.append(one));
    all
}

fn score(walks: &[&Walk<'_>], text: &Text, meter: &Meter<'_, '_>) -> Result<Divergence, Stop> {
    let outputs = walks.iter().map(|walk| Scorer::new(walk, walks.len() == 1, meter)).collect::<Result<Vec<_>, _>>()?;
    let widths = outputs.iter().map(|output| output.vocabulary);
    known(text, widths.clone().min().unwrap_or(0))?;
    let most = widths.max().unwrap_or(0).max(1);
    // What is read again for each batch is read for larger ones.
    let logits = if outputs.iter().all(|output| output.kept.is_some()) { LOGITS } else { 2 * LOGITS };
    let mut divergence = Divergence::default();
    for positions in scored(text).chunks((logits / most).max(1)) {
        let logits = outputs.iter().map(|output| output.logits(positions, meter));
        let logits = logits.collect::<Result<Vec<Vec<f32>>, _>>()?;
        divergence.append(score_rows(&logits[0], logits.get(1).map(Vec::as_slice), positions, text));
        meter.advance(0, "")?;
    }
    Ok(divergence)
}

/// What makes logits of a model's rows. Two models do not both keep a large matrix in main memory: it is read again for each
/// batch of positions.
struct Scorer<'a, 'w> {
    walk: &'a Walk<'w>,
    kept: Option<Output>,
    vocabulary: usize,
}

impl<'a, 'w> Scorer<'a, 'w> {
    fn new(walk: &'a Walk<'w>, is_alone: bool, meter: &Meter<'_, '_>) -> Result<Self, Stop> {
        let output = walk.output(Some(meter))?;
        let vocabulary = output.vocabulary();
        let kept = (is_alone || output.held() <= MATRIX).then_some(output);
        Ok(Self { walk, kept, vocabulary })
    }

    fn logits(&self, positions: &[usize], meter: &Meter<'_, '_>) -> Result<Vec<f32>, Stop> {
        if let Some(output) = &self.kept {
            return self.walk.logits(output, positions);
        }
        meter.advance(0, "")?;
        self.walk.logits(&self.walk.output(None)?, positions)
    }
}
