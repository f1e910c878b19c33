//! How much each tensor counts: the KL divergence that quantizing it alone causes.
//!
//! A perturbed stream is the text on its way through the model with one tensor quantized, or a set of them. It is the original's
//! until the layer of the first, where it begins, and joins those of earlier tensors; so one pass over the layers serves all
//! tensors. Where their streams do not fit into memory together, the tensors are cut into groups, and each group's pass
//! begins at its first layer.

use super::gpu::{self, Gpu, Loaded};
use super::text::{BuiltIn, Text};
use super::walk::{Output, facts, pass};
use super::weights::{Weights, stored_bytes};
use super::{LOGITS, known, score_rows, scored};
use crate::engine::command::SensitivityRequest;
use crate::engine::device::Devices;
use crate::engine::event::{Sensitivity, SensitivityReport, Stage};
use crate::engine::jobs::feedback::Chooser;
use crate::engine::meter::Meter;
use crate::engine::worker::{Context, Stop};
use crate::eval::{Divergence, Estimate};
use crate::forward::{self, Facts, Matrices, Matrix, Program};
use crate::model::Model;
use crate::recipe::Plan;
use std::collections::HashMap;
use std::time::Instant;

const EMBEDDING: &str = "token_embd.weight";
/// Bytes of streams that are in memory at a time.
const STREAMS: usize = 1 << 30;

/// What is measured, on what, and where.
#[derive(Clone, Copy)]
pub(super) struct Setting<'a, 'c> {
    pub(super) model: &'a Model,
    /// What tensors are quantized to.
    pub(super) plan: &'a Plan,
    pub(super) text: &'a Text,
    pub(super) gpu: Option<&'a Gpu>,
    /// What chooses blocks where the plan asks for error feedback.
    pub(super) chooser: &'a Chooser,
    pub(super) context: &'a Context<'c>,
}

/// Takes numbers of sets and their mean KL divergences.
type Tell<'a> = &'a mut dyn FnMut(&[(usize, Estimate)]) -> Result<(), Stop>;

/// A part of the model: what comes before the first layer, a layer, or what makes logits.
struct Part {
    program: Program,
    /// What is to be quantized of it, as places in the model's list.
    tensors: Vec<usize>,
    /// Bytes of its tensors.
    bytes: u64,
}

/// Measures what a request names.
pub(in crate::engine) fn sensitivity(
    devices: &mut Devices,
    request: &SensitivityRequest,
    context: &Context<'_>,
) -> Result<SensitivityReport, Stop> {
    let started = Instant::now();
    let model = &*request.model;
    let plan = Plan::new(model, &request.recipe)?;
    let text = Text::read(request.text.as_deref(), BuiltIn::Evaluation, model, request.context, request.chunks)?;
    let mut tensors = Vec::new();
    let each: Vec<Vec<usize>> = (0..model.tensors.len()).map(|place| vec![place]).collect();
    let gpu = gpu::open(devices, &request.computing)?;
    let chooser = Chooser::open(devices, &request.computing, [&plan])?;
    let setting = Setting { model, plan: &plan, text: &text, gpu: gpu.as_ref(), chooser: &chooser, context };
    sets(setting, request.streams, &each, &mut |found| {
        tensors.extend(found.iter().map(|(place, divergence)| {
            let (tensor, format) = (&model.tensors[*place], plan.tensors[*place].format);
            let bytes = format.bytes(tensor.weights());
            Sensitivity { name: tensor.name.clone(), format, bytes, divergence: *divergence }
        }));
        Ok(())
    })?;
    if tensors.is_empty() {
        return Err(Stop::Failed(format!(
            "{} has no tensor that {} would store in another way; take a smaller type",
            model.path.display(),
            request.recipe.name()
        )));
    }
    Ok(SensitivityReport {
        model: model.path.clone(),
        recipe: request.recipe.name(),
        tensors,
        chunks: text.chunks(),
        context: text.chunk,
        text: text.name.clone(),
        device: gpu::name(gpu.as_ref()),
        elapsed: started.elapsed(),
    })
}

/// Measures sets of tensors, each given by places in the model's list: what comes of it when a set's tensors, as far as the
/// plan changes them, are quantized and all others are not. In one pass over the layers `streams` sets, or as many as fit into
/// memory. Tells numbers of sets and mean KL divergences, pass by pass, in the order in which the forward pass comes to them.
pub(super) fn sets(
    setting: Setting<'_, '_>,
    streams: Option<usize>,
    sets: &[Vec<usize>],
    tell: Tell<'_>,
) -> Result<(), Stop> {
    let Setting { model, plan, text, gpu, chooser, context } = setting;
    let original = Weights::new(model, None, context);
    let packed = Weights::new(model, Some(plan.clone()), context).on(chooser.clone());
    let facts = facts(&original, text.chunk)?;
    let parts = parts(&original, &packed, &facts)?;
    let order = || parts.iter().enumerate().flat_map(|(n, part)| part.tensors.iter().map(move |place| (n, *place)));
    let trial = |(set, places): (usize, &Vec<usize>)| {
        let places: Vec<(usize, usize)> = order().filter(|(_, place)| places.contains(place)).collect();
        (!places.is_empty()).then_some(Trial { set, places })
    };
    let mut trials: Vec<Trial> = sets.iter().enumerate().filter_map(trial).collect();
    trials.sort_by_key(|trial| order().position(|of| of == trial.places[0]));
    let stream = text.tokens.len() * model.hparams.hidden as usize;
    let most = streams.unwrap_or(STREAMS / (4 * stream).max(1)).max(1);
    let passes = trials.chunks(most).enumerate().map(|(n, group)| {
        let first = if n == 0 { 0 } else { group[0].first() };
        parts[first..].iter().map(|part| part.bytes).sum::<u64>()
    });
    let meter = Meter::new(context, Stage::Measuring, passes.sum());
    let walk = Walk { original: &original, packed: &packed, facts: &facts, parts: &parts, text, gpu, meter: &meter };
    // The original before the first part of a group.
    let mut base = Vec::new();
    for (n, group) in trials.chunks(most).enumerate() {
        let next = trials.get(n * most + group.len()).map(Trial::first);
        let divergences = walk.group(group, &mut base, next)?;
        let found = group.iter().zip(divergences).map(|(trial, divergence)| (trial.set, divergence.mean()));
        tell(&found.collect::<Vec<_>>())?;
    }
    Ok(())
}

/// Tensors that are quantized together.
struct Trial {
    /// The number of the set.
    set: usize,
    /// The part of each and its place in the model's list, in the order of the forward pass; at least one.
    places: Vec<(usize, usize)>,
}

impl Trial {
    /// The part where its stream begins.
    fn first(&self) -> usize {
        self.places[0].0
    }

    /// Its tensors in a part.
    fn of(&self, part: usize) -> impl Iterator<Item = usize> {
        self.places.iter().filter(move |(of, _)| *of == part).map(|(_, place)| *place)
    }
}

/// The parts of a model in order, each with the tensors that a plan would change. The token embedding may make logits too;
/// it counts where it is first needed.
fn parts(original: &Weights<'_>, packed: &Weights<'_>, facts: &Facts) -> Result<Vec<Part>, Stop> {
    let model = original.model;
    let mut programs = vec![forward::embedding(model, facts)?];
    for layer in 0..forward::layers(model) {
        programs.push(forward::layer(model, facts, layer)?);
    }
    programs.push(forward::output(model, facts)?.0);
    let mut known: Vec<usize> = Vec::new();
    let mut parts = Vec::new();
    for (n, program) in programs.into_iter().enumerate() {
        // No program names the token embedding, whose rows are looked up.
        let looked_up = (n == 0).then_some(EMBEDDING);
        let (mut tensors, mut bytes) = (Vec::new(), 0);
        for name in looked_up.into_iter().chain(program.tensors()) {
            let place = original.find(name)?;
            // Vectors are never quantized.
            let is_matrix = model.tensors[place].shape.len() > 1;
            if is_matrix && packed.changes(place) && !known.contains(&place) {
                known.push(place);
                tensors.push(place);
            }
        }
        for name in program.tensors() {
            bytes += stored_bytes(&model.tensors[original.find(name)?]);
        }
        parts.push(Part { program, tensors, bytes });
    }
    Ok(parts)
}

/// What a pass needs.
struct Walk<'a, 'c> {
    original: &'a Weights<'a>,
    packed: &'a Weights<'a>,
    facts: &'a Facts,
    parts: &'a [Part],
    text: &'a Text,
    /// Where it computes, if not on the processor.
    gpu: Option<&'a Gpu>,
    meter: &'a Meter<'a, 'c>,
}

/// The tensors of a part, where it is computed.
enum Tensors {
    Here(Matrices),
    There(Loaded),
}

impl Walk<'_, '_> {
    /// Measures sets. `base` is the original before the first of their parts, and becomes that before the part `next`.
    fn group(&self, group: &[Trial], base: &mut Vec<f32>, next: Option<usize>) -> Result<Vec<Divergence>, Stop> {
        let (first, last) = (if base.is_empty() { 0 } else { group[0].first() }, self.parts.len() - 1);
        // The original, and after it the streams that have begun, in the order of the group.
        let mut rows = match first {
            0 => self.original.rows(EMBEDDING, &self.text.tokens)?,
            _ => base.clone(),
        };
        let one = rows.len();
        for (n, part) in self.parts.iter().enumerate().take(last).skip(first) {
            if next == Some(n) {
                *base = rows[..one].to_vec();
            }
            let mut tensors = self.tensors(&part.program)?;
            let begun = rows.len() / one - 1;
            let mut beginning = Vec::new();
            for trial in group[begun..].iter().filter(|trial| trial.first() == n) {
                let looked_up = trial.of(n).any(|place| self.name(place) == EMBEDDING);
                let mut stream = match looked_up {
                    true => self.packed.rows(EMBEDDING, &self.text.tokens)?,
                    false => rows[..one].to_vec(),
                };
                self.pass(n, &mut tensors, Some(trial), &mut stream)?;
                beginning.extend(stream);
            }
            // Streams in a row that nothing changes in this part go through it together.
            let mut from = 0;
            for (stream, trial) in group[..begun].iter().enumerate().filter(|(_, trial)| trial.of(n).next().is_some()) {
                let own = (stream + 1) * one;
                self.pass(n, &mut tensors, None, &mut rows[from..own])?;
                self.pass(n, &mut tensors, Some(trial), &mut rows[own..own + one])?;
                from = own + one;
            }
            self.pass(n, &mut tensors, None, &mut rows[from..])?;
            rows.extend(beginning);
        }
        if next == Some(last) {
            *base = rows[..one].to_vec();
        }
        self.diverge(group, &rows, one)
    }

    fn name(&self, place: usize) -> &str {
        &self.original.model.tensors[place].name
    }

    /// Loads the tensors of a program.
    fn tensors(&self, program: &Program) -> Result<Tensors, Stop> {
        let matrices = self.original.of(program, Some(self.meter))?;
        Ok(match self.gpu {
            None => Tensors::Here(matrices),
            Some(gpu) => Tensors::There(Loaded::new(gpu, program, &matrices)?),
        })
    }

    /// Takes rows through a part, in which the tensors of a set are as they would be packed.
    fn pass(&self, part: usize, tensors: &mut Tensors, set: Option<&Trial>, rows: &mut [f32]) -> Result<(), Stop> {
        let (program, chunk, meter) = (&self.parts[part].program, self.text.chunk, Some(self.meter));
        let names = set.into_iter().flat_map(|set| set.of(part)).map(|place| self.name(place));
        let names = names.filter(|name| program.tensors().any(|known| known == *name));
        let mut changed: Vec<(&str, Matrix)> =
            names.map(|name| Ok::<_, Stop>((name, self.packed.matrix(name)?))).collect::<Result<_, _>>()?;
        match tensors {
            Tensors::There(loaded) if changed.is_empty() => loaded.pass(program, chunk, rows, meter, None),
            Tensors::There(loaded) => loaded.pass_with(&changed, program, chunk, rows, meter),
            Tensors::Here(matrices) => {
                let exchange = |matrices: &mut Matrices, changed: &mut [(&str, Matrix)]| {
                    for (name, matrix) in changed {
                        std::mem::swap(matrix, matrices.get_mut(*name).expect("the program has it"));
                    }
                };
                exchange(matrices, &mut changed);
                let passed = pass(program, matrices, chunk, rows, meter, &mut |_, _, _| {});
                exchange(matrices, &mut changed);
                passed
            }
        }
    }

    /// How far the predictions of streams are from those of the original.
    fn diverge(&self, group: &[Trial], rows: &[f32], one: usize) -> Result<Vec<Divergence>, Stop> {
        let (last, width) = (self.parts.len() - 1, self.original.model.hparams.hidden as usize);
        let there = |output: Output| match self.gpu {
            Some(gpu) => output.on(gpu),
            None => Ok(output),
        };
        let original = there(Output::load(self.original, self.facts, Some(self.meter))?)?;
        known(self.text, original.vocabulary())?;
        // Those of the sets with tensors that make logits.
        let mut perturbed = HashMap::new();
        let names: Vec<&str> = self.parts[last].program.tensors().collect();
        for trial in group {
            let changed = trial.places.iter().map(|(_, place)| self.name(*place)).filter(|name| names.contains(name));
            let mut output = None;
            for name in changed {
                let output = match &mut output {
                    Some(output) => output,
                    none => none.insert(Output::load(self.original, self.facts, None)?),
                };
                output.replace(name, self.packed.matrix(name)?);
            }
            if let Some(output) = output {
                perturbed.insert(trial.set, there(output)?);
            }
        }
        let mut divergences = vec![Divergence::default(); group.len()];
        for positions in scored(self.text).chunks((LOGITS / original.vocabulary()).max(1)) {
            let logits = |output: &Output, stream: usize| {
                let rows = positions.iter().flat_map(|token| &rows[stream * one + token * width..][..width]);
                output.logits(rows.copied().collect(), 1)
            };
            let reference = logits(&original, 0)?;
            for (n, (trial, divergence)) in group.iter().zip(&mut divergences).enumerate() {
                let output = perturbed.get(&trial.set).unwrap_or(&original);
                let own = logits(output, if trial.first() == last { 0 } else { n + 1 })?;
                divergence.append(score_rows(&own, Some(&reference), positions, self.text));
                self.meter.advance(0, "")?;
            }
        }
        Ok(divergences)
    }
}
