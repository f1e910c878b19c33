//! Adapters of low rank for the error of quantized matrices: found, spread over matrices, written, and measured beside plain
//! quantization.
//!
//! What a matrix lost, as its inputs weigh it, has leading directions ([`crate::lowrank`]); the adapter is those of them that
//! gain most for their bytes (C. Zhang et al., "LQER", arXiv 2402.02446; S. Liu et al., "EoRA", arXiv 2410.21271). The text then
//! runs through the model as it was, as it is quantized, with each adapter, and as a mix of types of as many bytes, side by side.

mod file;
mod fit;
mod pairs;
mod write;

pub(in crate::engine) use pairs::low_rank_pairs;

use super::gpu;
use super::prune::Alone;
use super::text::{BuiltIn, Text};
use super::walk::Walk;
use super::weights::Weights;
use super::{same_tokens, side_by_side};
use crate::engine::command::{Computing, DeviceChoice, PackOutput, PackRequest};
use crate::engine::device::Devices;
use crate::engine::jobs::feedback::Chooser;
use crate::engine::jobs::pack;
use crate::engine::low_rank::{AdapterReport, Lineage, LowRankReport, LowRankRequest, Standing};
use crate::engine::worker::{Context, Stop};
use crate::gguf::DEFAULT_ALIGNMENT;
use crate::imatrix::Identity;
use crate::model::Model;
use crate::recipe::{AdapterSize, Level, Mixer, Plan, Prediction, Ranks, Recipe, Split, Spread, USUAL_TYPES};
use file::Adapter;
use fit::{Fitted, Fitting};
use std::sync::Arc;
use std::time::Instant;

/// The most of the ranks that a matrix may get, in those that all get on the average, and at least.
const MOST_OF_MEAN: usize = 4;
const FEWEST: usize = 8;
/// No matrix of an adapter has a higher rank.
const HIGHEST: usize = 512;

/// Makes and measures what a request names.
pub(in crate::engine) fn low_rank(
    devices: &mut Devices,
    request: &LowRankRequest,
    context: &Context<'_>,
) -> Result<LowRankReport, Stop> {
    let started = Instant::now();
    let LowRankRequest { model, lineage, recipe, statistics, format, .. } = request;
    let plan = Plan::new(model, recipe)?;
    let base_bytes = plan.file_bytes;
    if let Some(path) = request.path.as_ref().filter(|path| path.exists() && !request.overwrite) {
        let problem = "exists; remove it, or allow it to be replaced (--force)";
        return Err(Stop::Failed(format!("{} {problem}", path.display())));
    }
    let chunk = model.hparams.context.min(request.context as u64) as usize;
    let text = Text::read(request.text.as_deref(), BuiltIn::Evaluation, model, chunk, request.chunks)?;
    let prediction = Prediction::new(statistics, request.level.is_measured(), recipe.gram.is_some());
    let chooser = Chooser::open(devices, &request.computing, [&plan])?;
    let base = || match &request.packed {
        Some(packed) => Weights::new(packed, None, context),
        None => Weights::new(model, Some(plan.clone()), context).on(chooser.clone()),
    };
    if let Some(packed) = &request.packed {
        same_tokens(packed, model)?;
    }
    let finder = devices.low_rank(&request.computing)?;
    let dense = lineage.as_ref().map_or(model, |lineage| &lineage.dense);
    let fitting =
        Fitting { model, dense, base: Some(&base()), statistics, prediction: &prediction, is_plain: false, context };
    let Fitted { ranks, factors, rest } = fitting.fit(finder, format, |ranks| highest(ranks, &request.sizes))?;
    let mut adapters = Vec::new();
    for size in &request.sizes {
        let spread = of_size(&ranks, *size, file::header_bytes(model));
        if spread.ranks.iter().all(|rank| *rank == 0) {
            return Err(Stop::Failed(match size {
                AdapterSize::Bytes(bytes) => format!(
                    "an adapter of {bytes} bytes has no room for a single rank of any matrix; allow more (--adapter-size)"
                ),
                AdapterSize::Rank(_) => "nothing was lost that an adapter could make good".to_owned(),
            }));
        }
        adapters.push((*size, Adapter::new(model, &ranks, &factors, &spread)?, spread));
    }
    drop(factors);
    if let (Some(path), Some((_, adapter, _))) = (&request.path, adapters.first()) {
        let outputs = vec![PackOutput { recipe: Recipe::parse("COPY", &[])?, path: path.clone() }];
        let computing = Computing { device: DeviceChoice::Cpu, memory: None };
        let (model, overwrite) = (Arc::clone(&adapter.model), request.overwrite);
        let flags = PackRequest {
            model,
            outputs,
            split: Split::Whole,
            overwrite,
            allow_nonfinite: false,
            recipes: false,
            computing,
        };
        pack::run(devices, &flags, context)?;
    }
    let quantized = lineage.as_ref().map(|Lineage { original, text, chunks, .. }| {
        let observed = (text.clone(), *chunks, request.level);
        Alone::observe(devices, original, observed, &request.computing, context)
    });
    let quantized = quantized.transpose()?;
    let made = || (request.level, statistics.identity.clone());
    let mixes = adapters.iter().map(|(_, adapter, _)| match &quantized {
        Some(quantized) => quantized.plan(base_bytes + adapter.bytes),
        None => mix(model, &prediction, recipe.clone(), made(), base_bytes + adapter.bytes),
    });
    let mixes = mixes.collect::<Result<Vec<_>, Stop>>()?;
    let original = lineage.as_ref().map_or(model, |lineage| &lineage.original);
    let gpu = gpu::open(devices, &request.computing)?;
    let walk = |weights| Walk::new(weights, &text, gpu.clone());
    let mut walks = vec![walk(Weights::new(original, None, context))?, walk(base())?];
    for (_, adapter, _) in &adapters {
        walks.push(walk(base().adding(Arc::clone(&adapter.additions)))?);
    }
    for plan in mixes.iter().flatten() {
        let chooser = Chooser::open(devices, &request.computing, [plan])?;
        walks.push(walk(Weights::new(original, Some(plan.clone()), context).on(chooser))?);
    }
    let mut found = side_by_side(&mut walks, &text, context)?.into_iter();
    let mut next = |bytes: u64| Standing { bytes, divergence: found.next().unwrap_or_default().mean() };
    let base = next(base_bytes);
    let with: Vec<Standing> = adapters.iter().map(|(_, adapter, _)| next(base_bytes + adapter.bytes)).collect();
    let instead: Vec<_> = mixes.iter().map(|plan| plan.as_ref().map(|plan| next(plan.file_bytes))).collect();
    let report = |(((size, adapter, spread), with), instead): (((AdapterSize, Adapter, Spread), _), _)| AdapterReport {
        size,
        bytes: adapter.bytes,
        spread,
        with,
        instead,
    };
    Ok(LowRankReport {
        recipe: recipe.name(),
        base,
        adapters: adapters.into_iter().zip(with).zip(instead).map(report).collect(),
        ranks,
        rest,
        prediction,
        header: file::header_bytes(model),
        path: request.path.clone(),
        chunks: text.chunks(),
        context: text.chunk,
        text: text.name,
        device: gpu::name(gpu.as_ref()),
        elapsed: started.elapsed(),
    })
}

/// The rank that no matrix needs more of, of matrices whose gains are not known yet.
fn highest(ranks: &Ranks, sizes: &[AdapterSize]) -> usize {
    let each = ranks.uniform_bytes(1).max(1);
    let mean = |size: &AdapterSize| match size {
        AdapterSize::Rank(rank) => *rank,
        AdapterSize::Bytes(bytes) => bytes.div_ceil(each) as usize,
    };
    let largest = sizes.iter().map(mean).max().unwrap_or(0);
    largest.saturating_mul(MOST_OF_MEAN).clamp(FEWEST, HIGHEST)
}

fn of_size(ranks: &Ranks, size: AdapterSize, header: u64) -> Spread {
    let budget = match size {
        AdapterSize::Rank(rank) => ranks.uniform_bytes(rank),
        AdapterSize::Bytes(bytes) => bytes.saturating_sub(header + DEFAULT_ALIGNMENT - 1),
    };
    ranks.spread(budget)
}

/// As many bytes by quantization alone: types chosen as `tuck pack --target-size` does, with the importance and the effort of
/// the base. None where no mix has so few.
pub(super) fn mix(
    model: &Model,
    prediction: &Prediction,
    base: Recipe,
    made: (Level, Identity),
    bytes: u64,
) -> Result<Option<Plan>, Stop> {
    let base = Recipe { mix: None, sequence: None, ..base };
    let mixer = Mixer::new(model, prediction, base, made, USUAL_TYPES, &[])?;
    Ok(mixer.solve(bytes).ok().map(|mixed| Plan::new(model, &mixed.recipe)).transpose()?)
}
