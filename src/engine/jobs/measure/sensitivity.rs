//! How much each tensor counts: the KL divergence that quantizing it alone causes.
//!
//! A perturbed stream is the text on its way through the model with one tensor quantized. It is the original's until the
//! layer of that tensor, where it begins, and joins those of earlier tensors; so one pass over the layers serves all
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
use crate::engine::meter::Meter;
use crate::engine::worker::{Context, Stop};
use crate::eval::Divergence;
use crate::forward::{self, Facts, Matrices, Program};
use crate::recipe::Plan;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Instant;

const EMBEDDING: &str = "token_embd.weight";
/// Bytes of streams that are in memory at a time.
const STREAMS: usize = 1 << 30;

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
    let formats: Vec<_> = plan.tensors.iter().map(|tensor| tensor.format).collect();
    let text = Text::read(request.text.as_deref(), BuiltIn::Evaluation, model, request.context, request.chunks)?;
    let (original, packed) = (Weights::new(model, None, context), Weights::new(model, Some(plan), context));
    let facts = facts(&original, text.chunk)?;
    let parts = parts(&original, &packed, &facts)?;
    let jobs: Vec<(usize, usize)> =
        parts.iter().enumerate().flat_map(|(n, part)| part.tensors.iter().map(move |tensor| (n, *tensor))).collect();
    if jobs.is_empty() {
        return Err(Stop::Failed(format!(
            "{} has no tensor that {} would store in another way; take a smaller type",
            model.path.display(),
            request.recipe.preset.name
        )));
    }
    let stream = text.tokens.len() * model.hparams.hidden as usize;
    let most = request.streams.unwrap_or(STREAMS / (4 * stream).max(1)).max(1);
    let passes = jobs.chunks(most).enumerate().map(|(n, group)| {
        let first = if n == 0 { 0 } else { group[0].0 };
        parts[first..].iter().map(|part| part.bytes).sum::<u64>()
    });
    let meter = Meter::new(context, Stage::Measuring, passes.sum());
    let gpu = devices.forward(&request.computing)?.map(|runner| Rc::new(RefCell::new(runner)));
    let walk = Walk {
        original: &original,
        packed: &packed,
        facts: &facts,
        parts: &parts,
        text: &text,
        gpu: gpu.as_ref(),
        meter: &meter,
    };
    let mut divergences = Vec::new();
    // The original before the first part of a group.
    let mut base = Vec::new();
    for group in jobs.chunks(most) {
        let next = jobs.get(divergences.len() + group.len()).map(|(part, _)| *part);
        divergences.extend(walk.group(group, &mut base, next)?);
    }
    let tensors = jobs.iter().zip(divergences).map(|((_, place), divergence)| {
        let tensor = &model.tensors[*place];
        let format = formats[*place];
        let bytes = format.bytes(tensor.weights());
        Sensitivity { name: tensor.name.clone(), format, bytes, divergence: divergence.mean() }
    });
    Ok(SensitivityReport {
        model: model.path.clone(),
        recipe: request.recipe.preset.name,
        tensors: tensors.collect(),
        chunks: text.chunks(),
        context: text.chunk,
        text: text.name.clone(),
        device: gpu::name(gpu.as_ref()),
        elapsed: started.elapsed(),
    })
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
    /// Measures tensors, each given by its part and its place. `base` is the original before the first of the parts, and
    /// becomes that before the part `next`.
    fn group(
        &self,
        group: &[(usize, usize)],
        base: &mut Vec<f32>,
        next: Option<usize>,
    ) -> Result<Vec<Divergence>, Stop> {
        let (first, last) = (if base.is_empty() { 0 } else { group[0].0 }, self.parts.len() - 1);
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
            let mut begun = Vec::new();
            for (_, place) in group.iter().filter(|(of, _)| *of == n) {
                let name = &self.original.model.tensors[*place].name;
                let mut stream = match name.as_str() {
                    EMBEDDING => self.packed.rows(EMBEDDING, &self.text.tokens)?,
                    _ => rows[..one].to_vec(),
                };
                self.pass(&part.program, &mut tensors, Some(name), &mut stream)?;
                begun.extend(stream);
            }
            self.pass(&part.program, &mut tensors, None, &mut rows)?;
            rows.extend(begun);
        }
        if next == Some(last) {
            *base = rows[..one].to_vec();
        }
        self.diverge(group, &rows, one)
    }

    /// Loads the tensors of a program.
    fn tensors(&self, program: &Program) -> Result<Tensors, Stop> {
        let matrices = self.original.of(program, Some(self.meter))?;
        Ok(match self.gpu {
            None => Tensors::Here(matrices),
            Some(gpu) => Tensors::There(Loaded::new(gpu, program, &matrices)?),
        })
    }

    /// Takes rows through a program, in which the tensor of that name, if it has it, is as it would be packed.
    fn pass(
        &self,
        program: &Program,
        tensors: &mut Tensors,
        packed: Option<&str>,
        rows: &mut [f32],
    ) -> Result<(), Stop> {
        let (chunk, meter) = (self.text.chunk, Some(self.meter));
        let changed = packed.filter(|name| program.tensors().any(|known| known == *name));
        let changed = changed.map(|name| Ok::<_, Stop>((name, self.packed.matrix(name)?))).transpose()?;
        match (tensors, changed) {
            (Tensors::Here(matrices), None) => pass(program, matrices, chunk, rows, meter, &mut |_, _, _| {}),
            (Tensors::Here(matrices), Some((name, matrix))) => {
                let own = matrices.insert(name.to_owned(), matrix).expect("the program has it");
                pass(program, matrices, chunk, rows, meter, &mut |_, _, _| {})?;
                matrices.insert(name.to_owned(), own);
                Ok(())
            }
            (Tensors::There(loaded), None) => loaded.pass(program, chunk, rows, meter, None),
            (Tensors::There(loaded), Some((name, matrix))) => {
                loaded.pass_with((name, &matrix), program, chunk, rows, meter)
            }
        }
    }

    /// How far the predictions of streams are from those of the original.
    fn diverge(&self, group: &[(usize, usize)], rows: &[f32], one: usize) -> Result<Vec<Divergence>, Stop> {
        let (last, width) = (self.parts.len() - 1, self.original.model.hparams.hidden as usize);
        let there = |output: Output| match self.gpu {
            Some(gpu) => output.on(gpu),
            None => Ok(output),
        };
        let original = there(Output::load(self.original, self.facts, Some(self.meter))?)?;
        known(self.text, original.vocabulary())?;
        // Those of the tensors that make logits.
        let mut perturbed = HashMap::new();
        let names: Vec<&str> = self.parts[last].program.tensors().collect();
        for (_, place) in group {
            let name = self.original.model.tensors[*place].name.as_str();
            if names.contains(&name) {
                let mut output = Output::load(self.original, self.facts, None)?;
                output.replace(name, self.packed.matrix(name)?);
                perturbed.insert(*place, there(output)?);
            }
        }
        let mut divergences = vec![Divergence::default(); group.len()];
        for positions in scored(self.text).chunks((LOGITS / original.vocabulary()).max(1)) {
            let logits = |output: &Output, stream: usize| {
                let rows = positions.iter().flat_map(|token| &rows[stream * one + token * width..][..width]);
                output.logits(rows.copied().collect(), 1)
            };
            let reference = logits(&original, 0)?;
            for (n, ((part, place), divergence)) in group.iter().zip(&mut divergences).enumerate() {
                let output = perturbed.get(place).unwrap_or(&original);
                let own = logits(output, if *part == last { 0 } else { n + 1 })?;
                divergence.append(score_rows(&own, Some(&reference), positions, self.text));
                self.meter.advance(0, "")?;
            }
        }
        Ok(divergences)
    }
}
