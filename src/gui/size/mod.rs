//! What the window shows where a size is asked for instead of a type: the statistics that mixes are chosen by, every size
//! that there is, and the one that is chosen. Plain data; `perform.rs` beside it starts jobs, `solver.rs` finds mixes.

mod perform;
mod sizes;
mod solver;
mod wish;

pub use sizes::Sizes;
pub(super) use solver::{Answer, Goal, Question, Solved, Solver};
pub use wish::Wish;
pub(super) use wish::about;

use super::decision::Asked;
use super::state::Opened;
use crate::engine::{Computing, EventKind, JobId, Progress, SequenceRequest, StatisticsReport};
use crate::imatrix::Statistics;
use crate::model::Model;
use crate::recipe::{Level, Override, Recipe};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How many chunks of a text are offered; none for all of it.
pub(super) const CHUNKS: [Option<usize>; 4] = [Some(16), Some(64), Some(256), None];

/// By what the files to write are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Side {
    /// By their types.
    #[default]
    Type,
    /// By the size of one file.
    Size,
}

impl Side {
    /// From left to right.
    pub const ALL: [Self; 2] = [Self::Type, Self::Size];

    /// On its head.
    pub fn label(self) -> &'static str {
        match self {
            Self::Type => "Type",
            Self::Size => "Size",
        }
    }
}

/// What is observed on what, and how closely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// A file; without, the text that comes with Tuck.
    pub path: Option<PathBuf>,
    /// At most so many chunks of it.
    pub chunks: Option<usize>,
    /// What is measured.
    pub level: Level,
    /// What text is cut with, where that is not the model's own.
    pub pre_tokenizer: Option<&'static str>,
}

/// What is known of the statistics.
#[derive(Debug, Default)]
pub enum Standing {
    /// Nobody looked yet.
    #[default]
    Unknown,
    /// They are being looked for.
    Looking(JobId),
    /// They are not there, or not all of them.
    Missing {
        /// Whether making them goes on from something.
        is_begun: bool,
    },
    /// They are being made.
    Making {
        /// The job.
        job: JobId,
        /// Its latest progress.
        progress: Option<Progress>,
    },
    /// They are there.
    Ready(Arc<StatisticsReport>),
}

/// What mixes rest on: as long as it stays the same, so does the curve.
#[derive(Debug)]
pub(super) struct Basis {
    pub(super) model: Arc<Model>,
    pub(super) statistics: Arc<Statistics>,
    pub(super) overrides: Vec<Override>,
    pub(super) level: Level,
}

/// The size side of the window.
#[derive(Debug, Default)]
pub struct Sizing {
    /// What the files are chosen by.
    pub side: Side,
    /// A text file to observe the model on; without, the text that comes with Tuck.
    pub text: Option<PathBuf>,
    /// At most so many chunks of it.
    pub chunks: Option<usize>,
    /// How much is spent.
    pub level: Level,
    /// What is known of the statistics.
    pub standing: Standing,
    /// Every size, where the statistics are there.
    pub sizes: Option<Arc<Sizes>>,
    /// The KL divergence that is predicted for the mix in view.
    pub predicted: Option<f64>,
    /// A size as it is being typed.
    pub typed: Option<String>,
    /// Why something that was asked for here cannot be.
    pub problem: Option<String>,
    /// Whether the recipe is written beside the file.
    pub writes_recipe: bool,
    /// A machine that is to be filled as soon as that can be.
    pub filling: Option<String>,
    /// Whether making statistics goes on when what it was stopped for is done.
    pub(super) resumes: bool,
    /// What was looked for last.
    pub(super) looked: Option<Text>,
    /// What the mixes rest on.
    pub(super) basis: Option<Arc<Basis>>,
    /// What the solver was asked and has not answered.
    pub(super) asked: Option<Asked>,
}

impl Sizing {
    /// The running job.
    pub fn job(&self) -> Option<JobId> {
        match &self.standing {
            Standing::Looking(job) | Standing::Making { job, .. } => Some(*job),
            _ => None,
        }
    }

    /// Whether statistics are being made.
    pub fn is_making(&self) -> bool {
        matches!(self.standing, Standing::Making { .. })
    }

    /// For the next model: what was chosen of how, and nothing of what was found.
    pub(super) fn of_next(&self) -> Self {
        let Self { side, text, chunks, level, writes_recipe, .. } = self;
        let (side, chunks, level, writes_recipe) = (*side, *chunks, *level, *writes_recipe);
        Self { side, text: text.clone(), chunks, level, writes_recipe, ..Self::default() }
    }

    /// Nothing is known any more, for the model's weights are others. Returns the job that is to be cancelled.
    pub(super) fn forget(&mut self) -> Option<JobId> {
        let job = self.job();
        (self.standing, self.looked, self.resumes) = (Standing::Unknown, None, false);
        self.drop_mixes();
        job
    }

    /// What was found rests on something else now.
    fn drop_mixes(&mut self) {
        (self.basis, self.sizes, self.predicted, self.asked) = (None, None, None, None);
    }

    /// Carries out what needs no job and leaves the decision as it is.
    fn change(&mut self, wish: Wish) {
        match wish {
            Wish::Turn(side) => self.side = side,
            Wish::Text(text) => self.text = text,
            Wish::Chunks(chunks) => self.chunks = chunks,
            Wish::WriteRecipe(yes) => self.writes_recipe = yes,
            _ => {}
        }
    }

    /// Takes in what its job tells. Warnings are told elsewhere.
    pub(super) fn apply(&mut self, kind: EventKind) {
        self.standing = match (kind, std::mem::take(&mut self.standing)) {
            (EventKind::Progress(progress), Standing::Making { job, .. }) => {
                Standing::Making { job, progress: Some(progress) }
            }
            (EventKind::Statistics(report), _) => {
                self.drop_mixes();
                self.problem = None;
                Standing::Ready(report)
            }
            (EventKind::NoStatistics { is_begun }, _) => Standing::Missing { is_begun },
            (EventKind::Failed(message), _) => {
                self.problem = Some(message);
                Standing::Missing { is_begun: false }
            }
            (EventKind::Cancelled, _) => Standing::Missing { is_begun: false },
            (_, before) => before,
        };
    }
}

impl Opened {
    /// How much is spent on a mix.
    pub fn level(&self) -> Level {
        self.choice.decision().size.map_or(self.sizing.level, |asked| asked.level)
    }

    /// What follows the text through a mix; none where there are no statistics.
    pub(super) fn sequence(&self, recipe: &Recipe, computing: Computing) -> Option<SequenceRequest> {
        let Standing::Ready(report) = &self.sizing.standing else { return None };
        let folder = report.statistics.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        Some(SequenceRequest {
            model: Arc::clone(&self.model),
            recipe: recipe.clone(),
            text: self.sizing.text.clone(),
            chunks: self.sizing.chunks,
            folder: folder.unwrap_or(Path::new(".")).to_owned(),
            computing,
        })
    }

    /// What the statistics are to be of.
    pub(super) fn observed_text(&self) -> Text {
        let Sizing { text, chunks, .. } = &self.sizing;
        let pre_tokenizer = self.choice.decision().pre_tokenizer;
        Text { path: text.clone(), chunks: *chunks, level: self.level(), pre_tokenizer }
    }

    /// What is to be written is not known: why it cannot be packed yet.
    pub fn is_unsolved(&self) -> Option<&'static str> {
        match (self.choice.is_solved(), &self.sizing.standing) {
            (true, _) => None,
            (false, Standing::Ready(_)) if self.sizing.problem.is_some() => {
                Some("No types were found for this size; what is wrong stands under the slider.")
            }
            (false, Standing::Unknown | Standing::Looking(_) | Standing::Ready(_)) => {
                Some("The types for this size are being found.")
            }
            (false, Standing::Missing { .. } | Standing::Making { .. }) => {
                Some("The statistics for this effort are not there yet: make them, or choose another effort or a type.")
            }
        }
    }

    /// Takes in what the solver found. What of it rests on something else now is dropped, which false says.
    pub(super) fn take_answer(&mut self, answer: Answer) -> bool {
        if !self.sizing.basis.as_ref().is_some_and(|basis| Arc::ptr_eq(basis, &answer.basis)) {
            return false;
        }
        let level = answer.basis.level;
        let asked = answer.asked.map(|bytes| Asked { bytes, level });
        if asked.is_none() && self.sizing.filling.take().is_none() {
            // Something else was asked for since.
            return false;
        }
        match answer.outcome {
            Err(problem) => {
                self.sizing.problem = Some(problem);
                // What cannot be is not asked for again and again.
                self.sizing.asked = self.choice.decision().size.filter(|_| asked.is_some());
            }
            Ok(Solved { plan, cautions, predicted, sizes, .. }) => {
                let found = asked.unwrap_or(Asked { bytes: plan.file_bytes, level });
                if asked.is_none() {
                    self.choice.let_go();
                    self.choice.ask_size(&self.model, found);
                    self.choice.let_go();
                    self.sizing.typed = None;
                }
                if asked.is_none() || asked == self.sizing.asked {
                    self.sizing.asked = None;
                }
                // What is wrong with a text stays while it is being typed.
                self.sizing.problem.take_if(|_| self.sizing.typed.is_none());
                (self.sizing.sizes, self.sizing.predicted) = (Some(sizes), Some(predicted));
                self.choice.take_mix(found, plan, cautions);
                self.table.update(&self.model, &self.choice.plan);
                self.unfolded.clear();
                self.look_at_current();
            }
        }
        true
    }
}
