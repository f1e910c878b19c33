//! What the window and the command line can ask of the engine.

use super::kv::KvRequest;
use super::low_rank::{LowRankRequest, PairsRequest};
use super::prompt::PromptRequest;
use super::prune::{PruneRequest, WeighRequest};
use crate::forward::Sampling;
use crate::hub::{Access, PullRequest};
use crate::imatrix::{Identity, Imatrix};
use crate::model::{AdapterChoice, Model};
use crate::quant::FormatRef;
use crate::recipe::{Level, Recipe, Split};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Identifies a job. Events of a job that is no longer wanted are ignored by their reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(pub(super) u64);

/// A wish. Each becomes a job, answered by events with its id.
#[derive(Debug)]
pub enum Command {
    /// List the devices that can compute. Ends in `Devices`.
    ListDevices,
    /// Look what this machine has, and read the lists of other hardware. Ends in `Hardware`.
    ReadHardware,
    /// Open a folder or file, with adapters merged into it. Ends in `Opened` or `Failed`.
    Open(OpenRequest),
    /// Open a folder or file, whatever it is. Ends in `Opened`, `Adapter` or `Failed`.
    OpenAny(PathBuf),
    /// Open a LoRA adapter alone, to see what it is. Ends in `Adapter` or `Failed`.
    OpenAdapter(PathBuf),
    /// Open a LoRA adapter as what its own GGUF file is to be. Ends in `Opened` or `Failed`.
    ExportAdapter(AdapterRequest),
    /// Open the bundled sample model. Ends in `Opened` or `Failed`.
    OpenSample,
    /// Read an importance matrix. Ends in `Imatrix` or `Failed`.
    OpenImatrix(PathBuf),
    /// Write GGUF files. Ends in `Packed`, `Failed` or `Cancelled`.
    Pack(PackRequest),
    /// Fetch a model by name. Ends in `Pulled`, `Choices`, `Failed` or `Cancelled`.
    Pull(PullRequest, Access),
    /// Measure how far the weights of one model are from those of another. Ends in `Verified`, `Failed` or `Cancelled`.
    Verify(VerifyRequest),
    /// Measure what a model predicts, and how far that is from another. Ends in `Measured`, `Failed` or `Cancelled`.
    Measure(MeasureRequest),
    /// Measure what quantizing each tensor alone does to a model's predictions. Ends in `Sensitive`, `Failed` or
    /// `Cancelled`.
    Sensitivity(SensitivityRequest),
    /// Measure ways to keep keys and values. Ends in `Kv`, `Failed` or `Cancelled`.
    Kv(KvRequest),
    /// Score a prompt, shorten it, and measure what that does to the answer. Ends in `Prompt`, `Failed` or `Cancelled`.
    Prompt(PromptRequest),
    /// Let one or two models answer prompts. Tells `Spoken` and `Answered` on the way; ends in `Compared`, `Failed` or
    /// `Cancelled`.
    Compare(CompareRequest),
    /// Gather an importance matrix from a text. Ends in `Calibrated`, `Failed` or `Cancelled`.
    Calibrate(CalibrateRequest),
    /// Make the statistics that an automatic mix is chosen by, as far as they are not there. Ends in `Statistics`, `Failed` or
    /// `Cancelled`.
    Statistics(StatisticsRequest),
    /// Look for statistics that were made before, and make none. Ends in `Statistics` where all that the request names is
    /// there, in `NoStatistics` where something is missing, or in `Failed`.
    FindStatistics(StatisticsRequest),
    /// Make adapters of low rank for what quantization loses, and measure them. Ends in `LowRank`, `Failed` or `Cancelled`.
    LowRank(Box<LowRankRequest>),
    /// Write matrices as products of two factors, and measure that. Ends in `Pairs`, `Failed` or `Cancelled`.
    LowRankPairs(Box<PairsRequest>),
    /// Quantize matrices one after the other, each for what the earlier ones left. Ends in `Sequenced`, `Failed` or
    /// `Cancelled`.
    Sequence(SequenceRequest),
    /// Leave layers, heads, channels, experts or weights out of a model. Ends in `Pruned`, `Failed` or `Cancelled`.
    Prune(PruneRequest),
    /// Measure what is left of a model beside plain quantization to as many bytes. Ends in `Weighed`, `Failed` or `Cancelled`.
    Weigh(Box<WeighRequest>),
    /// Write a changed model as a Hugging Face folder. Ends in `Exported`, `Failed` or `Cancelled`.
    Export(ExportRequest),
}

/// What to open.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenRequest {
    /// A folder or file.
    pub path: PathBuf,
    /// LoRA adapters to merge into it, in order.
    pub adapters: Vec<AdapterChoice>,
}

impl From<PathBuf> for OpenRequest {
    fn from(path: PathBuf) -> Self {
        Self { path, adapters: Vec::new() }
    }
}

/// An adapter to make a GGUF file of.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterRequest {
    /// Its folder.
    pub path: PathBuf,
    /// Its model: a folder, of which `config.json` is enough, or a GGUF file.
    pub base: PathBuf,
    /// What its matrices become.
    pub format: FormatRef,
}

/// What to pack, and where to. All outputs come from one read of the model; either all of them are kept, or none.
#[derive(Clone, Debug)]
pub struct PackRequest {
    /// The opened model.
    pub model: Arc<Model>,
    /// What to make of it; at least one.
    pub outputs: Vec<PackOutput>,
    /// How each output is cut into files.
    pub split: Split,
    /// Whether existing outputs may be replaced.
    pub overwrite: bool,
    /// Whether NaN and infinite weights are let through (as 0 in block formats).
    pub allow_nonfinite: bool,
    /// Whether the recipe of each mix is written beside its file, at [`recipe_path`](PackOutput::recipe_path).
    pub recipes: bool,
    /// Where to compute.
    pub computing: Computing,
}

/// One of the outputs to write.
#[derive(Clone, Debug)]
pub struct PackOutput {
    /// Which formats the tensors get.
    pub recipe: Recipe,
    /// The file to write; where it is cut into several, they are named after it.
    pub path: PathBuf,
}

impl PackOutput {
    /// Where the recipe of a mix goes: beside its file, with another ending.
    pub fn recipe_path(&self) -> PathBuf {
        self.path.with_extension("toml")
    }
}

/// What to measure, and against what.
#[derive(Clone, Debug)]
pub struct VerifyRequest {
    /// The folder or file whose error is asked for.
    pub candidate: PathBuf,
    /// The model it should equal, usually the one it was packed from.
    pub reference: Arc<Model>,
    /// How much each column counts, for weighted figures beside the plain ones.
    pub imatrix: Option<Arc<Imatrix>>,
}

/// What to measure on which text.
#[derive(Clone, Debug)]
pub struct MeasureRequest {
    /// The model.
    pub candidate: Arc<Model>,
    /// What would be packed of it; without, it is measured as it is.
    pub recipe: Option<Recipe>,
    /// The model its predictions should equal.
    pub reference: Option<Arc<Model>>,
    /// A text file; without, the text that comes with Tuck.
    pub text: Option<PathBuf>,
    /// Tokens of a chunk.
    pub context: usize,
    /// At most so many chunks.
    pub chunks: Option<usize>,
    /// Where to compute.
    pub computing: Computing,
}

/// What to measure the sensitivity of.
#[derive(Clone, Debug)]
pub struct SensitivityRequest {
    /// The model.
    pub model: Arc<Model>,
    /// What each tensor alone is made of it.
    pub recipe: Recipe,
    /// A text file; without, the text that comes with Tuck.
    pub text: Option<PathBuf>,
    /// Tokens of a chunk.
    pub context: usize,
    /// At most so many chunks.
    pub chunks: Option<usize>,
    /// Tensors that are measured in one pass over the layers; without, as many as fit into 1 GiB.
    pub streams: Option<usize>,
    /// Where to compute.
    pub computing: Computing,
}

/// A model that answers.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The model.
    pub model: Arc<Model>,
    /// What would be packed of it; without, it answers as it is.
    pub recipe: Option<Recipe>,
}

/// Which models to let answer, and what. They are held in memory as they are stored.
#[derive(Clone, Debug)]
pub struct CompareRequest {
    /// One or two, with the same tokens.
    pub subjects: Vec<Subject>,
    /// What a user says; one answer each.
    pub prompts: Vec<String>,
    /// Whether prompts are put into the chat template of the first model, where it has one.
    pub chat: bool,
    /// At most so many tokens an answer.
    pub tokens: usize,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// Whether answers stop at the tokens that end them; if not, these are never chosen.
    pub stops: bool,
    /// Where to compute.
    pub computing: Computing,
}

/// What to gather an importance matrix of.
#[derive(Clone, Debug)]
pub struct CalibrateRequest {
    /// The model.
    pub model: Arc<Model>,
    /// A text file; without, the text that comes with Tuck.
    pub text: Option<PathBuf>,
    /// Tokens of a chunk.
    pub context: usize,
    /// At most so many chunks.
    pub chunks: Option<usize>,
    /// A file for the Gram matrices of all inputs too.
    pub gram: Option<PathBuf>,
    /// How often the state is kept beside the output. A calibration that was ended goes on from there.
    pub save_every: Duration,
    /// Whether the matrix that makes logits gets an entry too.
    pub output_matrix: bool,
    /// Where to compute.
    pub computing: Computing,
    /// The file to write.
    pub path: PathBuf,
    /// Whether it may be replaced.
    pub overwrite: bool,
}

/// Where to compute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Computing {
    /// The device.
    pub device: DeviceChoice,
    /// Bytes of a GPU's memory that may be used; without, most of what is free.
    pub memory: Option<u64>,
}

/// What to follow a text through.
#[derive(Clone, Debug)]
pub struct SequenceRequest {
    /// The model.
    pub model: Arc<Model>,
    /// What is made of it, with Gram matrices.
    pub recipe: Recipe,
    /// A text file; without, the text that comes with Tuck.
    pub text: Option<PathBuf>,
    /// At most so many chunks.
    pub chunks: Option<usize>,
    /// Where the file lies for as long as the result is used. It has no name after that.
    pub folder: PathBuf,
    /// Where to compute.
    pub computing: Computing,
}

/// What to write as a Hugging Face folder.
#[derive(Clone, Debug)]
pub struct ExportRequest {
    /// A model that was opened as one, and changed.
    pub model: Arc<Model>,
    /// The folder, which must not be there, or be empty.
    pub folder: PathBuf,
    /// Whether matrices with two zeros in each four neighbours are written without them, as compressed-tensors does.
    pub compressed: bool,
}

/// What to make statistics of.
#[derive(Clone, Debug)]
pub struct StatisticsRequest {
    /// The model.
    pub model: Arc<Model>,
    /// A text file; without, the text that comes with Tuck.
    pub text: Option<PathBuf>,
    /// At most so many chunks.
    pub chunks: Option<usize>,
    /// What is measured; without, nothing but the inputs of matrices.
    pub level: Option<Level>,
    /// The formats that a mix may have.
    pub types: Vec<FormatRef>,
    /// The file; without, one in Tuck's cache folder that is named after the model and the text.
    pub path: Option<PathBuf>,
    /// What a recipe says that they are of.
    pub expected: Option<Identity>,
    /// Where to compute.
    pub computing: Computing,
}

/// Where to compute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The fastest GPU, or the processor where there is none.
    #[default]
    Auto,
    /// The processor, without any graphics driver.
    Cpu,
    /// The first device whose name contains this, in any case.
    Named(String),
}

impl DeviceChoice {
    /// `auto`, `cpu`, or part of a device's name.
    pub fn parse(text: &str) -> Self {
        match text.to_ascii_lowercase().as_str() {
            "auto" => Self::Auto,
            "cpu" => Self::Cpu,
            _ => Self::Named(text.to_owned()),
        }
    }
}
