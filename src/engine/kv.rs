//! What ways to keep a text's keys and values cost and save: the request, and the report.

use super::command::Computing;
use crate::cache::{CHOICES, Choice, Kind, choice_from_name};
use crate::eval::Estimate;
use crate::fit::{Layer, Mixer, Settings, Subject};
use crate::model::Model;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What to measure of a model's cache.
#[derive(Clone, Debug)]
pub struct KvRequest {
    /// The model.
    pub model: Arc<Model>,
    /// Ways to keep it; without any, all of the list. The first of the list is measured with them.
    pub choices: Vec<Choice>,
    /// Tokens of context whose memory is told.
    pub context: u64,
    /// A text file; without, the text that comes with Tuck.
    pub text: Option<PathBuf>,
    /// Tokens of a chunk of it.
    pub chunk: usize,
    /// At most so many chunks.
    pub chunks: Option<usize>,
    /// Whether queries, and sums of F16 values, are rounded as llama.cpp's kernels for processors do it beside blocks.
    pub rounds_queries: bool,
    /// Where to compute.
    pub computing: Computing,
}

/// What was measured of a model's cache.
#[derive(Clone, Debug)]
pub struct KvReport {
    /// The folder or file.
    pub model: PathBuf,
    /// Tokens of context whose memory is told.
    pub context: u64,
    /// In the order of the list; the first is what others are measured against.
    pub rows: Vec<KvRow>,
    /// Choices that the model cannot be run with, and why.
    pub refused: Vec<(String, String)>,
    /// The text's file, or what it is called.
    pub text: PathBuf,
    /// Chunks of it.
    pub chunks: usize,
    /// Tokens of each.
    pub chunk: usize,
    /// Where needles were hidden, as shares of the text before the question.
    pub depths: Vec<f64>,
    /// Where it was computed.
    pub device: String,
    /// Start to finish.
    pub elapsed: Duration,
}

/// Of one choice.
#[derive(Clone, Debug)]
pub struct KvRow {
    /// The choice.
    pub choice: Choice,
    /// Bytes of keys and of values at the context of the report.
    pub bytes: [u64; 2],
    /// Mean KL divergence of the predictions from those of the first row, in nats.
    pub divergence: Estimate,
    /// The same by position: equal parts of the half of each chunk that is scored.
    pub positions: Vec<f64>,
    /// By how much more likely the model held what it had to remember than where it was never told, in nats a token, for each
    /// depth.
    pub needles: Vec<f64>,
    /// Tokens that went through Tuck's own forward pass in a second.
    pub rate: f64,
    /// Where attention was computed, if not where all else was.
    pub apart: Option<&'static str>,
    /// The number of the row of block types that loses least in the same bytes or fewer, for those that are none; where all take
    /// more, of the smallest.
    pub same_bytes: Option<usize>,
}

impl KvRow {
    /// Bytes of keys and values.
    pub fn total(&self) -> u64 {
        self.bytes.iter().sum()
    }

    /// The mean over depths.
    pub fn needle(&self) -> f64 {
        self.needles.iter().sum::<f64>() / self.needles.len().max(1) as f64
    }
}

/// A pair of types that was not measured itself.
#[derive(Clone, Debug)]
pub struct Predicted {
    /// The pair.
    pub choice: Choice,
    /// Bytes of keys and values.
    pub bytes: u64,
    /// The sum of what its keys alone and its values alone were measured to lose.
    pub divergence: f64,
}

impl KvReport {
    /// The row that loses least in so many bytes; only of those that llama.cpp runs, or of all.
    pub fn best(&self, budget: u64, only_types: bool) -> Option<&KvRow> {
        let fits = |row: &&KvRow| row.total() <= budget && (!only_types || row.choice.types().is_some());
        let rows = self.rows.iter().filter(fits);
        rows.min_by(|a, b| {
            (a.divergence.value, a.total()).partial_cmp(&(b.divergence.value, b.total())).expect("numbers")
        })
    }

    /// Pairs of types whose keys alone and values alone were measured, and that were not themselves: what they would lose.
    pub fn pairs(&self) -> Vec<Predicted> {
        let named = |name: &str| self.rows.iter().find(|row| row.choice.name == name);
        let (Some(plain), types) = (named("f16"), crate::cache::BLOCKS) else { return Vec::new() };
        let mut pairs = Vec::new();
        for keys in types.iter().map(|blocks| blocks.format.name.to_lowercase()) {
            for values in types.iter().map(|blocks| blocks.format.name.to_lowercase()) {
                let name = format!("{keys}/{values}");
                let apart = (named(&format!("{keys}/f16")), named(&format!("f16/{values}")));
                let (Some(a), Some(b), None) =
                    (apart.0, apart.1, named(&name).or(named(&keys).filter(|_| keys == values)))
                else {
                    continue;
                };
                let choice = choice_from_name(&name).expect("both are types of the list");
                let divergence = a.divergence.value + b.divergence.value;
                pairs.push(Predicted { choice, bytes: a.total() + b.total() - plain.total(), divergence });
            }
        }
        pairs
    }

    /// The pair of these that loses least in so many bytes.
    pub fn best_pair(&self, budget: u64) -> Option<Predicted> {
        let fits = self.pairs().into_iter().filter(|pair| pair.bytes <= budget);
        fits.min_by(|a, b| a.divergence.total_cmp(&b.divergence))
    }

    /// Finds for each row that is no block type the block type of the same bytes.
    pub(super) fn compare(&mut self) {
        let of_types = |row: &KvRow| matches!(row.choice.kind, Kind::Types { .. });
        for n in 0..self.rows.len() {
            let own = &self.rows[n];
            let fits = |other: &&usize| of_types(&self.rows[**other]) && self.rows[**other].total() <= own.total();
            let numbers: Vec<usize> = (0..self.rows.len()).collect();
            let loss = |n: &usize| self.rows[*n].divergence.value;
            let best = numbers.iter().filter(fits).min_by(|a, b| loss(a).total_cmp(&loss(b)));
            let smallest =
                || numbers.iter().filter(|n| of_types(&self.rows[**n])).min_by_key(|n| self.rows[**n].total());
            let same = best.or_else(smallest).copied().filter(|_| !of_types(own));
            self.rows[n].same_bytes = same;
        }
    }
}

/// Heads of the model: numbers of a key and of a value.
pub(super) fn heads(model: &Model) -> [usize; 2] {
    [model.hparams.key_head, model.hparams.value_head].map(|size| size as usize)
}

/// Bytes of keys and of values that a choice takes for so many tokens of context. Of types of llama.cpp's cache, what it
/// allocates.
pub fn cache_bytes(model: &Model, choice: &Choice, context: u64) -> [u64; 2] {
    let subject = Subject::stored(model);
    let settings = Settings { context, ..Settings::default() };
    let mut all = [0, 0];
    for layer in &subject.layers {
        let own = layer_bytes(&subject, layer, choice, &settings);
        all = [all[0] + own[0], all[1] + own[1]];
    }
    all
}

fn layer_bytes(subject: &Subject, layer: &Layer, choice: &Choice, settings: &Settings) -> [u64; 2] {
    let bytes = |cells: u64, kv_heads: u64, heads: [u64; 2]| {
        let cache = choice.cache(heads.map(|size| size as usize), cells as usize, cells as usize / 2);
        cache.bytes(cells, kv_heads, heads)
    };
    match layer.mixer {
        // Models that read texts at once keep nothing.
        _ if layer.kept(subject, settings).keys == 0 => [0, 0],
        Mixer::Attention { kv_heads, key, value, window, .. } => {
            let cells = window.map_or_else(|| settings.cells(), |window| settings.windowed_cells(window));
            bytes(cells, kv_heads, [key, value])
        }
        Mixer::Latent { rank, rope, .. } => [bytes(settings.cells(), 1, [rank + rope, 0])[0], 0],
        _ => [0, 0],
    }
}

/// The choices of a request that a model can be run with, and those that it cannot, with the reason. The first of the list comes
/// first.
pub(super) fn runnable(model: &Model, wanted: &[Choice]) -> (Vec<Choice>, Vec<(String, String)>) {
    let wanted: &[Choice] = if wanted.is_empty() { &CHOICES } else { wanted };
    let first = &CHOICES[0];
    let others = wanted.iter().filter(|choice| *choice != first);
    let (mut can, mut cannot): (Vec<Choice>, Vec<(String, String)>) = (vec![first.clone()], Vec::new());
    for choice in others {
        match choice.problem(heads(model), model.hparams.kv_rank > 0) {
            None if can.contains(choice) => {}
            None => can.push(choice.clone()),
            Some(problem) => cannot.push((choice.name.clone(), problem)),
        }
    }
    (can, cannot)
}
