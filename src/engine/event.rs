//! What the engine tells the window and the command line.

use super::command::JobId;
use super::jobs::hardware::Hardware;
use super::kv::KvReport;
use super::low_rank::{LowRankReport, PairsReport};
use super::prompt::PromptReport;
use super::prune::{PruneReport, Standings};
use crate::checkpoint::Adapter;
use crate::eval::{Agreement, Divergence, Estimate, WeightError};
use crate::hub::{Choice, Pulled};
use crate::imatrix::{Gram, Imatrix, Statistics};
use crate::model::Model;
use crate::quant::{Effort, FormatRef};
use crate::recipe::{Coverage, Fallback};
use std::fmt;
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

/// What happened. All but the first four end a job.
#[derive(Clone, Debug)]
pub enum EventKind {
    /// How far a job is. Only the latest counts.
    Progress(Progress),
    /// Something that does not stop the job, in a sentence.
    Warning(String),
    /// A model said something.
    Spoken(Spoken),
    /// A prompt was answered.
    Answered(Arc<Comparison>),
    /// The devices that can compute, best first; the processor is the last.
    Devices(Vec<Device>),
    /// What this machine has, and what others have.
    Hardware(Arc<Hardware>),
    /// A model was opened.
    Opened(Arc<Model>),
    /// An adapter was opened.
    Adapter(Arc<Adapter>),
    /// An importance matrix was read.
    Imatrix(Arc<Imatrix>),
    /// Every file of the request was written and verified.
    Packed(Arc<PackReport>),
    /// Two models were compared.
    Verified(Arc<VerifyReport>),
    /// A text was run through a model.
    Measured(Arc<MeasureReport>),
    /// Every tensor was quantized alone.
    Sensitive(Arc<SensitivityReport>),
    /// Ways to keep keys and values were measured.
    Kv(Arc<KvReport>),
    /// A prompt was scored, and shortened as the request says.
    Prompt(Arc<PromptReport>),
    /// Every prompt was answered.
    Compared(Arc<CompareReport>),
    /// An importance matrix was gathered and written.
    Calibrated(Arc<CalibrateReport>),
    /// The statistics that an automatic mix is chosen by are there.
    Statistics(Arc<StatisticsReport>),
    /// Something is missing of the statistics that were looked for.
    NoStatistics {
        /// Whether some of it is there, from which making them goes on.
        is_begun: bool,
    },
    /// Gram matrices of inputs behind matrices that are quantized, for [`Recipe::sequence`](crate::recipe::Recipe::sequence).
    Sequenced(Arc<Gram>),
    /// A folder was written.
    Exported(Arc<ExportReport>),
    /// What was to go of a model is gone.
    Pruned(Arc<PruneReport>),
    /// What is left of a model was measured beside plain quantization.
    Weighed(Arc<Standings>),
    /// Adapters of low rank were made and measured.
    LowRank(Arc<LowRankReport>),
    /// Matrices were written as products and measured.
    Pairs(Arc<PairsReport>),
    /// Every file of a model is there and verified.
    Pulled(Arc<Pulled>),
    /// The repository holds several models; the message asks to choose one of them.
    Choices(Arc<Vec<Choice>>, String),
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

/// What a job is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Reading, quantizing, writing, and reading back what was written.
    Packing,
    /// Waiting for the disk.
    Flushing,
    /// Comparing weights.
    Verifying,
    /// Running text through models.
    Measuring,
    /// Running text through a model to see what goes into its matrices.
    Calibrating,
    /// Choosing what goes of a model, and making good what can be.
    Pruning,
    /// Trying formats on tensors.
    Trying,
    /// Finding how the outputs of matrices go together in what a model says.
    Differentiating,
    /// Quantizing matrices one after the other, each for what the earlier ones left.
    Following,
    /// Finding factors of low rank.
    Factoring,
    /// Letting models answer.
    Generating,
    /// Reading a prompt to see what its parts count.
    Scoring,
    /// Fetching files.
    Downloading,
}

impl Stage {
    /// For people.
    pub fn label(self) -> &'static str {
        match self {
            Self::Packing => "Packing",
            Self::Flushing => "Waiting for the disk",
            Self::Verifying => "Verifying",
            Self::Measuring => "Measuring",
            Self::Calibrating => "Calibrating",
            Self::Pruning => "Pruning",
            Self::Trying => "Trying types",
            Self::Differentiating => "Going back through layers",
            Self::Following => "Following the text",
            Self::Factoring => "Finding factors",
            Self::Generating => "Answering",
            Self::Scoring => "Scoring",
            Self::Downloading => "Downloading",
        }
    }
}

/// How far a job is.
#[derive(Clone, Debug)]
pub struct Progress {
    /// What it is doing.
    pub stage: Stage,
    /// Bytes done so far.
    pub done: u64,
    /// Bytes of the stage in all.
    pub total: u64,
    /// Bytes a second since the stage began.
    pub rate: f64,
    /// Time left in the stage at that rate; none at the very start.
    pub remaining: Option<Duration>,
    /// The tensor in hand, or the file.
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
    /// How long its block searches looked.
    pub effort: Effort,
    /// The imatrix that was used, and how far it reached.
    pub imatrix: Option<(Arc<Imatrix>, Coverage)>,
    /// The file of Gram matrices that was used, and the share of the quantized weights whose blocks error feedback chose.
    pub feedback: Option<(PathBuf, f64)>,
    /// Tensors that could not get the format the recipe wanted.
    pub fallbacks: Vec<Fallback>,
    /// Where its recipe was written.
    pub recipe_path: Option<PathBuf>,
}

/// How far one model's weights are from another's.
#[derive(Clone, Debug)]
pub struct VerifyReport {
    /// The folder or file that was measured.
    pub candidate: PathBuf,
    /// The folder or file it was measured against.
    pub reference: PathBuf,
    /// The importance matrix of the weighted figures.
    pub imatrix: Option<PathBuf>,
    /// Tensors that both have, in the order of the candidate.
    pub tensors: Vec<TensorError>,
    /// All of them together.
    pub total: WeightError,
    /// Tensors that could not be compared.
    pub mismatches: Vec<Mismatch>,
    /// Start to finish.
    pub elapsed: Duration,
}

/// The error of one tensor.
#[derive(Clone, Debug)]
pub struct TensorError {
    /// Its GGUF name.
    pub name: String,
    /// Columns first.
    pub shape: Vec<u64>,
    /// Its format in the candidate.
    pub format: FormatRef,
    /// Its format in the reference.
    pub reference_format: FormatRef,
    /// How far it is from the reference.
    pub error: WeightError,
}

/// A tensor that only one side has, or whose shapes differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Its GGUF name.
    pub name: String,
    /// Its shape in the candidate, if it is there.
    pub shape: Option<Vec<u64>>,
    /// Its shape in the reference, if it is there.
    pub reference_shape: Option<Vec<u64>>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |shape: &[u64]| shape.iter().map(u64::to_string).collect::<Vec<_>>().join(" x ");
        match (&self.shape, &self.reference_shape) {
            (Some(ours), Some(theirs)) => {
                write!(f, "{}: {} here, {} in the reference", self.name, shown(ours), shown(theirs))
            }
            (Some(_), None) => write!(f, "{}: not in the reference", self.name),
            (None, _) => write!(f, "{}: only in the reference", self.name),
        }
    }
}

/// What a model predicts on a text.
#[derive(Clone, Debug)]
pub struct MeasureReport {
    /// The folder or file that was measured.
    pub candidate: PathBuf,
    /// The recipe whose result was measured, if not the model as it is.
    pub recipe: Option<&'static str>,
    /// Of that result.
    pub bits_per_weight: Option<f64>,
    /// The folder or file it was measured against.
    pub reference: Option<PathBuf>,
    /// The text's file, or what it is called.
    pub text: PathBuf,
    /// Chunks of it.
    pub chunks: usize,
    /// Tokens of each.
    pub context: usize,
    /// Token by token.
    pub divergence: Divergence,
    /// How far the residual stream is from the reference's after each layer: the root of the squared difference by the
    /// squared reference. Empty without a reference of the same shape.
    pub layer_errors: Vec<f64>,
    /// Where it was computed.
    pub device: String,
    /// Start to finish.
    pub elapsed: Duration,
}

/// A Hugging Face folder that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportReport {
    /// The folder.
    pub folder: PathBuf,
    /// Bytes of its weights.
    pub bytes: u64,
}

/// What quantizing each tensor alone does to a model's predictions.
#[derive(Clone, Debug)]
pub struct SensitivityReport {
    /// The folder or file.
    pub model: PathBuf,
    /// What each tensor was made of.
    pub recipe: &'static str,
    /// In the order in which the forward pass needs them.
    pub tensors: Vec<Sensitivity>,
    /// The text's file, or what it is called.
    pub text: PathBuf,
    /// Chunks of it.
    pub chunks: usize,
    /// Tokens of each.
    pub context: usize,
    /// Where it was computed.
    pub device: String,
    /// Start to finish.
    pub elapsed: Duration,
}

/// Of one tensor.
#[derive(Clone, Debug)]
pub struct Sensitivity {
    /// Its GGUF name.
    pub name: String,
    /// What it was quantized to.
    pub format: FormatRef,
    /// Its length then.
    pub bytes: u64,
    /// Mean KL divergence of the predictions from those of the model as it is, in nats.
    pub divergence: Estimate,
}

/// A piece of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spoken {
    /// The number of the prompt, from 0.
    pub prompt: usize,
    /// The number of the model, from 0.
    pub subject: usize,
    /// What comes after the pieces before.
    pub text: String,
}

/// What models answer.
#[derive(Clone, Debug)]
pub struct CompareReport {
    /// Who answered: a folder or file, and the recipe whose result did, if not the model as it is.
    pub subjects: Vec<(PathBuf, Option<&'static str>)>,
    /// In the order of the prompts.
    pub comparisons: Vec<Arc<Comparison>>,
    /// How far two models agree over all prompts.
    pub agreement: Option<Agreement>,
    /// Where it was computed.
    pub device: String,
    /// Start to finish.
    pub elapsed: Duration,
}

/// The answers to a prompt.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// As it was given.
    pub prompt: String,
    /// With what the chat template and the tokenizer put around it.
    pub prompt_tokens: usize,
    /// In the order of the models.
    pub answers: Vec<Answer>,
    /// Where two models first chose different tokens.
    pub parting: Option<Parting>,
}

/// What a model said.
#[derive(Clone, Debug)]
pub struct Answer {
    /// As text, without control tokens.
    pub text: String,
    /// With the token that ended it, if one did.
    pub tokens: Vec<u32>,
    /// How likely the model held each of its tokens.
    pub probabilities: Vec<f64>,
    /// Whether it came to its end, rather than to the most tokens asked for.
    pub ended: bool,
}

/// Where two answers part.
#[derive(Clone, Debug)]
pub struct Parting {
    /// How many tokens before are the same.
    pub at: usize,
    /// The text of those.
    pub same: String,
    /// What each chose.
    pub choices: [Preference; 2],
}

/// A token that one of two models chose.
#[derive(Clone, Debug)]
pub struct Preference {
    /// Its id.
    pub token: u32,
    /// What it adds to the text; nothing, where it ends an answer.
    pub text: String,
    /// As the vocabulary has it.
    pub name: String,
    /// How likely each of the models held it.
    pub probabilities: [f64; 2],
}

/// An importance matrix that was gathered.
#[derive(Clone, Debug)]
pub struct CalibrateReport {
    /// What was written.
    pub imatrix: Arc<Imatrix>,
    /// The layer that an earlier run had come to, where this one went on from it.
    pub resumed: Option<u64>,
    /// By the name of a tensor of experts, those that too few tokens reached for their columns to be told apart: their
    /// numbers, and how many tokens each saw.
    pub starved: Vec<(String, Vec<(usize, u64)>)>,
    /// Where it was computed.
    pub device: String,
    /// Start to finish.
    pub elapsed: Duration,
}

/// Statistics of a model on a text.
#[derive(Clone, Debug)]
pub struct StatisticsReport {
    /// What their file holds.
    pub statistics: Arc<Statistics>,
    /// Whether the file was there before.
    pub is_reused: bool,
    /// The text's file, or what it is called.
    pub text: PathBuf,
    /// How long it took to gather inputs, to try formats, and to measure tensors.
    pub stages: [Duration; 3],
}
