//! What the quality tab shows: how far the predictions of what would be packed are from the model's own, and what both
//! answer. Plain data; `perform.rs` beside it starts the jobs.

mod adapters;
mod answers;
mod inquiry;
mod measured;
mod perform;

pub(super) use adapters::RANKS;
pub use adapters::{Adapters, Prospect};
pub use answers::Answers;
pub use inquiry::{Inquiry, View};
pub use measured::{Figure, Measured, Trial};

use super::state::Opened;
use crate::engine::{EventKind, JobId, Progress};
use crate::imatrix::Statistics;
use crate::model::Model;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Types that people choose among, from the largest to the smallest.
pub(super) const USUAL_TYPES: [&str; 6] = ["Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q3_K_M", "Q2_K"];
/// How many chunks are offered; none for all of the text.
pub(super) const CHUNKS: [Option<usize>; 6] = [Some(2), Some(4), Some(8), Some(16), Some(32), None];
/// Tokens of a chunk that are offered.
pub(super) const CONTEXTS: [usize; 5] = [128, 256, 512, 1024, 2048];
/// Tokens of an answer that are offered.
pub(super) const LENGTHS: [usize; 4] = [32, 64, 128, 256];

/// What is measured on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// A text file; without, the text that comes with Tuck.
    pub text: Option<PathBuf>,
    /// Tokens of a chunk.
    pub context: usize,
    /// At most so many chunks.
    pub chunks: Option<usize>,
}

/// A job of this tab.
#[derive(Debug)]
pub struct Running {
    /// The job.
    pub job: JobId,
    /// The latest progress.
    pub progress: Option<Progress>,
    /// What it does.
    pub work: Work,
}

/// What a job of this tab does.
#[derive(Debug)]
pub enum Work {
    /// Follows the text through this, after which it is measured or answers.
    Following(Box<Trial>, Next),
    /// Measures this, on that.
    Measuring(Box<Trial>, Settings),
    /// Lets both models answer.
    Answering,
    /// Finds what inputs are like, after which adapters for this are measured.
    Observing(Box<Trial>),
    /// Measures adapters for this.
    Adapting(Box<Trial>),
}

/// What comes after following the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is measured.
    Measure,
    /// It answers.
    Answer,
}

/// The quality tab.
#[derive(Debug)]
pub struct Quality {
    /// What is in front of it.
    pub view: View,
    /// What the next measurement is made on.
    pub settings: Settings,
    /// What was measured since the model was opened.
    pub measured: Vec<Measured>,
    /// The one of them that is told more of.
    pub shown: usize,
    /// What runs now.
    pub running: Option<Running>,
    /// What is measured after it.
    pub waiting: VecDeque<Trial>,
    /// What answers next.
    pub(super) answering: Option<Trial>,
    /// What adapters are measured for next, and what inputs are like.
    pub(super) observed: Option<(Trial, Arc<Statistics>)>,
    /// What is known of adapters.
    pub adapters: Adapters,
    /// How many were measured since the user asked, of those asked for then.
    pub(super) round: usize,
    /// Why the last job ended without a result.
    pub problem: Option<String>,
    /// What to ask, as typed.
    pub prompt: String,
    /// At most so many tokens an answer.
    pub tokens: usize,
    /// The last answers, or those that are being given.
    pub answers: Option<Answers>,
}

impl Quality {
    /// Of a model of which nothing was measured.
    pub fn new(model: &Model) -> Self {
        let fits = |context: &&usize| **context as u64 <= model.hparams.context;
        let context = CONTEXTS[..3].iter().rev().find(fits).copied().unwrap_or(CONTEXTS[0]);
        Self {
            view: View::default(),
            settings: Settings { text: None, context, chunks: Some(8) },
            measured: Vec::new(),
            shown: 0,
            running: None,
            waiting: VecDeque::new(),
            answering: None,
            observed: None,
            adapters: Adapters::new(model),
            round: 0,
            problem: None,
            prompt: String::new(),
            tokens: LENGTHS[1],
            answers: None,
        }
    }

    /// Keeps what was typed and chosen of a model whose weights are others now.
    pub(super) fn forget(&mut self) {
        (self.measured, self.answers, self.problem) = (Vec::new(), None, None);
        self.adapters.found.clear();
        self.stop();
    }

    /// Waits for nothing any more; returns the job that is to be cancelled.
    pub(super) fn stop(&mut self) -> Option<JobId> {
        self.waiting.clear();
        (self.answering, self.observed) = (None, None);
        if let Some(answers) = &mut self.answers {
            answers.is_growing = false;
        }
        self.running.take().map(|running| running.job)
    }

    /// Carries out what needs no job.
    pub(super) fn change(&mut self, inquiry: Inquiry) {
        match inquiry {
            Inquiry::Turn(view) => self.view = view,
            Inquiry::Text(text) => self.settings.text = text,
            Inquiry::Chunks(chunks) => self.settings.chunks = chunks,
            Inquiry::Context(context) => self.settings.context = context,
            Inquiry::Look(place) => self.shown = place,
            Inquiry::Prompt(text) => self.prompt = text,
            Inquiry::Tokens(tokens) => self.tokens = tokens,
            Inquiry::Rank(rank) => self.adapters.rank = rank,
            Inquiry::ChooseText
            | Inquiry::Adapt
            | Inquiry::Measure
            | Inquiry::MeasureUsual
            | Inquiry::Ask
            | Inquiry::Cancel => {}
        }
    }

    /// Takes in what its job tells.
    pub(super) fn apply(&mut self, kind: EventKind) {
        let Some(kind) = self.apply_adapters(kind) else { return };
        match kind {
            EventKind::Progress(progress) => {
                if let Some(running) = &mut self.running {
                    running.progress = Some(progress);
                }
                return;
            }
            EventKind::Spoken(spoken) => {
                if let Some(answers) = &mut self.answers {
                    answers.hear(spoken);
                }
                return;
            }
            EventKind::Answered(comparison) => {
                if let Some(answers) = &mut self.answers {
                    answers.comparison = Some(comparison);
                }
                return;
            }
            EventKind::Sequenced(gram) => {
                if let Some(Running { work: Work::Following(mut trial, then), .. }) = self.running.take() {
                    trial.recipe.sequence = Some(gram);
                    match then {
                        Next::Measure => self.waiting.push_front(*trial),
                        Next::Answer => self.answering = Some(*trial),
                    }
                }
                return;
            }
            EventKind::Measured(report) => {
                if let Some(Running { work: Work::Measuring(mut trial, settings), .. }) = self.running.take() {
                    // What was followed is large, and made again for the next.
                    trial.recipe.sequence = None;
                    self.add(Measured::new(*trial, settings, report));
                }
            }
            EventKind::Failed(message) => {
                self.problem = Some(message);
                self.waiting.clear();
            }
            EventKind::Cancelled => self.waiting.clear(),
            EventKind::Compared(_) => {}
            _ => return,
        }
        self.running = None;
        if let Some(answers) = &mut self.answers {
            answers.is_growing = false;
        }
    }

    /// Adds a measurement in the place of an earlier one of the same, from the largest file to the smallest.
    fn add(&mut self, measured: Measured) {
        self.measured.retain(|of| of.trial.decision != measured.trial.decision || of.settings != measured.settings);
        let place = self.measured.partition_point(|of| of.trial.bytes >= measured.trial.bytes);
        self.measured.insert(place, measured);
        self.shown = place;
        self.round += 1;
    }

    /// The measurements that can be compared with the next, by their place: those on the same text.
    pub fn comparable(&self) -> impl Iterator<Item = (usize, &Measured)> {
        self.measured.iter().enumerate().filter(|(_, measured)| measured.settings == self.settings)
    }

    /// Time until all that was asked for is measured; none while that is not known.
    pub fn remaining(&self) -> Option<Duration> {
        let now = self.running.as_ref()?.progress.as_ref()?.remaining?;
        if self.waiting.is_empty() {
            return Some(now);
        }
        let each = self.measured.iter().map(|measured| measured.report.elapsed).max()?;
        Some(now + each * self.waiting.len() as u32)
    }
}

impl Opened {
    /// What would be packed as the recipe in view.
    pub fn trial(&self) -> Trial {
        Trial::of(&self.choice)
    }

    /// Whether this was made of what is chosen now.
    pub fn is_current(&self, trial: &Trial) -> bool {
        trial.decision == measured::key(&self.choice)
    }

    /// Tells of the recipe in view, where it was measured.
    pub(super) fn look_at_current(&mut self) {
        let found = self.quality.comparable().find(|(_, of)| self.is_current(&of.trial)).map(|(place, _)| place);
        self.quality.shown = found.unwrap_or(self.quality.shown);
    }
}
