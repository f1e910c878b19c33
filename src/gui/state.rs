//! Everything the window shows, as plain data. [`State::apply`] is the only change that comes from the engine; the
//! user's changes come from `perform.rs`.

mod apply;
mod opened;

use super::adapter::AdapterForm;
use super::choice::Choice;
use super::download::{Download, Downloading};
use super::errors::Errors;
use super::fit::Fitting;
use super::kv::Keeping;
use super::metadata::Sheet;
use super::picker::Picker;
use super::prompt::Prompting;
use super::pruning::Pruning;
use super::quality::Quality;
use super::size::Sizing;
use super::table::Table;
use crate::engine::{AdapterRequest, Device, DeviceChoice, JobId, OpenRequest, PackReport, PackRequest, Progress};
use crate::fit::Memory;
use crate::model::Model;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The type a model starts with.
pub(super) const USUAL: &str = "Q4_K_M";

/// The type an adapter starts with: it is small, and counts in full.
const OF_ADAPTERS: &str = "F32";

/// What the window shows.
#[derive(Default)]
pub struct State {
    /// A model on its way.
    pub opening: Option<Opening>,
    /// The opened model.
    pub opened: Option<Opened>,
    /// An importance matrix on its way.
    pub reading: Option<Reading>,
    /// Devices that can compute, best first; empty until they are known.
    pub devices: Vec<Device>,
    /// The job that lists them.
    pub listing: Option<JobId>,
    /// Where to compute.
    pub device: DeviceChoice,
    /// A pack under way.
    pub packing: Option<Packing>,
    /// A comparison under way.
    pub verifying: Option<Verifying>,
    /// A model being fetched; its dialog is open.
    pub downloading: Option<Downloading>,
    /// A model that was fetched and is to be opened.
    pub fetched: Option<PathBuf>,
    /// Things to know that stopped nothing.
    pub warnings: Vec<String>,
    /// A question or a message in front of everything.
    pub dialog: Option<Dialog>,
    /// On which machines the model fits.
    pub fit: Fitting,
    /// This machine's memory, where the system tells.
    pub memory: Option<Memory>,
}

/// What to open.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// The bundled sample.
    Sample,
    /// A folder or file.
    Path(PathBuf),
    /// A model with adapters merged into it.
    Merged(OpenRequest),
    /// An adapter, to make a file of its own.
    Adapter(AdapterRequest),
}

impl Target {
    /// For people.
    pub fn name(&self) -> String {
        match self {
            Self::Sample => "the sample model".to_owned(),
            Self::Path(path) | Self::Merged(OpenRequest { path, .. }) | Self::Adapter(AdapterRequest { path, .. }) => {
                file_name(path)
            }
        }
    }

    /// What a failure to open it is called.
    fn failure(&self) -> String {
        match self {
            Self::Merged(OpenRequest { path, adapters }) if !adapters.is_empty() => {
                let adapters: Vec<String> = adapters.iter().map(|adapter| file_name(&adapter.path)).collect();
                format!("{} cannot be merged into {}", adapters.join(", "), file_name(path))
            }
            _ => format!("{} cannot be opened", self.name()),
        }
    }
}

/// A model on its way.
#[derive(Clone, Debug)]
pub struct Opening {
    /// The job that opens it.
    pub job: JobId,
    /// What it is.
    pub target: Target,
}

/// An importance matrix on its way.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The job that reads it.
    pub job: JobId,
    /// The file.
    pub path: PathBuf,
}

/// The opened model with the user's choices.
pub struct Opened {
    /// The model as it will be written, with the user's metadata.
    pub model: Arc<Model>,
    /// The model as it was opened.
    pub source: Arc<Model>,
    /// Type, overrides and the plan that follows.
    pub choice: Choice,
    /// The list of types.
    pub picker: Picker,
    /// The tensor table.
    pub table: Table,
    /// The metadata tab.
    pub sheet: Sheet,
    /// Where to write.
    pub destination: Destination,
    /// What is in front.
    pub tab: Tab,
    /// Groups of fallbacks whose tensors are listed, by their place in [`Choice::fallbacks`].
    pub unfolded: BTreeSet<usize>,
    /// Whether the user agreed to pack it although weights are NaN or infinite.
    pub allows_nonfinite: bool,
    /// The last files written from it.
    pub report: Option<Arc<PackReport>>,
    /// The one of them that is told more of.
    pub shown_output: usize,
    /// How far the last file that was compared with it is.
    pub errors: Option<Errors>,
    /// The cache tab.
    pub keeping: Keeping,
    /// The prompt tab.
    pub prompting: Prompting,
    /// The pruning tab.
    pub pruning: Pruning,
    /// The quality tab.
    pub quality: Quality,
    /// The size side.
    pub sizing: Sizing,
}

/// Where to write. The name follows the type until the user gives another; several files have their types' names.
#[derive(Clone, Debug)]
pub struct Destination {
    /// The folder.
    pub folder: PathBuf,
    /// A name of the user's own.
    pub name: Option<String>,
}

/// A pack under way.
#[derive(Clone, Debug)]
pub struct Packing {
    /// The job that packs.
    pub job: JobId,
    /// What comes after it.
    pub then: Then,
    /// The files being written.
    pub outputs: Vec<PathBuf>,
    /// The latest progress.
    pub progress: Option<Progress>,
    /// Whether it was asked to stop.
    pub is_cancelling: bool,
}

/// What comes after a job of packing.
#[derive(Clone, Debug, Default)]
pub enum Then {
    /// Nothing: it writes the files.
    #[default]
    Done,
    /// This writes the files, with what the job finds by following the text.
    Write(Box<PackRequest>),
    /// That was found, and this is to be started.
    Start(Box<PackRequest>),
}

/// A comparison under way.
#[derive(Clone, Debug)]
pub struct Verifying {
    /// The job that compares.
    pub job: JobId,
    /// The file that is compared with the opened model.
    pub file: PathBuf,
    /// The latest progress.
    pub progress: Option<Progress>,
}

/// A question or a message in front of everything.
#[derive(Clone, Debug, PartialEq)]
pub enum Dialog {
    /// Something failed.
    Failed {
        /// What.
        title: String,
        /// One paragraph.
        message: String,
        /// Whether packing can go on although weights are NaN or infinite.
        can_pack_anyway: bool,
    },
    /// These outputs exist.
    Replace(Vec<PathBuf>),
    /// A pack is running, and this is to be opened.
    Busy(Target),
    /// A pack is running, and the window is to be closed.
    Quit,
    /// The keyboard's shortcuts.
    Shortcuts,
    /// A model is to be fetched by name, or being fetched.
    Download(Download),
    /// What to do with a LoRA adapter.
    Adapter(AdapterForm),
    /// Whether to use the nearest pre-tokenizer, as [`Model::question`] of the opened model has it.
    PreTokenizer,
}

/// What is in front in the middle of the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tab {
    /// The table of tensors.
    #[default]
    Tensors,
    /// Keys and values, and the chat template.
    Metadata,
    /// On which machines it fits.
    Fit,
    /// What it keeps of a text.
    Kv,
    /// What can go of it.
    Pruning,
    /// What can go of a prompt.
    Prompt,
    /// What it predicts, beside the original.
    Quality,
    /// The tensors that cannot have the type of the recipe.
    Fallbacks,
    /// The files that were written.
    Result,
    /// How far a file is from the model.
    Errors,
}

impl Tab {
    /// From left to right.
    pub const ALL: [Self; 10] = [
        Self::Tensors,
        Self::Metadata,
        Self::Fit,
        Self::Kv,
        Self::Pruning,
        Self::Prompt,
        Self::Quality,
        Self::Fallbacks,
        Self::Result,
        Self::Errors,
    ];

    /// On its head.
    pub fn label(self) -> &'static str {
        match self {
            Self::Tensors => "Tensors",
            Self::Metadata => "Metadata",
            Self::Fit => "Fit",
            Self::Kv => "Cache",
            Self::Pruning => "Pruning",
            Self::Prompt => "Prompt",
            Self::Quality => "Quality",
            Self::Fallbacks => "Fallbacks",
            Self::Result => "Result",
            Self::Errors => "Error",
        }
    }
}

/// What the tensors are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Column {
    /// The model's own order.
    #[default]
    Order,
    /// GGUF name.
    Name,
    /// Number of weights.
    Shape,
    /// Format in the user's file.
    Stored,
    /// Format in the file to be.
    Planned,
    /// Bytes in the file to be.
    Bytes,
    /// Relative error of the file that was compared.
    Error,
}

impl Column {
    /// Those with a head; the last only after a comparison.
    pub const HEADS: [Self; 6] = [Self::Name, Self::Shape, Self::Stored, Self::Planned, Self::Bytes, Self::Error];

    /// On its head.
    pub fn label(self) -> &'static str {
        match self {
            Self::Order => "Order",
            Self::Name => "Tensor",
            Self::Shape => "Shape",
            Self::Stored => "Stored",
            Self::Planned => "Plan",
            Self::Bytes => "Bytes",
            Self::Error => "Error",
        }
    }
}

/// The last part of a path, for people.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests;
