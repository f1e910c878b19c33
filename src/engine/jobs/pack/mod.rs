//! Packing: one streaming pass from a model's files to GGUF files.
//!
//! ```text
//! read ──> slot ──> runner ──> slot ──> write, hash ──> read back, compare ──> fsync ──> rename
//! ```
//!
//! Reading, computing, writing and checking run on four threads and pass slots around ([`pipeline`]), so memory is bounded by
//! the slots whatever the model's size. Files grow under temporary names beside their targets ([`output`]); targets change
//! by renames at the very end, or not at all. Several files come from one read: what was read into a slot is converted
//! once for each.

mod chunks;
mod finite;
mod output;
mod pipeline;
mod read;

use crate::engine::command::{DeviceChoice, PackOutput, PackRequest};
use crate::engine::device::Devices;
use crate::engine::event::{OutputReport, PackReport};
use crate::engine::worker::{Context, Stop};
use crate::quant::{FORMATS, FormatRef};
use crate::recipe::Plan;
use output::Target;
use std::time::Instant;

/// Writes the files a request describes.
pub(in crate::engine) fn run(
    devices: &mut Devices,
    request: &PackRequest,
    context: &Context<'_>,
) -> Result<PackReport, Stop> {
    let started = Instant::now();
    let model = &*request.model;
    let plan = |output: &PackOutput| Plan::new(model, &output.recipe);
    let plans: Vec<Plan> = request.outputs.iter().map(plan).collect::<Result<_, _>>()?;
    plans.iter().for_each(|plan| warn(plan, context));
    let targets: Vec<Target<'_>> = request
        .outputs
        .iter()
        .zip(&plans)
        .map(|(output, plan)| Target { path: &output.path, bytes: plan.file_bytes })
        .collect();
    let files = output::create(&targets, request.overwrite, model)?;
    let computes = chunks::needs_runner(model, &plans);
    let runner = if computes { devices.runner(&request.device)? } else { devices.runner(&DeviceChoice::Cpu)? };
    let chunks = chunks::split(model, &plans, runner.slot_limit());
    pipeline::run(model, &chunks, &*runner, &files, request.allow_nonfinite, context)?;
    for (file, plan) in files.iter().zip(&plans) {
        file.write_header(&plan.header(model))?;
        file.verify_header(model, plan)?;
    }
    output::keep(files, context)?;
    let report = |(output, plan): (&PackOutput, Plan)| OutputReport {
        path: output.path.clone(),
        file_bytes: plan.file_bytes,
        bits_per_weight: plan.bits_per_weight,
        recipe: plan.recipe.preset.name,
        formats: formats(&plan),
        fallbacks: plan.fallbacks,
    };
    Ok(PackReport {
        outputs: request.outputs.iter().zip(plans).map(report).collect(),
        source_bytes: chunks.iter().map(|chunk| chunk.source_bytes).sum(),
        weights: model.card.parameters,
        device: runner.name(),
        elapsed: started.elapsed(),
    })
}

/// Tells what a plan's owner should know.
fn warn(plan: &Plan, context: &Context<'_>) {
    for warning in &plan.warnings {
        context.warn(format!("{}: {warning}", plan.recipe.preset.name));
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
