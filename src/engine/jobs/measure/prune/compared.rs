//! What is left of a model beside the model as it was, and beside plain quantization to as many bytes.

use super::super::low_rank::mix;
use super::super::text::{BuiltIn, Text};
use super::super::walk::Walk;
use super::super::weights::Weights;
use super::super::{gpu, same_tokens, side_by_side, statistics};
use crate::engine::command::{Computing, StatisticsRequest};
use crate::engine::device::Devices;
use crate::engine::jobs::feedback::Chooser;
use crate::engine::prune::{Comparing, PruneRow, Role, Standings, WeighRequest};
use crate::engine::worker::{Context, Stop};
use crate::imatrix::Identity;
use crate::model::Model;
use crate::recipe::budget::Point;
use crate::recipe::{Level, Mixer, Plan, Prediction, Recipe, USUAL_TYPES};
use std::path::PathBuf;
use std::sync::Arc;

/// Tokens of a chunk that is measured on.
const CONTEXT: u64 = 512;

/// Quantization alone: the mixes of types that lose least of a model, as `tuck pack --target-size` makes them.
pub(in crate::engine::jobs::measure) struct Alone<'a> {
    original: &'a Model,
    prediction: Prediction,
    base: Recipe,
    made: (Level, Identity),
}

impl<'a> Alone<'a> {
    /// Observes the model on a text, as far as that was not done before.
    pub(in crate::engine::jobs::measure) fn observe(
        devices: &mut Devices,
        original: &'a Arc<Model>,
        (text, chunks, level): (Option<PathBuf>, Option<usize>, Level),
        computing: &Computing,
        context: &Context<'_>,
    ) -> Result<Self, Stop> {
        let request = StatisticsRequest {
            model: Arc::clone(original),
            text,
            chunks,
            level: Some(level),
            types: USUAL_TYPES.to_vec(),
            path: None,
            expected: None,
            computing: computing.clone(),
        };
        let found = statistics(devices, &request, context)?.statistics;
        let prediction = Prediction::new(&found, level.is_measured(), true);
        let base = Recipe::parse("COPY", &[])?.with_statistics(&found, level).with_feedback(&found);
        Ok(Self { original, prediction, base, made: (level, found.identity.clone()) })
    }

    /// What is predicted for any number of bytes, from the fewest.
    fn curve(&self) -> Result<Vec<Point>, Stop> {
        let (base, made) = (self.base.clone(), self.made.clone());
        Ok(Mixer::new(self.original, &self.prediction, base, made, USUAL_TYPES, &[])?.points().collect())
    }

    /// In at most so many bytes; none where no mix has so few.
    pub(in crate::engine::jobs::measure) fn plan(&self, bytes: u64) -> Result<Option<Plan>, Stop> {
        mix(self.original, &self.prediction, self.base.clone(), self.made.clone(), bytes)
    }
}

/// What is to be measured: a model, as what, and what it is.
struct Entry<'a> {
    role: Role,
    label: String,
    model: &'a Model,
    /// Without, the model as it is stored.
    plan: Option<Plan>,
    bytes: u64,
    /// Whether there is no such mix.
    is_none: bool,
}

/// Measures what a request names.
pub(in crate::engine) fn weigh(
    devices: &mut Devices,
    request: &WeighRequest,
    context: &Context<'_>,
) -> Result<Standings, Stop> {
    let WeighRequest { original, model, comparing, computing, .. } = request;
    let Comparing { recipe, level, text, chunks } = comparing;
    same_tokens(model, original)?;
    let name = recipe.name();
    let is_copy = recipe.preset.format.is_none() && recipe.mix.is_none();
    let label = |of: &str| if is_copy { of.to_owned() } else { format!("{of}, {name}") };
    let plan = Plan::new(model, recipe)?;
    let pruned = plan.file_bytes;
    let as_packed = |role, of: &str, model, plan: Plan| Entry {
        role,
        label: label(of),
        model,
        bytes: plan.file_bytes,
        plan: Some(plan).filter(|_| !is_copy),
        is_none: false,
    };
    let mut entries = vec![as_packed(Role::Pruned, "Pruned", model, plan)];
    if let Some(packed) = &request.packed {
        same_tokens(packed, original)?;
        (entries[0].model, entries[0].plan) = (packed, None);
    }
    // A mix names tensors of what is left.
    if !is_copy && recipe.mix.is_none() {
        entries.push(as_packed(Role::Whole, "Not pruned", original, Plan::new(original, recipe)?));
    }
    let observed = (request.text.clone(), request.chunks, *level);
    let quantized = Alone::observe(devices, original, observed, computing, context)?;
    let sizes = [
        (Role::Alone, "Same bytes by quantization alone", Some(pruned)),
        (Role::Coded, "Bytes of it entropy coded, the same way", request.coded),
    ];
    for (role, label, bytes) in sizes {
        let Some(bytes) = bytes else { continue };
        let plan = quantized.plan(bytes)?;
        let is_none = plan.is_none();
        let bytes = plan.as_ref().map_or(bytes, |plan| plan.file_bytes);
        entries.push(Entry { role, label: label.to_owned(), model: original, plan, bytes, is_none });
    }
    let chunk = model.hparams.context.min(CONTEXT) as usize;
    let text = Text::read(text.as_deref(), BuiltIn::Evaluation, original, chunk, *chunks)?;
    let chooser = Chooser::open(devices, computing, entries.iter().filter_map(|entry| entry.plan.as_ref()))?;
    let gpu = gpu::open(devices, computing)?;
    let mut walks = vec![Walk::new(Weights::new(original, None, context), &text, gpu.clone())?];
    for entry in entries.iter().filter(|entry| !entry.is_none) {
        let weights = Weights::new(entry.model, entry.plan.clone(), context).on(chooser.clone());
        walks.push(Walk::new(weights, &text, gpu.clone())?);
    }
    let mut found = side_by_side(&mut walks, &text, context)?.into_iter();
    let row = |Entry { role, label, bytes, is_none, .. }| PruneRow {
        role,
        label,
        bytes,
        divergence: if is_none { None } else { found.next() },
    };
    Ok(Standings { rows: entries.into_iter().map(row).collect(), curve: quantized.curve()? })
}
