//! Many short texts through the layers at once: a layer's weights are read once for all of them.

use super::LOGITS;
use super::gpu::{Gpu, Loaded};
use super::walk::{Output, facts, pass};
use super::weights::{Weights, stored_bytes};
use crate::engine::event::Stage;
use crate::engine::meter::Meter;
use crate::engine::worker::{Context, Stop};
use crate::eval::Prediction;
use crate::forward::{self, Facts};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Bytes of rows that are in memory at a time.
const STREAMS: usize = 1 << 29;
/// Texts whose lengths are the same in units of so many tokens go side by side.
const STEP: usize = 16;

/// A text, and the first of its tokens that is scored: not 0, for nothing predicts the first token.
pub(super) struct Passage {
    pub(super) tokens: Vec<u32>,
    pub(super) from: usize,
}

/// Passages of about one length on their way through the layers.
struct Stream {
    chunk: usize,
    members: Vec<usize>,
    rows: Vec<f32>,
}

/// −log p of the scored tokens of each passage, given those before in it, in nats.
pub(super) fn surprises(
    weights: &Weights<'_>,
    passages: &[Passage],
    gpu: Option<&Gpu>,
    context: &Context<'_>,
) -> Result<Vec<Vec<f64>>, Stop> {
    let longest = passages.iter().map(|passage| passage.tokens.len()).max().unwrap_or(0).max(1);
    let facts = facts(weights, longest)?;
    let groups = groups(passages, longest, weights.model.hparams.hidden as usize);
    let of_layers = weights.model.tensors.iter().filter(|tensor| tensor.name.starts_with("blk."));
    let bytes: u64 = of_layers.map(stored_bytes).sum();
    let meter = Meter::new(context, Stage::Scoring, bytes * groups.len() as u64);
    let output = Output::load(weights, &facts, None)?;
    let output = match gpu {
        Some(gpu) if gpu.borrow().has_room(output.held()) => output.on(gpu)?,
        _ => output,
    };
    let mut found = vec![Vec::new(); passages.len()];
    for group in groups {
        for stream in walk(weights, &facts, passages, group, gpu, &meter)? {
            score(weights, passages, &stream, &output, &meter, &mut found)?;
        }
    }
    Ok(found)
}

/// Passages by their length, and so many of them that their rows fit into memory together.
fn groups(passages: &[Passage], longest: usize, hidden: usize) -> Vec<Vec<(usize, Vec<usize>)>> {
    let mut by_length: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (n, passage) in passages.iter().enumerate() {
        by_length.entry(passage.tokens.len().next_multiple_of(STEP).min(longest)).or_default().push(n);
    }
    let most = (STREAMS / (4 * hidden.max(1))).max(1);
    let (mut groups, mut room) = (vec![Vec::new()], most);
    for (chunk, members) in by_length {
        for members in members.chunks((most / chunk).max(1)) {
            let tokens = chunk * members.len();
            if tokens > room && groups.last().is_some_and(|group| !group.is_empty()) {
                groups.push(Vec::new());
                room = most;
            }
            room = room.saturating_sub(tokens);
            groups.last_mut().expect("there is a first").push((chunk, members.to_vec()));
        }
    }
    groups
}

fn walk(
    weights: &Weights<'_>,
    facts: &Facts,
    passages: &[Passage],
    group: Vec<(usize, Vec<usize>)>,
    gpu: Option<&Gpu>,
    meter: &Meter<'_, '_>,
) -> Result<Vec<Stream>, Stop> {
    let embedding = forward::embedding(weights.model, facts)?;
    let begin = |(chunk, members): (usize, Vec<usize>)| {
        let padded = |member: &usize| {
            // What comes after a token changes nothing about it.
            let tokens = &passages[*member].tokens;
            let padding = tokens.last().copied().unwrap_or(0);
            tokens.iter().copied().chain(std::iter::repeat(padding)).take(chunk).collect::<Vec<_>>()
        };
        let tokens: Vec<u32> = members.iter().flat_map(padded).collect();
        let mut rows = weights.rows("token_embd.weight", &tokens)?;
        if !embedding.steps.is_empty() {
            let matrices = weights.of(&embedding, None)?;
            pass(&embedding, &matrices, chunk, &mut rows, Some(meter), &mut |_, _, _| {})?;
        }
        Ok(Stream { chunk, members, rows })
    };
    let mut streams = group.into_iter().map(begin).collect::<Result<Vec<_>, Stop>>()?;
    for layer in 0..forward::layers(weights.model) {
        let program = forward::layer(weights.model, facts, layer)?;
        let matrices = weights.of(&program, Some(meter))?;
        let loaded = gpu.map(|gpu| Loaded::new(gpu, &program, &matrices)).transpose()?;
        for Stream { chunk, rows, .. } in &mut streams {
            match &loaded {
                Some(loaded) => loaded.pass(&program, *chunk, rows, Some(meter), None)?,
                None => pass(&program, &matrices, *chunk, rows, Some(meter), &mut |_, _, _| {})?,
            }
        }
    }
    Ok(streams)
}

fn score(
    weights: &Weights<'_>,
    passages: &[Passage],
    stream: &Stream,
    output: &Output,
    meter: &Meter<'_, '_>,
    found: &mut [Vec<f64>],
) -> Result<(), Stop> {
    let (width, vocabulary) = (weights.model.hparams.hidden as usize, output.vocabulary());
    // The passage, its row, and the token that comes after it.
    let mut places = Vec::new();
    for (n, member) in stream.members.iter().enumerate() {
        let Passage { tokens, from } = &passages[*member];
        let scored = tokens.iter().enumerate().skip(*from);
        places.extend(scored.map(|(at, token)| (*member, n * stream.chunk + at - 1, *token as usize)));
    }
    for places in places.chunks((LOGITS / vocabulary.max(1)).max(1)) {
        let rows = places.iter().flat_map(|(_, row, _)| &stream.rows[row * width..][..width]);
        let logits = output.logits(rows.copied().collect(), 1)?;
        let each = logits.par_chunks_exact(vocabulary).zip(places);
        let all: Vec<f64> = each.map(|(logits, (.., next))| Prediction::of(logits, *next).surprise).collect();
        places.iter().zip(all).for_each(|((member, ..), surprise)| found[*member].push(surprise));
        meter.advance(0, "")?;
    }
    Ok(())
}
