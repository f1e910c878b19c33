//! Packing: one streaming pass from a model's files to a GGUF file.
//!
//! ```text
//! read ──> slot ──> runner ──> slot ──> write ──> read back, compare ──> fsync ──> rename
//! ```
//!
//! Reading, computing, writing and checking run on four threads and pass slots around ([`pipeline`]), so memory is bounded by
//! the slots whatever the model's size. The file grows under a temporary name beside its target ([`output`]); the
//! target changes in one rename at the end, or not at all.

mod chunks;
mod output;
mod pipeline;

use crate::engine::command::{DeviceChoice, PackRequest};
use crate::engine::device::Devices;
use crate::engine::event::PackReport;
use crate::engine::worker::{Context, Stop};
use crate::model::Model;
use crate::quant::{FORMATS, FormatRef};
use crate::recipe::{Coverage, Plan};
use std::time::Instant;

/// Writes the file a request describes.
pub(in crate::engine) fn run(
    devices: &mut Devices,
    request: &PackRequest,
    context: &Context<'_>,
) -> Result<PackReport, Stop> {
    let started = Instant::now();
    let model = &*request.model;
    let plan = Plan::new(model, &request.recipe)?;
    warn_of_second_loss(&plan, model, context);
    let coverage = plan.coverage(model);
    coverage.iter().flat_map(Coverage::warnings).for_each(|warning| context.warn(warning));
    let output = output::Output::create(&request.output, request.overwrite, model, plan.file_bytes)?;
    let computes = chunks::needs_runner(model, &plan);
    let runner = if computes { devices.runner(&request.device)? } else { devices.runner(&DeviceChoice::Cpu)? };
    let chunks = chunks::split(model, &plan, runner.slot_limit());
    pipeline::run(model, &chunks, &*runner, &output, request.allow_nonfinite, context)?;
    output.write_header(&plan.header(model))?;
    output.verify_header(model, &plan)?;
    output.keep(context)?;
    Ok(PackReport {
        output: request.output.clone(),
        file_bytes: plan.file_bytes,
        source_bytes: chunks.iter().map(chunks::Chunk::source_bytes).sum(),
        weights: model.card.parameters,
        bits_per_weight: plan.bits_per_weight,
        recipe: plan.recipe.preset.name,
        formats: formats(&plan),
        imatrix: plan.recipe.imatrix.clone().zip(coverage),
        fallbacks: plan.fallbacks,
        device: runner.name(),
        elapsed: started.elapsed(),
    })
}

fn warn_of_second_loss(plan: &Plan, model: &Model, context: &Context<'_>) {
    if plan.requantized > 0 {
        context.warn(format!(
            "{} of {} tensors are already quantized and are quantized again, which adds a second loss to the first; start \
             from the original F16 or BF16 model if you can",
            plan.requantized,
            model.tensors.len()
        ));
    }
}

/// How many tensors and bytes each format has, most bytes first.
fn formats(plan: &Plan) -> Vec<(FormatRef, usize, u64)> {
    let of = |format: FormatRef| plan.tensors.iter().filter(move |t| t.format == format);
    let mut found: Vec<_> = FORMATS
        .iter()
        .map(|format| (*format, of(format).count(), of(format).map(|t| t.bytes).sum::<u64>()))
        .filter(|(_, count, _)| *count > 0)
        .collect();
    found.sort_by_key(|(_, _, bytes)| std::cmp::Reverse(*bytes));
    found
}
