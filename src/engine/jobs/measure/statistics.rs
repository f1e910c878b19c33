//! Making the statistics that an automatic mix is chosen by, or as much of them as is not there yet.
//!
//! First the text runs through the model and leaves Gram matrices and squares of inputs, in a file that is whole or not there;
//! then every format is tried on every tensor, and tensors are measured alone, which fills the file's tables. Ended at any
//! point, the same request goes on from there.

use super::gather::{Beside, Gathered, gather};
use super::gpu::{self, Gpu};
use super::reckon::reckon;
use super::sensitivity::{Setting, sets};
use super::text::{BuiltIn, Text};
use super::walk::Walk;
use super::weights::Weights;
use super::{errors, identity, state};
use crate::engine::command::{CalibrateRequest, Computing, StatisticsRequest};
use crate::engine::device::Devices;
use crate::engine::event::{Stage, StatisticsReport};
use crate::engine::jobs::feedback::Chooser;
use crate::engine::meter::Meter;
use crate::engine::worker::{Context, Stop};
use crate::forward;
use crate::imatrix::{Alone, Identity, Statistics, Tables, Together, square_name};
use crate::model::Model;
use crate::recipe::{Level, Mixer, PRESETS, Plan, Prediction, REFERENCE, Recipe, quantizable};
use directories::ProjectDirs;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Tokens of a chunk, or what the model was made for where that is less.
pub(super) const CONTEXT: u64 = 512;
/// Gram matrices of one input that take more are not gathered; their diagonals are.
const GRAM_BYTES: u64 = 1 << 30;
/// Chunks that may be measured on.
const MEASURED: usize = Level::Best.chunks();
/// Layers on which error feedback is tried, at equal distances.
const LAYERS: u64 = 4;
/// How often the state of the first stage is kept.
const SAVE_EVERY: Duration = Duration::from_secs(30);

/// Makes what a request names.
pub(in crate::engine) fn statistics(
    devices: &mut Devices,
    request: &StatisticsRequest,
    context: &Context<'_>,
) -> Result<StatisticsReport, Stop> {
    let started = Instant::now();
    let model = &*request.model;
    let (identity, text) = of_what(request)?;
    let path = place(request, &identity);
    let mut lazy = Lazy { devices, computing: &request.computing, open: None };
    // What another version left in the cache is made again; a file of the user's own is not touched.
    let is_reused = path.exists() && (request.path.is_some() || Statistics::open(&path).is_ok());
    if !is_reused {
        // What was fitted to a text loses less on it than on others, so where there is enough of it, some is only measured on.
        gather_into(&path, request, &identity, &text.without_thinned(MEASURED), &mut lazy, context)?;
    }
    let mut statistics = Statistics::open(&path)?;
    statistics.check(&identity)?;
    let gathered = started.elapsed();
    let mut tried = gathered;
    if let Some(level) = request.level {
        errors::fill_in(model, &mut statistics, &request.types, context)?;
        tried = started.elapsed();
        let text = text.thinned(MEASURED).thinned(level.chunks());
        measure(model, &mut statistics, &text, level, &mut lazy, context)?;
        interact(request, &mut statistics, &text, level, &mut lazy, context)?;
        // What is in the file has fewer digits, and mixes are to be the same when they are found in it.
        statistics = Statistics::open(&path)?;
    }
    Ok(StatisticsReport {
        statistics: Arc::new(statistics),
        is_reused,
        text: text.name,
        stages: [gathered, tried - gathered, started.elapsed() - tried],
    })
}

/// What was found of statistics.
pub(in crate::engine) enum Found {
    /// All that was asked for.
    All(StatisticsReport),
    /// Less, or nothing.
    Missing {
        /// Whether making them goes on from something.
        is_begun: bool,
    },
}

/// Looks for what a request names, and makes nothing.
pub(in crate::engine) fn find(request: &StatisticsRequest) -> Result<Found, Stop> {
    let started = Instant::now();
    let model = &*request.model;
    let (identity, text) = of_what(request)?;
    let path = place(request, &identity);
    if !path.exists() {
        return Ok(Found::Missing { is_begun: state::path(&squares_path(&path)).exists() });
    }
    let statistics = match Statistics::open(&path) {
        Ok(statistics) => statistics,
        Err(_) if request.path.is_none() => return Ok(Found::Missing { is_begun: false }),
        Err(error) => return Err(error.into()),
    };
    statistics.check(&identity)?;
    if let Some(level) = request.level {
        let chunks = text.chunks().min(level.chunks()) as u32;
        let is_together_known = is_since(statistics.tables.together[usize::from(level.is_measured())], chunks);
        let is_whole = errors::missing(model, &statistics, &request.types).is_empty()
            && unmeasured(model, &statistics, &reference_plan(model, &statistics, level)?, level, chunks).is_empty()
            && is_together_known;
        if !is_whole {
            return Ok(Found::Missing { is_begun: true });
        }
    }
    let stages = [started.elapsed(), Duration::ZERO, Duration::ZERO];
    Ok(Found::All(StatisticsReport { statistics: Arc::new(statistics), is_reused: true, text: text.name, stages }))
}

/// What the statistics of a request are of, and the text.
fn of_what(request: &StatisticsRequest) -> Result<(Identity, Text), Stop> {
    let model = &*request.model;
    let chunk = CONTEXT.min(model.hparams.context) as usize;
    let text = Text::read(request.text.as_deref(), BuiltIn::Calibration, model, chunk, request.chunks)?;
    let mut identity = Identity { model: identity::digest(model)?, text: text.identity() };
    if let Some(expected) = &request.expected {
        if expected.model != identity.model {
            let path = model.path.display();
            return Err(Stop::Failed(format!(
                "{path}: the recipe was made for another model, so it cannot be followed"
            )));
        }
        let is_there = |path: &Path| Statistics::open(path).is_ok_and(|found| found.identity == *expected);
        if expected.text != identity.text && !is_there(&place(request, expected)) {
            return Err(Stop::Failed(
                "the recipe rests on statistics of another text; name that text (--text), or the file of statistics \
                 (--statistics)"
                    .to_owned(),
            ));
        }
        identity = expected.clone();
    }
    Ok((identity, text))
}

/// Where the statistics are, or will be.
fn place(request: &StatisticsRequest, identity: &Identity) -> PathBuf {
    let cache = || match ProjectDirs::from("", "", "tuck") {
        Some(dirs) => dirs.cache_dir().join("statistics"),
        None => std::env::temp_dir().join("tuck-statistics"),
    };
    request.path.clone().unwrap_or_else(|| cache().join(identity.file_name()))
}

/// Where the first stage keeps its squares, of which only the state on the way is ever written.
fn squares_path(path: &Path) -> PathBuf {
    path.with_extension("squares")
}

/// The first stage.
fn gather_into(
    path: &Path,
    request: &StatisticsRequest,
    identity: &Identity,
    text: &Text,
    lazy: &mut Lazy<'_>,
    context: &Context<'_>,
) -> Result<(), Stop> {
    let model = &*request.model;
    let failed = |error: std::io::Error| Stop::Failed(format!("{} could not be written: {error}", path.display()));
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let names = model.tensors.iter().filter(|tensor| quantizable(tensor)).map(|tensor| tensor.name.clone());
    let tables = Tables::unknown(names);
    if tables.tensors.is_empty() {
        return Err(Stop::Failed(format!("{} has no tensor that can be quantized", model.path.display())));
    }
    let all = tables.clone();
    let beside = Beside {
        metadata: tables.metadata(identity),
        tables: Box::new(move |matrices| all.shapes(matrices.iter().copied())),
        most: GRAM_BYTES,
    };
    let calibration = CalibrateRequest {
        model: Arc::clone(&request.model),
        text: request.text.clone(),
        context: text.chunk,
        chunks: request.chunks,
        gram: Some(path.to_owned()),
        save_every: SAVE_EVERY,
        output_matrix: true,
        // Only its state is written, beside that of the Gram matrices.
        path: squares_path(path),
        computing: request.computing.clone(),
        overwrite: true,
    };
    let mut walk = Walk::new(Weights::new(model, None, context), text, lazy.gpu()?)?;
    let meter = Meter::new(context, Stage::Calibrating, walk.bytes());
    let Gathered { activations, grams, .. } = gather(&calibration, &beside, &mut walk, text, &meter)?;
    let Some(mut grams) = grams else { return Ok(()) };
    for (name, numbers) in tables.encode() {
        grams.fill(name, &numbers)?;
    }
    for (name, squares) in &activations.matrices {
        grams.fill(&square_name(name), &squares.means())?;
    }
    grams.finish()?;
    // There may be none.
    let _ = std::fs::remove_file(state::path(&calibration.path));
    Ok(())
}

/// All matrices in the format in which they are measured, if that divides their rows.
fn reference() -> Recipe {
    let preset = PRESETS.iter().find(|preset| preset.format == REFERENCE.first().copied()).unwrap_or(&PRESETS[0]);
    Recipe { pure: true, ..Recipe::new(preset) }
}

/// What tensors are made of where they are measured.
fn reference_plan(model: &Model, statistics: &Statistics, level: Level) -> Result<Plan, Stop> {
    Ok(Plan::new(model, &reference().with_statistics(statistics, level))?)
}

/// Tensors that were not measured as a level wants it, on so many chunks, by their place.
fn unmeasured(model: &Model, statistics: &Statistics, plan: &Plan, level: Level, chunks: u32) -> Vec<usize> {
    let known: HashMap<&str, Option<Alone>> = statistics
        .tables
        .tensors
        .iter()
        .map(|tensor| (tensor.name.as_str(), if level.is_measured() { tensor.alone } else { tensor.reckoned }))
        .collect();
    let is_missing = |name: &str| known.get(name).is_some_and(|of| of.is_none_or(|alone| alone.chunks < chunks));
    let planned = model.tensors.iter().zip(&plan.tensors).enumerate();
    planned
        .filter(|(_, (tensor, planned))| REFERENCE.contains(&planned.format) && is_missing(&tensor.name))
        .map(|(place, _)| place)
        .collect()
}

/// Whether what tensors lose together was measured on so many chunks.
fn is_since(together: Option<Together>, chunks: u32) -> bool {
    together.is_some_and(|together| together.chunks >= chunks)
}

/// The third stage: tensors alone or in sets, as far as the level wants it and it was not done before.
fn measure(
    model: &Model,
    statistics: &mut Statistics,
    text: &Text,
    level: Level,
    lazy: &mut Lazy<'_>,
    context: &Context<'_>,
) -> Result<(), Stop> {
    let chunks = text.chunks() as u32;
    let plan = reference_plan(model, statistics, level)?;
    let wanted = unmeasured(model, statistics, &plan, level, chunks);
    if wanted.is_empty() {
        return Ok(());
    }
    let gpu = lazy.gpu()?;
    let setting = Setting { model, plan: &plan, text, gpu: gpu.as_ref(), chooser: &Chooser::default(), context };
    if !level.is_measured() {
        return reckon(setting, statistics, &wanted);
    }
    let each: Vec<Vec<usize>> = wanted.iter().map(|place| vec![*place]).collect();
    sets(setting, None, &each, &mut |found| {
        for (set, divergence) in found {
            let (name, format) = (&model.tensors[wanted[*set]].name, plan.tensors[wanted[*set]].format);
            let (divergence, error) = (divergence.value, divergence.error);
            let tensor = statistics.tables.tensors.iter_mut().find(|tensor| tensor.name == *name);
            tensor.into_iter().for_each(|tensor| tensor.alone = Some(Alone { divergence, error, chunks, format }));
        }
        Ok(statistics.save()?)
    })
}

/// The last stage, in a mix as large as the file in which all are measured: how much more tensors lose together than alone, and
/// what error feedback leaves of what some layers lose.
fn interact(
    request: &StatisticsRequest,
    statistics: &mut Statistics,
    text: &Text,
    level: Level,
    lazy: &mut Lazy<'_>,
    context: &Context<'_>,
) -> Result<(), Stop> {
    let (model, is_measured) = (&*request.model, level.is_measured());
    let chunks = text.chunks() as u32;
    let known = &mut statistics.tables.together[usize::from(is_measured)];
    if is_since(*known, chunks) {
        return Ok(());
    }
    *known = None;
    let prediction = Prediction::new(statistics, is_measured, false);
    let base = Recipe::new(&PRESETS[0]).with_statistics(statistics, level);
    let made = (level, statistics.identity.clone());
    let bytes = Plan::new(model, &Recipe { preset: reference().preset, pure: true, ..base.clone() })?.file_bytes;
    let mixer = Mixer::new(model, &prediction, base, made, &request.types, &[])?;
    let mixed = mixer.solve(bytes.max(mixer.smallest()))?;
    let (sum, gpu) = (mixed.total.loss, lazy.gpu()?);
    let plan = Plan::new(model, &mixed.recipe)?;
    let corrected = Plan::new(model, &mixed.recipe.with_feedback(statistics))?;
    let chooser = Chooser::open(lazy.devices, lazy.computing, [&corrected])?;
    let of = |plan| Setting { model, plan, text, gpu: gpu.as_ref(), chooser: &chooser, context };
    let together = loss(of(&plan), (0..model.tensors.len()).collect())?;
    let interaction = if sum > 0.0 { ((together / sum - 1.0) / sum).max(0.0) } else { 0.0 };
    let layers = forward::layers(model);
    let is_tried = |layer: u64| (0..LAYERS).any(|n| (2 * n + 1) * layers / (2 * LAYERS) == layer);
    let some = model.tensors.iter().enumerate().filter(|(_, tensor)| tensor.layer().is_some_and(is_tried));
    let some: Vec<usize> = some.map(|(place, _)| place).collect();
    let (searched, left) = (loss(of(&plan), some.clone())?, loss(of(&corrected), some)?);
    let feedback = if searched > 0.0 { left / searched } else { 1.0 };
    statistics.tables.together[usize::from(is_measured)] = Some(Together { interaction, feedback, chunks });
    Ok(statistics.save()?)
}

/// The KL divergence that some tensors cause together, as the plan has them.
fn loss(setting: Setting<'_, '_>, places: Vec<usize>) -> Result<f64, Stop> {
    let mut loss = 0.0;
    sets(setting, None, &[places], &mut |found| {
        loss = found[0].1.value;
        Ok(())
    })?;
    Ok(loss)
}

/// A GPU that is opened when it is first needed, for often everything is known.
struct Lazy<'a> {
    devices: &'a mut Devices,
    computing: &'a Computing,
    open: Option<Option<Gpu>>,
}

impl Lazy<'_> {
    /// None is the processor.
    fn gpu(&mut self) -> Result<Option<Gpu>, Stop> {
        if let Some(open) = &self.open {
            return Ok(open.clone());
        }
        let found = gpu::open(self.devices, self.computing)?;
        Ok(self.open.insert(found).clone())
    }
}
