//! What is left of a model beside the model as it was, and beside plain quantization to as many bytes.

use super::super::{run, statistics};
use crate::engine::command::{Comparing, MeasureRequest, PruneRequest, StatisticsRequest};
use crate::engine::device::Devices;
use crate::engine::event::{PruneReport, PruneRow};
use crate::engine::worker::{Context, Stop};
use crate::model::Model;
use crate::recipe::{Level, Mixer, Plan, Prediction, Recipe, RecipeError, USUAL_TYPES};
use std::sync::Arc;

/// Rows: the original, what is left of it, and a mix of the original in as many bytes.
pub(super) fn compare(
    devices: &mut Devices,
    request: &PruneRequest,
    comparing: &Comparing,
    report: &PruneReport,
    context: &Context<'_>,
) -> Result<Vec<PruneRow>, Stop> {
    let Comparing { recipe, text, chunks } = comparing;
    let original = &request.model;
    let measure = |devices: &mut Devices, model: &Arc<Model>, recipe: Option<&Recipe>, label: String, bytes: u64| {
        let measuring = MeasureRequest {
            candidate: Arc::clone(model),
            recipe: recipe.cloned(),
            reference: Some(Arc::clone(original)),
            text: text.clone(),
            context: model.hparams.context.min(512) as usize,
            chunks: *chunks,
            computing: request.computing.clone(),
        };
        let measured = run(devices, &measuring, context)?;
        Ok::<_, Stop>(PruneRow { label, bytes, divergence: measured.divergence })
    };
    let bytes = |model: &Model, recipe: &Recipe| Ok::<_, Stop>(Plan::new(model, recipe)?.file_bytes);
    let pruned = bytes(&report.model, recipe)?;
    let name = recipe.name();
    let is_copy = recipe.preset.format.is_none();
    let of = |label: &str| if is_copy { label.to_owned() } else { format!("{label}, {name}") };
    let mut rows = vec![measure(devices, &report.model, Some(recipe).filter(|_| !is_copy), of("Pruned"), pruned)?];
    if !is_copy {
        rows.push(measure(devices, original, Some(recipe), of("Not pruned"), bytes(original, recipe)?)?);
    }
    let statistics = StatisticsRequest {
        model: Arc::clone(original),
        text: request.text.clone(),
        chunks: request.chunks,
        level: Some(Level::Fast),
        types: USUAL_TYPES.to_vec(),
        path: None,
        expected: None,
        computing: request.computing.clone(),
    };
    let found = statistics::statistics(devices, &statistics, context)?.statistics;
    let prediction = Prediction::new(&found, Level::Fast.is_measured(), true);
    let base = Recipe::parse("COPY", &[])?.with_statistics(&found, Level::Fast).with_feedback(&found);
    let mixer = Mixer::new(original, &prediction, base, (Level::Fast, found.identity.clone()), USUAL_TYPES, &[])?;
    let label = "Same bytes by quantization alone".to_owned();
    match mixer.solve(pruned) {
        Ok(mixed) => {
            rows.push(measure(devices, original, Some(&mixed.recipe), label, mixed.total.bytes)?);
        }
        Err(error @ RecipeError::Budget { .. }) => context.warn(format!("{label}: {error}")),
        Err(error) => return Err(error.into()),
    }
    Ok(rows)
}
