//! Packing: one streaming pass from a model's files to GGUF files.
//!
//! ```text
//! read ──> slot ──> runner ──> slot ──> write ──> read back, compare ──> fsync ──> rename
//! ```
//!
//! Reading, computing, writing and checking run on four threads and pass slots around ([`pipeline`]), so memory is bounded by
//! the slots whatever the model's size. Files grow under temporary names beside their targets ([`output`]); targets change
//! by renames at the very end, or not at all. Several files come from one read: what was read into a slot is converted
//! once for each. What error feedback chooses goes first, matrix by matrix ([`corrected`]).

mod chunks;
mod corrected;
mod output;
mod pipeline;
mod recipes;

use crate::engine::command::{DeviceChoice, PackOutput, PackRequest};
use crate::engine::device::Devices;
use crate::engine::event::{OutputReport, PackReport, Stage};
use crate::engine::jobs::feedback::Chooser;
use crate::engine::meter::Meter;
use crate::engine::worker::{Context, Stop};
use crate::quant::{FORMATS, FormatRef};
use crate::recipe::{Coverage, Plan};
use corrected::Packer;
use output::Target;
use std::path::PathBuf;
use std::time::Instant;

/// Writes the files a request describes.
pub(in crate::engine) fn run(
    devices: &mut Devices,
    request: &PackRequest,
    context: &Context<'_>,
) -> Result<PackReport, Stop> {
    let started = Instant::now();
    let model = &*request.model;
    if let Some(question) = &model.question {
        return Err(Stop::Failed(format!("{}: {question}", model.path.display())));
    }
    model.notes.iter().for_each(|note| context.warn(note.clone()));
    let plan = |output: &PackOutput| Plan::new(model, &output.recipe)?.split(model, request.split);
    let plans: Vec<Plan> = request.outputs.iter().map(plan).collect::<Result<_, _>>()?;
    // What is read once has one set of factors.
    if request.outputs.iter().any(|output| output.recipe.imatrix != request.outputs[0].recipe.imatrix) {
        return Err(Stop::Failed("files of one pack have to share an imatrix; pack them one by one".to_owned()));
    }
    let gram = |output: &PackOutput| output.recipe.gram.as_ref().map(|gram| gram.path().to_owned());
    let is_sequence = |output: &PackOutput| output.recipe.sequence.is_some();
    let several = request.outputs.len() > 1;
    if request.outputs.iter().any(|output| gram(output) != gram(&request.outputs[0]) || several && is_sequence(output))
    {
        return Err(Stop::Failed("files of one pack have to share Gram matrices; pack them one by one".to_owned()));
    }
    Plan::warnings_of(&plans).into_iter().for_each(|warning| context.warn(warning));
    let coverages: Vec<Option<Coverage>> = plans.iter().map(|plan| plan.coverage(model)).collect();
    // They share an imatrix, so what is missing from it is the same for all.
    coverages.first().into_iter().flatten().flat_map(Coverage::warnings).for_each(|warning| context.warn(warning));
    let paths = request.outputs.iter().zip(&plans).map(|(output, plan)| plan.paths(&output.path));
    let paths: Vec<Vec<PathBuf>> = paths.collect();
    let planned = plans.iter().flat_map(|plan| (0..plan.files.len()).map(move |file| (plan, file)));
    let targets = paths.iter().flatten().zip(planned.clone());
    let targets: Vec<Target<'_>> =
        targets.map(|(path, (plan, file))| Target { path, bytes: plan.files[file].file_bytes }).collect();
    recipes::check(request)?;
    let files = output::create(&targets, request.overwrite, model)?;
    let computes = chunks::needs_runner(model, &plans);
    let runner =
        if computes { devices.runner(&request.computing.device)? } else { devices.runner(&DeviceChoice::Cpu)? };
    let chunks = chunks::split(model, &plans, runner.slot_limit());
    let corrected = corrected::bytes(model, &plans);
    let source_bytes = corrected + chunks.iter().map(|chunk| chunk.source_bytes).sum::<u64>();
    let meter = Meter::new(context, Stage::Packing, source_bytes);
    let allow_nonfinite = request.allow_nonfinite;
    let chooser = Chooser::open(devices, &request.computing, &plans)?;
    Packer { model, files: &files, allow_nonfinite, meter: &meter, context }.run(&plans, chooser)?;
    pipeline::run(model, &chunks, &*runner, &files, allow_nonfinite, &meter, context)?;
    for (output, (plan, file)) in files.iter().zip(planned) {
        output.write_header(&plan.header(model, file))?;
        output.verify_header(model, plan, file)?;
    }
    output::keep(files, context)?;
    drop(chunks);
    let recipe_paths = recipes::write(request, context);
    let report = |(((paths, plan), coverage), recipe_path): (((Vec<PathBuf>, Plan), _), _)| OutputReport {
        path: paths[0].clone(),
        files: paths.into_iter().zip(plan.files.iter().map(|file| file.file_bytes)).collect(),
        file_bytes: plan.file_bytes,
        bits_per_weight: plan.bits_per_weight,
        recipe: plan.recipe.name(),
        formats: formats(&plan),
        effort: plan.recipe.effort,
        imatrix: plan.recipe.imatrix.clone().zip(coverage),
        feedback: plan.recipe.gram.as_ref().map(|gram| gram.path().to_owned()).zip(plan.feedback_share(model)),
        fallbacks: plan.fallbacks,
        recipe_path,
    };
    Ok(PackReport {
        outputs: paths.into_iter().zip(plans).zip(coverages).zip(recipe_paths).map(report).collect(),
        source_bytes,
        weights: model.card.parameters,
        device: runner.name(),
        elapsed: started.elapsed(),
    })
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
