//! What the engine tells the window and the command line.

use super::command::JobId;
use crate::imatrix::Imatrix;
use crate::model::Model;
use crate::quant::FormatRef;
use crate::recipe::{Coverage, Fallback};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// One thing that happened in a job.
#[derive(Clone, Debug)]
pub struct Event {
    /// The job it belongs to.
    pub job: JobId,
    /// What happened.
    pub kind: EventKind,
}

/// What happened. The last five end a job.
#[derive(Clone, Debug)]
pub enum EventKind {
    /// How far a job is. Only the latest counts.
    Progress(Progress),
    /// Something that does not stop the job, in a sentence.
    Warning(String),
    /// The devices that can compute, best first; the processor is the last.
    Devices(Vec<Device>),
    /// A model was opened.
    Opened(Arc<Model>),
    /// Every file of the request was written and verified.
    Packed(Arc<PackReport>),
    /// The job failed; one paragraph that says what was found and what to do.
    Failed(String),
    /// The job was cancelled and left nothing behind.
    Cancelled,
}

/// A device that can compute.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Device {
    /// As `--device` finds it.
    pub name: String,
    /// `Vulkan`, `Metal`, `DX12`, or `native` for the processor.
    pub backend: String,
    /// `discrete GPU`, `integrated GPU`, `virtual GPU`, `software` or `processor`.
    pub kind: String,
    /// The driver's name and version.
    pub driver: String,
}

/// What a pack is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Reading, quantizing, writing, and reading back what was written.
    Packing,
    /// Waiting for the disk.
    Flushing,
}

impl Stage {
    /// For people.
    pub fn label(self) -> &'static str {
        match self {
            Self::Packing => "Packing",
            Self::Flushing => "Waiting for the disk",
        }
    }
}

/// How far a job is.
#[derive(Clone, Debug)]
pub struct Progress {
    /// What it is doing.
    pub stage: Stage,
    /// Bytes of the model's weights done so far.
    pub done: u64,
    /// Bytes of the stage in all.
    pub total: u64,
    /// Bytes a second since the stage began.
    pub rate: f64,
    /// Time left in the stage at that rate; none at the very start.
    pub remaining: Option<Duration>,
    /// The tensor in hand.
    pub tensor: String,
}

impl Progress {
    /// From 0 to 1.
    pub fn fraction(&self) -> f32 {
        if self.total == 0 { 1.0 } else { (self.done as f64 / self.total as f64) as f32 }
    }
}

/// What was written, and how long it took.
#[derive(Clone, Debug)]
pub struct PackReport {
    /// In the order of the request; at least one.
    pub outputs: Vec<OutputReport>,
    /// Bytes of weights read, once for all outputs.
    pub source_bytes: u64,
    /// Weights of the model.
    pub weights: u64,
    /// What was computed on.
    pub device: String,
    /// Start to finish.
    pub elapsed: Duration,
}

/// One of the outputs that were written.
#[derive(Clone, Debug)]
pub struct OutputReport {
    /// What to load: the file, or the first of its parts.
    pub path: PathBuf,
    /// Every file of it, with its length.
    pub files: Vec<(PathBuf, u64)>,
    /// All files together.
    pub file_bytes: u64,
    /// Bits of tensor data for each weight.
    pub bits_per_weight: f64,
    /// The recipe's name.
    pub recipe: &'static str,
    /// Formats in it, with the number of tensors and bytes of each, most bytes first.
    pub formats: Vec<(FormatRef, usize, u64)>,
    /// The imatrix that was used, and how far it reached.
    pub imatrix: Option<(Arc<Imatrix>, Coverage)>,
    /// Tensors that could not get the format the recipe wanted.
    pub fallbacks: Vec<Fallback>,
}
