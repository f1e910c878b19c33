//! What can be asked of pruning, and what is told of it.

use super::command::Computing;
use crate::eval::{Divergence, Estimate};
use crate::model::Model;
use crate::prune::Cut;
use crate::recipe::budget::Point;
use crate::recipe::{Level, Recipe};
use crate::units;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What to leave out of a model.
#[derive(Clone, Debug)]
pub struct PruneRequest {
    /// The model.
    pub model: Arc<Model>,
    /// What is to go.
    pub cut: Cut,
    /// What the rest is quantized to, where single weights go: then both is done in one pass, and each makes good what the other
    /// loses. Without, weights keep their precision.
    pub quantizing: Option<Recipe>,
    /// The text that the model is observed on; without, the text that comes with Tuck.
    pub text: Option<PathBuf>,
    /// At most so many chunks of it.
    pub chunks: Option<usize>,
    /// What the result is measured beside; without, nothing is measured.
    pub comparing: Option<Comparing>,
    /// Where to compute.
    pub computing: Computing,
}

/// How a pruned model is compared with the original, and with plain quantization to as many bytes.
#[derive(Clone, Debug)]
pub struct Comparing {
    /// What is packed of it.
    pub recipe: Recipe,
    /// What is measured before types are chosen for plain quantization.
    pub level: Level,
    /// The text that is measured on; without, the evaluation text that comes with Tuck.
    pub text: Option<PathBuf>,
    /// At most so many chunks of it.
    pub chunks: Option<usize>,
}

/// What is left of a model, to be compared with what it was.
#[derive(Clone, Debug)]
pub struct WeighRequest {
    /// The model as it was.
    pub original: Arc<Model>,
    /// What is left of it.
    pub model: Arc<Model>,
    /// The file that it was packed into; without, it is quantized again in memory.
    pub packed: Option<Arc<Model>>,
    /// Bytes of a file of the rest, were its zeros entropy coded, if it has some.
    pub coded: Option<u64>,
    /// The text that types are chosen by for plain quantization; without, the text that comes with Tuck.
    pub text: Option<PathBuf>,
    /// At most so many chunks of it.
    pub chunks: Option<usize>,
    /// The rest.
    pub comparing: Comparing,
    /// Where to compute.
    pub computing: Computing,
}

/// What is left of a model.
#[derive(Clone, Debug)]
pub struct PruneReport {
    /// The model, ready to be packed.
    pub model: Arc<Model>,
    /// The same before single weights went and were quantized.
    pub dense: Arc<Model>,
    /// How its layers were chosen, one after the other.
    pub rounds: Vec<DropRound>,
    /// What a person should know, each in a sentence.
    pub notes: Vec<String>,
    /// What became of single weights, if any went.
    pub sparse: Option<SparseReport>,
    /// What it is compared with. Empty where nothing was measured.
    pub compared: Standings,
    /// The text's file, or what it is called.
    pub text: PathBuf,
    /// Where it was computed.
    pub device: String,
    /// Start to finish.
    pub elapsed: Duration,
}

/// How a layer was chosen.
#[derive(Clone, Debug)]
pub struct DropRound {
    /// Those that might have gone.
    pub losses: Vec<LayerLoss>,
    /// That which went, by its number in the original.
    pub dropped: u64,
}

/// What a layer is missed for.
#[derive(Clone, Debug)]
pub struct LayerLoss {
    /// By its number in the original.
    pub layer: u64,
    /// 1 minus the mean cosine between what goes in and what comes out.
    pub influence: f64,
    /// The KL divergence from the original's predictions without it.
    pub divergence: Estimate,
    /// The same where the layer before takes over what it can, if it can.
    pub folded: Option<Estimate>,
}

impl LayerLoss {
    /// Whether less is lost where the layer before takes over what it can.
    pub fn corrects(&self) -> bool {
        self.folded.is_some_and(|folded| folded.value < self.divergence.value)
    }

    /// The KL divergence that it would come to.
    pub fn least(&self) -> f64 {
        self.folded.filter(|_| self.corrects()).unwrap_or(self.divergence).value
    }
}

/// Matrices with weights left out.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SparseReport {
    /// Weights of these matrices.
    pub weights: u64,
    /// Those that went.
    pub gone: u64,
    /// Those that are 0 as they are stored.
    pub zeros: u64,
    /// Bytes as they are stored.
    pub dense: u64,
    /// Bytes that an ideal coder would need; none where they were quantized.
    pub entropy_coded: Option<u64>,
}

/// What a row of a comparison is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// What is left.
    Pruned,
    /// The original in the same type.
    Whole,
    /// The original quantized to as many bytes as what is left.
    Alone,
    /// The original quantized to as many bytes as what is left would take entropy coded.
    Coded,
}

/// A model that was measured.
#[derive(Clone, Debug)]
pub struct PruneRow {
    /// What it is.
    pub role: Role,
    /// The same for people.
    pub label: String,
    /// Bytes of its GGUF file, or those that no mix of types is so small for.
    pub bytes: u64,
    /// Its predictions beside the original's; none where no mix of types is so small.
    pub divergence: Option<Divergence>,
}

/// What is left of a model beside what quantization alone makes of it.
#[derive(Clone, Debug, Default)]
pub struct Standings {
    /// What is left comes first.
    pub rows: Vec<PruneRow>,
    /// What is predicted for the original quantized to any number of bytes, from the fewest.
    pub curve: Vec<Point>,
}

impl Standings {
    /// Of these roles the first.
    pub fn of(&self, role: Role) -> Option<&PruneRow> {
        self.rows.iter().find(|row| row.role == role)
    }

    /// The perplexity of the original as it was.
    pub fn original(&self) -> Option<Estimate> {
        self.rows.iter().find_map(|row| row.divergence.as_ref()?.reference_perplexity())
    }

    /// Which way to so few bytes loses less, each in a sentence.
    pub fn verdicts(&self) -> Vec<String> {
        let mean = |role: Role| Some(self.of(role)?.divergence.as_ref()?.mean());
        let Some(own) = mean(Role::Pruned) else { return Vec::new() };
        let judge = |role: Role, what: &str| {
            let row = self.of(role)?;
            let Some(other) = mean(role) else {
                return Some(format!("No mix of types has so few bytes as {what}: {}.", units::grouped(row.bytes)));
            };
            let times = own.value / other.value.max(f64::MIN_POSITIVE);
            let often = if times < 10.0 { format!("{times:.1}") } else { units::grouped(times.round() as u64) };
            Some(if (own.value - other.value).abs() < own.error.hypot(other.error) {
                format!("Quantization alone loses about as much in as many bytes as {what}.")
            } else if own.value < other.value {
                let share = units::percent(times);
                format!("Pruning wins: it loses {share} of what quantization alone loses in as many bytes as {what}.")
            } else {
                format!(
                    "Pruning is the worse use of bytes: it loses {often} times what quantization alone loses in as many as \
                         {what}."
                )
            })
        };
        let alone = judge(Role::Alone, "the pruned file");
        let coded = judge(Role::Coded, "it would take entropy coded");
        alone.into_iter().chain(coded).collect()
    }
}
