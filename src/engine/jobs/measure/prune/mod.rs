//! Leaving things out of a model: layers, then heads, channels and experts, then single weights, each chosen by what a text
//! does in the model as it is by then. What comes of it is an ordinary model, whose changed weights lie in a file of their own.

mod compared;
mod drop;
mod passage;
mod sparse;
mod structure;

pub(in crate::engine) use structure::outline;

use super::gpu::{self, Gpu};
use super::statistics::CONTEXT;
use super::text::{BuiltIn, Text};
use crate::engine::command::PruneRequest;
use crate::engine::device::Devices;
use crate::engine::event::PruneReport;
use crate::engine::worker::{Context, Stop};
use crate::gpu::feedback::Runner;
use crate::model::{ChangedWeights, Model, WeightsError};
use crate::prune::{Cut, Layers};
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
        rounds: Vec::new(),
        notes: Vec::new(),
        sparse: None,
        compared: Vec::new(),
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
    if let Some(sparsity) = cut.sparsity {
        model = sparse::sparsify(&setting, &model, sparsity, &mut report)?;
    }
    drop(setting);
    report.model = Arc::new(model);
    if let Some(comparing) = &request.comparing {
        report.compared = compared::compare(devices, request, comparing, &report, context)?;
    }
    report.elapsed = started.elapsed();
    Ok(report)
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
