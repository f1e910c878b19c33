//! What the cache tab shows: what each way to keep keys and values takes and loses. Plain data; `perform.rs` beside it starts the
//! job.

mod perform;

use crate::cache::{CHOICES, Choice};
use crate::engine::{EventKind, JobId, KvReport, Predicted, Progress, cache_bytes};
use crate::model::Model;
use crate::units;
use std::sync::Arc;

/// The least context that is offered.
pub(super) const SHORTEST: u64 = 256;
/// The context at first, where the model was made for that much.
const USUAL: u64 = 4096;
/// How many chunks are offered, and tokens of a chunk.
pub(super) const COUNTS: [usize; 5] = [1, 2, 4, 8, 16];
pub(super) const LENGTHS: [usize; 5] = [128, 256, 512, 1024, 2048];

/// One thing a user can ask for in the cache tab.
#[derive(Clone, Debug, PartialEq)]
pub enum Keep {
    /// Tokens of context.
    Context(u64),
    /// The cache may take this share of what f16 takes, in thousandths.
    Budget(u64),
    /// At most so many chunks of the text.
    Count(usize),
    /// Tokens of a chunk.
    Length(usize),
    /// Measure all choices.
    Measure,
    /// Stop measuring.
    Cancel,
}

impl Keep {
    /// What buttons call it.
    pub(in crate::gui) fn label(&self) -> String {
        match self {
            Self::Context(_) => "Context",
            Self::Budget(_) => "Budget",
            Self::Count(number) | Self::Length(number) => return units::grouped(*number as u64),
            Self::Measure => "Measure all",
            Self::Cancel => "Cancel",
        }
        .to_owned()
    }

    /// One sentence for the pointer to find.
    pub(in crate::gui) fn tooltip(&self) -> &'static str {
        match self {
            Self::Measure => {
                "Run the built-in text through the model with each way to keep its keys and values. Nothing is written."
            }
            Self::Cancel => "Stop; nothing is left behind.",
            _ => "",
        }
    }
}

/// A choice, and its bytes at the context in view.
#[derive(Clone, Debug)]
pub struct Row {
    /// The choice.
    pub choice: Choice,
    /// Bytes of keys and of values.
    pub bytes: [u64; 2],
}

impl Row {
    /// Bytes of both.
    pub fn total(&self) -> u64 {
        self.bytes.iter().sum()
    }
}

/// The cache tab.
#[derive(Debug)]
pub struct Keeping {
    /// Tokens of context.
    pub context: u64,
    /// The share of f16's bytes that the cache may take, in thousandths.
    pub budget: u64,
    /// At most so many chunks of the text are measured.
    pub count: usize,
    /// Tokens of a chunk.
    pub length: usize,
    /// In the order of the list, but for those that the model cannot be run with.
    pub rows: Vec<Row>,
    /// What was measured since the model was opened, at another context perhaps: losses do not depend on it.
    pub report: Option<Arc<KvReport>>,
    /// The running job, and how far it is.
    pub running: Option<(JobId, Option<Progress>)>,
    /// Why the last job ended without a result.
    pub problem: Option<String>,
}

impl Keeping {
    /// Of a model of which nothing was measured.
    pub fn new(model: &Model) -> Self {
        let context = USUAL.min(model.hparams.context).max(1);
        let fits = |length: &&usize| **length as u64 <= model.hparams.context;
        let length = LENGTHS[..3].iter().rev().find(fits).copied().unwrap_or(LENGTHS[0]);
        let mut own = Self {
            context,
            budget: 1000,
            count: COUNTS[2],
            length,
            rows: Vec::new(),
            report: None,
            running: None,
            problem: None,
        };
        own.reckon(model);
        own
    }

    /// The longest context that is offered.
    pub fn longest(model: &Model) -> u64 {
        model.hparams.context.max(SHORTEST)
    }

    fn reckon(&mut self, model: &Model) {
        let heads = [model.hparams.key_head, model.hparams.value_head].map(|size| size as usize);
        let can = |choice: &&Choice| choice.problem(heads, model.hparams.kv_rank > 0).is_none();
        let row = |choice: &Choice| Row { bytes: cache_bytes(model, choice, self.context), choice: choice.clone() };
        self.rows = CHOICES.iter().filter(can).map(row).collect();
    }

    /// Bytes that the cache may take.
    pub fn allowed(&self) -> u64 {
        let all = self.rows.first().map_or(0, Row::total);
        (u128::from(all) * u128::from(self.budget) / 1000) as u64
    }

    /// Mean KL divergence of a choice, where it was measured.
    pub fn loss(&self, name: &str) -> Option<f64> {
        let report = self.report.as_ref()?;
        report.rows.iter().find(|row| row.choice.name == name).map(|row| row.divergence.value)
    }

    /// The row of types that loses least in as many bytes as this row's, where it is of no types itself and all was measured.
    pub fn same_bytes(&self, row: &Row) -> Option<&Row> {
        let of_types = |other: &&Row| other.choice.types().is_some() && other.total() <= row.total();
        self.rows.iter().filter(|_| row.choice.types().is_none()).filter(of_types).min_by(|a, b| self.order(a, b))
    }

    /// The choice that loses least in what the cache may take: the measured one, where there is one.
    pub fn best(&self) -> Option<&Row> {
        let fits = |row: &&Row| row.total() <= self.allowed() && row.choice.types().is_some();
        self.rows
            .iter()
            .filter(fits)
            .filter(|row| self.loss(&row.choice.name).is_some())
            .min_by(|a, b| self.order(a, b))
    }

    /// The pair of types that is predicted to lose less than [`Keeping::best`], with its bytes at the context in view.
    pub fn pair(&self) -> Option<(Predicted, u64)> {
        let report = self.report.as_ref()?;
        let bytes =
            |name: String, side: usize| self.rows.iter().find(|row| row.choice.name == name).map(|row| row.bytes[side]);
        let least = self.best().and_then(|row| self.loss(&row.choice.name)).unwrap_or(f64::INFINITY);
        let pairs = report.pairs().into_iter().filter_map(|pair| {
            let [keys, values] = pair.choice.types()?.map(|format| format.name.to_lowercase());
            let bytes = bytes(keys, 0)? + bytes(values, 1)?;
            (bytes <= self.allowed() && pair.divergence < least).then_some((pair, bytes))
        });
        pairs.min_by(|a, b| a.0.divergence.total_cmp(&b.0.divergence))
    }

    fn order(&self, a: &Row, b: &Row) -> std::cmp::Ordering {
        let loss = |row: &Row| self.loss(&row.choice.name).unwrap_or(f64::INFINITY);
        loss(a).total_cmp(&loss(b)).then(a.total().cmp(&b.total()))
    }

    /// Carries out what needs no job.
    pub(super) fn change(&mut self, model: &Model, keep: Keep) {
        match keep {
            Keep::Context(context) => {
                self.context = context;
                self.reckon(model);
            }
            Keep::Budget(budget) => self.budget = budget,
            Keep::Count(count) => self.count = count,
            Keep::Length(length) => self.length = length,
            Keep::Measure | Keep::Cancel => {}
        }
    }

    /// Takes in what its job tells.
    pub(super) fn apply(&mut self, kind: EventKind) {
        match kind {
            EventKind::Progress(progress) => {
                if let Some((_, known)) = &mut self.running {
                    *known = Some(progress);
                }
                return;
            }
            EventKind::Kv(report) => (self.report, self.problem) = (Some(report), None),
            EventKind::Failed(message) => self.problem = Some(message),
            EventKind::Cancelled => {}
            _ => return,
        }
        self.running = None;
    }
}
