//! What the pruning tab shows: what is to go, what that leaves, exactly, and what it loses, measured or predicted. Plain data;
//! `perform.rs` beside it starts the jobs, `prospect.rs` predicts.

mod perform;
mod prospect;

pub use prospect::{Alone, Loss};

use super::fit::{Runs, rows};
use super::state::Opened;
use crate::engine::{EventKind, JobId, Progress, PruneReport, outline};
use crate::fit::Fit;
use crate::model::Model;
use crate::prune::{Cut, Layers, Method, Pattern, Sparsity};
use crate::recipe::{Plan, Recipe};
use std::sync::Arc;

/// Shares of channels that are offered go up to this, in percent.
pub(super) const MOST_CHANNELS: u64 = 50;
/// Patterns of zeros that are offered.
pub(super) const PATTERNS: [Option<Pattern>; 4] = [
    None,
    Some(Pattern::Groups { kept: 2, of: 4 }),
    Some(Pattern::Groups { kept: 4, of: 8 }),
    Some(Pattern::Share(0.5)),
];

/// One thing a user can ask for there.
#[derive(Clone, Debug, PartialEq)]
pub enum Trim {
    /// So many layers go.
    Layers(u64),
    /// This share of channels goes, in percent.
    Channels(u64),
    /// So many key-value heads of each layer go.
    Heads(u64),
    /// So many experts of each layer go.
    Experts(u64),
    /// Weights go in this pattern, or none do.
    Pattern(Option<Pattern>),
    /// They go by this.
    Method(Method),
    /// What stays makes good what it can, or not.
    Correct(bool),
    /// Prune, and measure that.
    Measure,
    /// Stop.
    Cancel,
    /// Go on with what was pruned last.
    Use,
}

impl Trim {
    /// What buttons call it.
    pub(super) fn label(&self) -> String {
        match self {
            Self::Layers(_) => "Layers to leave out",
            Self::Channels(_) => "Channels to leave out",
            Self::Heads(_) => "Key-value heads to leave out",
            Self::Experts(_) => "Experts to leave out",
            Self::Pattern(None) => "No zeros",
            Self::Pattern(Some(pattern)) => return pattern.to_string(),
            Self::Method(Method::Magnitude) => "Magnitude",
            Self::Method(Method::Wanda) => "Wanda",
            Self::Method(Method::SparseGpt) => "SparseGPT",
            Self::Correct(_) => "Make good what can be",
            Self::Measure => "Prune and measure",
            Self::Cancel => "Cancel",
            Self::Use => "Go on with this model",
        }
        .to_owned()
    }

    /// One sentence for the pointer to find.
    pub(super) fn tooltip(&self) -> &'static str {
        match self {
            Self::Pattern(Some(_)) => "Set weights to 0. A GGUF file gains nothing by that; it costs quality only.",
            Self::Method(Method::Magnitude) => "The smallest weights go.",
            Self::Method(Method::Wanda) => "The weights go that add least to what the text makes of them.",
            Self::Method(Method::SparseGpt) => "As Wanda, and the weights that stay make good what they can.",
            Self::Correct(_) => {
                "What stays is changed so that it makes good what it can of what goes. It costs no bytes."
            }
            Self::Measure => {
                "Choose what goes by what a text does in the model, and measure what is left beside plain quantization to as \
                 many bytes. Nothing is written."
            }
            Self::Cancel => "Stop; nothing is left behind.",
            Self::Use => "Take the pruned model in the place of the opened one: types, fit and Pack are then of it.",
            _ => "",
        }
    }
}

/// What is left, before anything is computed.
#[derive(Clone, Debug, PartialEq)]
pub struct Left {
    /// Bytes of the file.
    pub bytes: u64,
    /// Weights of the model.
    pub weights: u64,
    /// The first machine in sight, and whether it fits there.
    pub fit: Option<(String, Fit)>,
}

/// What is pruned: what goes, and what the rest becomes, as bytes of tensors of the whole model.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// What goes.
    pub cut: Cut,
    /// Tells one recipe from another.
    pub formats: Vec<u64>,
}

impl Proposal {
    fn of(cut: &Cut, plan: &Plan) -> Self {
        Self { cut: cut.clone(), formats: plan.tensors.iter().map(|tensor| tensor.bytes).collect() }
    }
}

/// What was pruned and measured.
#[derive(Clone, Debug)]
pub struct Pruned {
    /// What went.
    pub proposal: Proposal,
    /// What comes of it, and the figures.
    pub report: Arc<PruneReport>,
}

/// The pruning tab.
#[derive(Debug, Default)]
pub struct Pruning {
    /// What is to go.
    pub cut: Cut,
    /// What that leaves, or why it cannot be.
    pub left: Option<Result<Left, String>>,
    /// The original quantized to no more bytes than what is left; none where no type has so few.
    pub alone: Option<Alone>,
    /// Every standard type, and the bytes of the whole model as it.
    types: Vec<(&'static str, u64)>,
    /// What all this is of: reckoned anew when that changes, or when something was measured.
    basis: Option<(Arc<Model>, Proposal, usize)>,
    /// The running job, what it prunes, and how far it is.
    pub running: Option<(JobId, Proposal, Option<Progress>)>,
    /// What was measured, the newest first.
    pub pruned: Vec<Pruned>,
    /// Why the last job ended without a result.
    pub problem: Option<String>,
}

impl Pruning {
    /// How many layers are to go.
    pub(super) fn layers(&self) -> u64 {
        if let Layers::Auto(count) = self.cut.layers { count } else { 0 }
    }

    /// Carries out what needs no job.
    pub(super) fn change(&mut self, trim: Trim) {
        let cut = &mut self.cut;
        match trim {
            Trim::Layers(0) => cut.layers = Layers::None,
            Trim::Layers(count) => cut.layers = Layers::Auto(count),
            Trim::Channels(percent) => cut.channels = percent as f64 / 100.0,
            Trim::Heads(count) => cut.kv_heads = count,
            Trim::Experts(count) => cut.experts = count,
            Trim::Pattern(pattern) => {
                let method = cut.sparsity.map_or_else(Method::default, |sparsity| sparsity.method);
                cut.sparsity = pattern.map(|pattern| Sparsity { pattern, method, scope: method.usual_scope() });
            }
            Trim::Method(method) => {
                if let Some(sparsity) = &mut cut.sparsity {
                    (sparsity.method, sparsity.scope) = (method, method.usual_scope());
                }
            }
            Trim::Correct(corrects) => cut.plain = !corrects,
            Trim::Measure | Trim::Cancel | Trim::Use => {}
        }
    }

    /// Takes in what its job tells.
    pub(super) fn apply(&mut self, kind: EventKind) {
        match kind {
            EventKind::Progress(progress) => {
                if let Some((_, _, last)) = &mut self.running {
                    *last = Some(progress);
                }
                return;
            }
            EventKind::Pruned(report) => {
                if let Some((_, proposal, _)) = self.running.take() {
                    self.pruned.retain(|pruned| pruned.proposal != proposal);
                    self.pruned.insert(0, Pruned { proposal, report });
                }
            }
            EventKind::Failed(message) => self.problem = Some(message),
            EventKind::Cancelled => {}
            _ => return,
        }
        self.running = None;
    }

    /// Reckons anew what is left as this recipe, where something changed.
    pub(super) fn update(&mut self, model: &Arc<Model>, plan: &Plan, runs: Option<Runs>) {
        let basis = (Arc::clone(model), Proposal::of(&self.cut, plan), self.pruned.len());
        let is_known = |(of, proposal, measured): &(Arc<Model>, Proposal, usize)| {
            Arc::ptr_eq(of, &basis.0) && (proposal, measured) == (&basis.1, &basis.2)
        };
        if self.basis.as_ref().is_some_and(is_known) && self.left.is_some() {
            return;
        }
        if !self.basis.as_ref().is_some_and(|(of, ..)| Arc::ptr_eq(of, model)) {
            self.types = prospect::types(model);
        }
        self.left = Some(left(model, &self.cut, &plan.recipe, runs));
        let bytes = self.left.as_ref().and_then(|left| left.as_ref().ok()).map(|left| left.bytes);
        self.alone = bytes.and_then(|bytes| prospect::alone(&self.pruned, &self.types, bytes));
        self.basis = Some(basis);
    }

    /// What is lost by what is to go, as the whole model becomes this.
    pub fn loss(&self, plan: &Plan) -> Option<Loss> {
        prospect::loss(&self.pruned, &Proposal::of(&self.cut, plan))
    }
}

fn left(model: &Model, cut: &Cut, recipe: &Recipe, runs: Option<Runs>) -> Result<Left, String> {
    let outline = outline(model, cut)?;
    // What was chosen for single tensors of a size that was asked for has no place in another model.
    let recipe = Recipe { mix: None, imatrix: None, gram: None, sequence: None, ..recipe.clone() };
    let plan = Plan::new(&outline, &recipe).map_err(|error| error.to_string())?;
    let first = runs.map(|runs| rows(&outline, &plan, &runs)).unwrap_or_default().into_iter().next();
    let weights = outline.tensors.iter().map(|tensor| tensor.weights()).sum();
    Ok(Left { bytes: plan.file_bytes, weights, fit: first.map(|row| (row.machine.name, row.answer.fit)) })
}

impl Opened {
    /// What was pruned of this as it is chosen now.
    pub(super) fn pruned(&self) -> Option<&Pruned> {
        let proposal = Proposal::of(&self.pruning.cut, &self.choice.plan);
        self.pruning.pruned.iter().find(|pruned| pruned.proposal == proposal)
    }
}
