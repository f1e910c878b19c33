//! Leaving out whole layers, one after the other: in each round that one goes whose loss changes predictions least.
//!
//! All that may go are tried in one pass: a stream of the text leaves the model's at each layer, which it does without, and joins
//! those of earlier layers. The matrix before a lost layer takes over what follows from its own input ([`Fold`]), which is tried
//! in the same pass, for it only adds to the stream. What it takes over is learnt from one part of the text, and tried on
//! another.

use super::super::text::Text;
use super::super::walk::Output;
use super::super::{LOGITS, known, score_rows, scored};
use super::passage::{Layer, Passage};
use super::{Setting, changes, refuse, unwritten};
use crate::cpu::forward::{add_gram, add_products, project};
use crate::engine::event::Stage;
use crate::engine::meter::Meter;
use crate::engine::prune::{DropRound, LayerLoss, PruneReport};
use crate::engine::worker::Stop;
use crate::eval::Divergence;
use crate::forward::{self, Op, Program, RESIDUAL, Register};
use crate::model::{Model, Pruning, Reshape};
use crate::prune::{Fold, Layers, influence};
use std::collections::BTreeMap;

/// The most chunks of the text that losses are measured on.
const TRIED: usize = 4;
/// The most numbers of a matrix's inputs that are kept at a time.
const INPUTS: usize = 1 << 28;
/// Bytes of streams that are in memory at a time.
const STREAMS: usize = 1 << 30;

/// The last matrix of a layer, where its product goes into the residual stream as it is.
struct Last {
    weight: String,
    input: Register,
    /// What the product is multiplied by on the way.
    scale: f32,
}

impl Last {
    fn of(program: &Program) -> Option<Self> {
        let place = program.steps.iter().rposition(|step| matches!(step.op, Op::Linear { .. }))?;
        let step = &program.steps[place];
        let Op::Linear { weight, .. } = &step.op else { return None };
        let mut scale = 1.0;
        let (last, between) = program.steps[place + 1..].split_last()?;
        for own in between.iter().filter(|other| other.from.contains(&step.to) || other.to == step.to) {
            match own.op {
                Op::Scale(by) => scale *= by,
                _ => return None,
            }
        }
        let is_added = last.op == Op::Add && last.to == RESIDUAL && last.from.contains(&step.to);
        is_added.then(|| Self { weight: weight.clone(), input: step.from[0], scale })
    }
}

/// Leaves out what the cut asks for, and tells of each round.
pub(super) fn layers(setting: &Setting<'_, '_>, mut model: Model, report: &mut PruneReport) -> Result<Model, Stop> {
    let all = forward::layers(&model);
    // By what they were called at first.
    let mut alive: Vec<u64> = (0..all).collect();
    let count = match &setting.cut.layers {
        Layers::None => 0,
        Layers::Auto(count) => *count,
        Layers::These(these) => {
            if let Some(wrong) = these.iter().find(|layer| **layer >= all) {
                return Err(refuse(&model, &format!("layer {wrong} was to go, and it has {all}, counted from 0")));
            }
            let mut distinct = these.clone();
            distinct.sort_unstable();
            distinct.dedup();
            distinct.len() as u64
        }
    };
    if count >= all {
        return Err(refuse(&model, &format!("{count} of its {all} layers were to go; leave at least one")));
    }
    if setting.text.chunks() < 10 && !setting.cut.plain {
        report.notes.push(format!(
            "the text has {} chunks, so losses were measured on what corrections were learnt from, and are larger elsewhere; take \
             at least 10",
            setting.text.chunks()
        ));
    }
    let mut reference = None;
    for _ in 0..count {
        let these: Vec<usize> = match &setting.cut.layers {
            Layers::These(these) => (0..alive.len()).filter(|place| these.contains(&alive[*place])).collect(),
            _ => (0..alive.len()).collect(),
        };
        let losses = losses(setting, &model, &these, &mut reference)?;
        let told = |(place, loss): (&usize, &LayerLoss)| LayerLoss { layer: alive[*place], ..loss.clone() };
        let told: Vec<LayerLoss> = these.iter().zip(&losses).map(told).collect();
        let best = (0..these.len()).min_by(|a, b| losses[*a].least().total_cmp(&losses[*b].least()));
        let place = these[best.unwrap_or_default()];
        let corrects = best.is_some_and(|best| losses[best].corrects());
        let changed = without(setting, &model, place as u64, corrects)?;
        let dropped = alive.remove(place);
        report.notes.extend(differences(setting, &model, &changed, place as u64, &alive)?);
        report.rounds.push(DropRound { losses: told, dropped });
        model = changed;
    }
    Ok(model)
}

/// What each of these layers is missed for, alone. `reference` is what the last layer of the first model gave.
fn losses(
    setting: &Setting<'_, '_>,
    model: &Model,
    these: &[usize],
    reference: &mut Option<Vec<f32>>,
) -> Result<Vec<LayerLoss>, Stop> {
    // Each for ten that are learnt from, as far as there are so many.
    let tried = (setting.text.chunks() / 10).clamp(1, TRIED);
    let (tried, learnt) = (setting.text.thinned(tried), setting.text.without_thinned(tried));
    let one = tried.tokens.len() * model.hparams.hidden as usize;
    // A layer's stream, and that with what the layer before takes over.
    let most = (STREAMS / (8 * one)).max(1);
    let mut all = Vec::new();
    for these in these.chunks(most) {
        all.extend(some_losses(setting, model, these, (&tried, &learnt), reference)?);
    }
    Ok(all)
}

fn some_losses(
    setting: &Setting<'_, '_>,
    model: &Model,
    these: &[usize],
    (tried, learnt): (&Text, &Text),
    reference: &mut Option<Vec<f32>>,
) -> Result<Vec<LayerLoss>, Stop> {
    let passage = Passage::new(setting, model)?;
    let meter = Meter::new(setting.context, Stage::Pruning, passage.weights.bytes());
    let mut rows = passage.begin(&tried.tokens)?;
    let mut learner = Learner::new(&passage, learnt)?;
    let one = rows.len();
    let width = model.hparams.hidden as usize;
    let mut influences = Vec::new();
    // The place among `these` of each stream, and whether something is taken over in it.
    let mut streams: Vec<(usize, bool)> = Vec::new();
    let mut known_input: Option<(Last, Vec<f32>)> = None;
    for number in 0..forward::layers(model) {
        let (program, matrices) = passage.read(number, &meter)?;
        let layer = passage.load(program, matrices)?;
        let before = rows[..one].to_vec();
        let wanted = these.iter().position(|place| *place as u64 == number);
        let folded = learner.advance(setting, &passage, &layer, wanted.is_some(), &meter)?;
        let last = Last::of(&layer.program).filter(|_| !setting.cut.plain);
        let (base, others) = rows.split_at_mut(one);
        let input = match &last {
            Some(last) => Some(passage.advance_seeing(&layer, base, last.input)?),
            None => {
                passage.advance(&layer, base, &meter)?;
                None
            }
        };
        passage.advance(&layer, others, &meter)?;
        if let Some(place) = wanted {
            influences.push((place, influence(&before, &rows[..one], width)));
            streams.push((place, false));
            rows.extend(&before);
            if let (Some(folded), Some((last, input))) = (folded, &known_input) {
                let inner = input.len() / tried.tokens.len();
                let added = project(input, inner, &folded);
                streams.push((place, true));
                rows.extend(before.iter().zip(added).map(|(row, added)| row + last.scale * added));
            }
        }
        known_input = last.zip(input);
    }
    let reference = reference.get_or_insert_with(|| rows[..one].to_vec());
    let divergences = diverge(setting, &passage, tried, reference, &rows[one..], &meter)?;
    let of = |wanted: (usize, bool)| {
        let place = streams.iter().position(|stream| *stream == wanted);
        place.map(|place| divergences[place].mean())
    };
    let loss = |(place, influence): &(usize, f64)| LayerLoss {
        layer: these[*place] as u64,
        influence: *influence,
        divergence: of((*place, false)).unwrap_or_default(),
        folded: of((*place, true)),
    };
    let mut found: BTreeMap<usize, LayerLoss> = BTreeMap::new();
    found.extend(influences.iter().map(|pair| (pair.0, loss(pair))));
    Ok(found.into_values().collect())
}

/// How far predictions of streams are from those of the rows of a reference.
fn diverge(
    setting: &Setting<'_, '_>,
    passage: &Passage<'_, '_>,
    text: &Text,
    reference: &[f32],
    rows: &[f32],
    meter: &Meter<'_, '_>,
) -> Result<Vec<Divergence>, Stop> {
    let output = Output::load(&passage.weights, &passage.facts, Some(meter))?;
    let output = match &setting.gpu {
        Some(gpu) if gpu.borrow().has_room(output.held()) => output.on(gpu)?,
        _ => output,
    };
    known(text, output.vocabulary())?;
    let (one, width) = (reference.len(), passage.model().hparams.hidden as usize);
    let mut divergences = vec![Divergence::default(); rows.len() / one];
    for positions in scored(text).chunks((LOGITS / output.vocabulary()).max(1)) {
        let logits = |rows: &[f32]| {
            let rows = positions.iter().flat_map(|token| &rows[token * width..][..width]);
            output.logits(rows.copied().collect(), 1)
        };
        let reference = logits(reference)?;
        for (rows, divergence) in rows.chunks_exact(one).zip(&mut divergences) {
            divergence.append(score_rows(&logits(rows)?, Some(&reference), positions, text));
            meter.advance(0, "")?;
        }
    }
    Ok(divergences)
}

/// A text on its way through a model, from which is learnt what a layer's last matrix can take over of the next.
struct Learner {
    chunk: usize,
    rows: Vec<f32>,
    /// Of the layer before: its last matrix, and what went into that.
    last: Option<(Last, Vec<f32>)>,
}

impl Learner {
    fn new(passage: &Passage<'_, '_>, text: &Text) -> Result<Self, Stop> {
        let in_layers = passage.model().tensors.iter().filter(|tensor| tensor.layer().is_some());
        let widest = in_layers.map(|tensor| tensor.columns() as usize).max().unwrap_or(1);
        let text = text.thinned(INPUTS / widest / text.chunk);
        Ok(Self { chunk: text.chunk, rows: passage.begin(&text.tokens)?, last: None })
    }

    /// Goes through a layer. Returns what the last matrix of the layer before would be given in addition, if this one went.
    fn advance(
        &mut self,
        setting: &Setting<'_, '_>,
        passage: &Passage<'_, '_>,
        layer: &Layer,
        is_wanted: bool,
        meter: &Meter<'_, '_>,
    ) -> Result<Option<Vec<f32>>, Stop> {
        if setting.cut.plain {
            return Ok(None);
        }
        let before = self.rows.clone();
        let last = Last::of(&layer.program);
        let input = match &last {
            Some(last) => Some(passage.advance_seeing(layer, &mut self.rows, last.input)?),
            None => {
                passage.advance(layer, &mut self.rows, meter)?;
                None
            }
        };
        let known = std::mem::replace(&mut self.last, last.zip(input));
        let Some((last, input)) = known.filter(|_| is_wanted) else { return Ok(None) };
        let (outer, tokens) =
            (passage.model().hparams.hidden as usize, before.len() / passage.model().hparams.hidden as usize);
        let inner = input.len() / tokens;
        let mut fold = Fold::new(outer, inner);
        let chunks = input.chunks(self.chunk * inner).zip(before.chunks(self.chunk * outer));
        for (n, ((input, before), after)) in chunks.zip(self.rows.chunks(self.chunk * outer)).enumerate() {
            let delta: Vec<f32> = after.iter().zip(before).map(|(a, b)| (a - b) / last.scale).collect();
            let [gram, cross] = fold.half(n);
            add_gram(input, inner, gram);
            add_products(&delta, input, [outer, inner], cross);
            meter.advance(0, "")?;
        }
        fold.solve(&|| setting.context.is_cancelled()).ok_or(Stop::Cancelled).map(Some)
    }
}

/// The model without a layer, after the layer before it took over what it can, if that does good.
fn without(setting: &Setting<'_, '_>, model: &Model, place: u64, corrects: bool) -> Result<Model, Stop> {
    let mut weights = changes()?;
    if corrects {
        let passage = Passage::new(setting, model)?;
        let meter = Meter::new(setting.context, Stage::Pruning, passage.weights.bytes());
        let mut learner = Learner::new(&passage, &setting.text)?;
        for number in 0..=place {
            let (program, matrices) = passage.read(number, &meter)?;
            let layer = passage.load(program, matrices)?;
            let name = learner.last.as_ref().map(|(last, _)| last.weight.clone());
            let found = learner.advance(setting, &passage, &layer, number == place, &meter)?;
            if let Some((name, found)) = name.zip(found) {
                let tensor = &model.tensors[passage.weights.find(&name)?];
                let mut floats = passage.weights.matrix(&name)?.floats();
                floats.iter_mut().zip(found).for_each(|(weight, added)| *weight += added);
                weights.put(tensor, &tensor.shape, &floats).map_err(|error| unwritten(&error))?;
            }
        }
    }
    let reshape = Reshape { layers: Pruning::from_iter([place]), sizes: Vec::new() };
    Ok(model.with_weights(weights, &reshape)?)
}

/// The layers that do something else under their new number, as some families' layers differ by it.
fn differences(
    setting: &Setting<'_, '_>,
    before: &Model,
    after: &Model,
    place: u64,
    alive: &[u64],
) -> Result<Option<String>, Stop> {
    let (old, new) = (Passage::new(setting, before)?, Passage::new(setting, after)?);
    let of = |passage: &Passage<'_, '_>, number: u64| -> Result<String, Stop> {
        let program = forward::layer(passage.model(), &passage.facts, number)?;
        Ok(format!("{program:?}").replace(&format!("blk.{number}."), "blk."))
    };
    let mut differ = Vec::new();
    for number in place..forward::layers(after) {
        if of(&old, number + 1)? != of(&new, number)? {
            differ.push(alive[number as usize].to_string());
        }
    }
    Ok((!differ.is_empty()).then(|| {
        format!(
            "layers of this family differ by their number, so layer {} work in another way than before; what was measured is \
             the result as it is",
            differ.join(", ")
        )
    }))
}
