//! Leaving things out of a model: layers, then heads, channels and experts, then single weights, each chosen by what a text
//! does in the model as it is by then. What comes of it is an ordinary model, whose changed weights lie in a file of their own.

mod compared;
mod drop;
mod passage;
mod sparse;
mod structure;

pub(super) use compared::Alone;
pub(in crate::engine) use compared::weigh;
pub(in crate::engine) use structure::outline;

use super::gpu::{self, Gpu};
use super::statistics::CONTEXT;
use super::text::{BuiltIn, Text};
use crate::engine::device::Devices;
use crate::engine::prune::{Comparing, PruneReport, PruneRequest, SparseReport, Standings, WeighRequest};
use crate::engine::worker::{Context, Stop};
use crate::gpu::feedback::Runner;
use crate::model::{ChangedWeights, Model, WeightsError};
use crate::prune::{Cut, Layers};
use crate::recipe::Plan;
use std::cell::RefCell;
use std::sync::Arc;
use std::time::Instant;

/// What every step needs beside the model as it is by then.
struct Setting<'a, 'c> {
    cut: &'a Cut,
    /// What the model is observed on.
    text: Text,
    gpu: Option<Gpu>,
    /// What chooses weights, if not the processor.
    chooser: Option<RefCell<Runner>>,
    context: &'a Context<'c>,
}

/// Does what a request names.
pub(in crate::engine) fn prune(
    devices: &mut Devices,
    request: &PruneRequest,
    context: &Context<'_>,
) -> Result<PruneReport, Stop> {
    let started = Instant::now();
    let (original, cut) = (&request.model, &request.cut);
    let chunk = CONTEXT.min(original.hparams.context) as usize;
    let text = Text::read(request.text.as_deref(), BuiltIn::Calibration, original, chunk, request.chunks)?;
    let gpu = gpu::open(devices, &request.computing)?;
    let (name, device) = (text.name.clone(), gpu::name(gpu.as_ref()));
    let chooser = if cut.sparsity.is_some() { devices.feedback(&request.computing)? } else { None };
    let chooser = chooser.map(RefCell::new);
    let setting = Setting { cut, text, gpu, chooser, context };
    let mut report = PruneReport {
        model: Arc::clone(original),
        dense: Arc::clone(original),
        rounds: Vec::new(),
        notes: Vec::new(),
        sparse: None,
        compared: Standings::default(),
        text: name,
        device,
        elapsed: started.elapsed(),
    };
    let mut model = Model::clone(original);
    if cut.layers != Layers::None {
        model = drop::layers(&setting, model, &mut report)?;
    }
    if cut.experts > 0 {
        model = structure::experts(&setting, &model)?;
    }
    if cut.kv_heads > 0 || cut.channels > 0.0 {
        model = structure::heads_and_channels(&setting, &model)?;
    }
    let dense = Arc::new(model);
    report.dense = Arc::clone(&dense);
    report.model = match cut.sparsity {
        None => dense,
        Some(sparsity) => {
            Arc::new(sparse::sparsify(&setting, &dense, sparsity, request.quantizing.as_ref(), &mut report)?)
        }
    };
    drop(setting);
    if let Some(comparing) = &request.comparing {
        let weighing = WeighRequest {
            original: Arc::clone(original),
            model: Arc::clone(&report.model),
            packed: None,
            coded: report.sparse.and_then(|sparse| coded(&report.model, comparing, sparse)).transpose()?,
            text: request.text.clone(),
            chunks: request.chunks,
            comparing: comparing.clone(),
            computing: request.computing.clone(),
        };
        report.compared = weigh(devices, &weighing, context)?;
    }
    report.elapsed = started.elapsed();
    Ok(report)
}

/// Bytes of a file of what is left with its zeros entropy coded; none where weights do not keep their precision.
fn coded(model: &Model, comparing: &Comparing, sparse: SparseReport) -> Option<Result<u64, Stop>> {
    let coded = sparse.entropy_coded.filter(|_| comparing.recipe.preset.format.is_none())?;
    match Plan::new(model, &comparing.recipe) {
        Ok(plan) => plan.file_bytes.checked_sub(sparse.dense).map(|others| Ok(others + coded)),
        Err(error) => Some(Err(error.into())),
    }
}

/// Room for changed weights, in the system's folder for what is temporary.
fn changes() -> Result<ChangedWeights, Stop> {
    let folder = std::env::temp_dir();
    ChangedWeights::begin(&folder).map_err(|error| unwritten(&error))
}

fn unwritten(error: &std::io::Error) -> Stop {
    Stop::Failed(format!("changed weights could not be written to {}: {error}", std::env::temp_dir().display()))
}

impl From<WeightsError> for Stop {
    fn from(error: WeightsError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// A refusal of a model.
fn refuse(model: &Model, problem: &str) -> Stop {
    Stop::Failed(format!("{}: {problem}", model.path.display()))
}
