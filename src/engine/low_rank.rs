//! What can be asked of adapters that make good what quantization lost, and what is told of them.

use super::command::Computing;
use crate::eval::Estimate;
use crate::gguf::DEFAULT_ALIGNMENT;
use crate::imatrix::Statistics;
use crate::model::Model;
use crate::quant::FormatRef;
use crate::recipe::{AdapterSize, Level, Prediction, Ranks, Recipe, Spread};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Adapters for a quantized model, and what they are to be measured against.
#[derive(Clone, Debug)]
pub struct LowRankRequest {
    /// The model as it was.
    pub model: Arc<Model>,
    /// What it is the rest of, if anything went of it before.
    pub lineage: Option<Lineage>,
    /// How it is quantized.
    pub recipe: Recipe,
    /// The file that came of it; without, it is quantized again in memory.
    pub packed: Option<Arc<Model>>,
    /// One adapter each, from the same factors.
    pub sizes: Vec<AdapterSize>,
    /// What the factors become: F32, F16 or Q8_0, which is F16 where rows are too short for it.
    pub format: FormatRef,
    /// What the inputs of matrices are like, and what errors of their outputs cost.
    pub statistics: Arc<Statistics>,
    /// What of the statistics is made use of.
    pub level: Level,
    /// The text to measure on; without, the evaluation text that comes with Tuck.
    pub text: Option<PathBuf>,
    /// Tokens of a chunk; as many as the model was made for, where that is less.
    pub context: usize,
    /// At most so many chunks of it.
    pub chunks: Option<usize>,
    /// The file of the first adapter; without, none is written.
    pub path: Option<PathBuf>,
    /// Whether it may be replaced.
    pub overwrite: bool,
    /// Where to compute.
    pub computing: Computing,
}

/// What a pruned model was.
#[derive(Clone, Debug)]
pub struct Lineage {
    /// Before anything went: what all is measured from, and what as many bytes of quantization alone are measured of.
    pub original: Arc<Model>,
    /// Before single weights went: what the adapter brings the file nearer to.
    pub dense: Arc<Model>,
    /// The text that types are chosen by for quantization alone; without, the text that comes with Tuck.
    pub text: Option<PathBuf>,
    /// At most so many chunks of it.
    pub chunks: Option<usize>,
}

/// Matrices as products of two factors, in a folder of safetensors.
#[derive(Clone, Debug)]
pub struct PairsRequest {
    /// The model, a Hugging Face folder.
    pub model: Arc<Model>,
    /// Bytes of weights, at most.
    pub bytes: u64,
    /// Whether inputs do not count.
    pub is_plain: bool,
    /// What the inputs of matrices are like, and what errors of their outputs cost.
    pub statistics: Arc<Statistics>,
    /// What of the statistics is made use of.
    pub level: Level,
    /// The text to measure on; without, the evaluation text that comes with Tuck.
    pub text: Option<PathBuf>,
    /// Tokens of a chunk; as many as the model was made for, where that is less.
    pub context: usize,
    /// The folder to write.
    pub path: PathBuf,
    /// Whether a model there may be replaced.
    pub overwrite: bool,
    /// Where to compute.
    pub computing: Computing,
}

/// What became of the matrices.
#[derive(Clone, Debug)]
pub struct PairsReport {
    /// The folder.
    pub path: PathBuf,
    /// Its weights.
    pub with: Standing,
    /// As many bytes by quantization alone; none where no mix has so few.
    pub instead: Option<Standing>,
    /// Matrices that may be products, as the folder names them, and their ranks; 0 where one stayed whole.
    pub ranks: Vec<(String, usize)>,
    /// The text's file, or what it is called.
    pub text: PathBuf,
    /// Start to finish.
    pub elapsed: Duration,
}

/// Bytes, and what they lose.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    /// Of all files together.
    pub bytes: u64,
    /// Mean KL divergence from the model as it was.
    pub divergence: Estimate,
}

/// A quantized model with an adapter.
#[derive(Clone, Debug)]
pub struct AdapterReport {
    /// What was asked for.
    pub size: AdapterSize,
    /// Bytes of the adapter's file.
    pub bytes: u64,
    /// What each matrix got, in the order of [`LowRankReport::ranks`].
    pub spread: Spread,
    /// The model's file and the adapter's.
    pub with: Standing,
    /// As many bytes without an adapter: the mix of types that loses least in them; none where no mix has so few.
    pub instead: Option<Standing>,
}

/// What adapters do for a quantized model.
#[derive(Clone, Debug)]
pub struct LowRankReport {
    /// What it was quantized to.
    pub recipe: &'static str,
    /// Without an adapter.
    pub base: Standing,
    /// In the order of the request.
    pub adapters: Vec<AdapterReport>,
    /// What the adapters were chosen from.
    pub ranks: Ranks,
    /// What the tensors lose that no adapter changes.
    pub rest: f64,
    /// What losses of tensors are together.
    pub prediction: Prediction,
    /// Bytes of an adapter's file before its tensors.
    pub header: u64,
    /// The file that was written.
    pub path: Option<PathBuf>,
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

impl LowRankReport {
    /// The bytes of an adapter's file, and the KL divergence that is predicted with it, for as many bytes as a rank takes for
    /// every matrix.
    pub fn predict(&self, rank: usize) -> (u64, f64) {
        let spread = self.ranks.spread(self.ranks.uniform_bytes(rank));
        let bytes = (self.header + spread.bytes).next_multiple_of(DEFAULT_ALIGNMENT);
        (bytes, self.prediction.together(spread.loss + self.rest))
    }
}
