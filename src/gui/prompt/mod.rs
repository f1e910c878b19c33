//! What the prompt tab shows: a prompt, what is kept of it at each ratio, and what that does to the answer. Plain data; `perform.rs`
//! beside it starts the jobs. Words follow the slider at once, from scores of one run; their exact tokens follow as the engine
//! counts them.

mod perform;

use crate::engine::{Budget, EventKind, JobId, Progress, PromptEffect, PromptScores, Shortened};
use crate::units;
use std::sync::Arc;

/// Tokens of an answer that are offered.
pub(super) const LENGTHS: [usize; 4] = [8, 16, 32, 64];
/// The least that is kept, in thousandths.
pub(super) const LEAST: u64 = 50;
/// All of it, in thousandths.
pub(super) const ALL: u64 = 1000;

/// One thing a user can ask for in the prompt tab.
#[derive(Clone, Debug, PartialEq)]
pub enum Shorten {
    /// This is the prompt.
    Text(String),
    /// This is asked after it.
    Question(String),
    /// Choose a file with the prompt in a dialog.
    ChooseFile,
    /// This was read of it, or why it was not.
    Read(Result<String, String>),
    /// Keep this share, in thousandths.
    Ratio(u64),
    /// Compare the predictions of so many tokens of the answer.
    Answer(usize),
    /// Score the prompt, and show what is kept.
    Score,
    /// Change the prompt.
    Edit,
    /// Measure what the shorter prompt does to the answer.
    Measure,
    /// Stop what runs.
    Cancel,
}

impl Shorten {
    /// What buttons call it.
    pub(in crate::gui) fn label(&self) -> String {
        match self {
            Self::Text(_) | Self::Read(_) => "Prompt",
            Self::Question(_) => "Question",
            Self::ChooseFile => "Open text…",
            Self::Ratio(_) => "Keep",
            Self::Answer(tokens) => return units::grouped(*tokens as u64),
            Self::Score => "Score",
            Self::Edit => "Edit prompt",
            Self::Measure => "Measure",
            Self::Cancel => "Cancel",
        }
        .to_owned()
    }

    /// One sentence for the pointer to find.
    pub(in crate::gui) fn tooltip(&self) -> &'static str {
        match self {
            Self::ChooseFile => "Take the prompt from a text file.",
            Self::Score => "Let the model read the prompt once, to see what each part of it counts.",
            Self::Edit => "Change the prompt or the question.",
            Self::Measure => {
                "Let the model answer the whole prompt, and compare its predictions after the shorter one and after others as long. \
                 The model is held in memory meanwhile."
            }
            Self::Cancel => "Stop; nothing is left behind.",
            _ => "",
        }
    }
}

/// What a job of this tab does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Scores the prompt.
    Scoring,
    /// Counts the tokens of what is kept.
    Counting,
    /// Measures what that does to the answer.
    Measuring,
}

/// A job of this tab.
#[derive(Clone, Debug)]
pub struct PromptJob {
    /// The job.
    pub job: JobId,
    /// What it does.
    pub work: Reading,
    /// At this ratio.
    pub ratio: u64,
    /// The latest progress.
    pub progress: Option<Progress>,
}

/// The prompt tab.
#[derive(Debug)]
pub struct Prompting {
    /// The prompt as typed.
    pub text: String,
    /// What is asked after it, as typed.
    pub question: String,
    /// The share that is kept, in thousandths.
    pub ratio: u64,
    /// Tokens of the answer that are compared.
    pub answer: usize,
    /// Whether the prompt is shown to be changed.
    pub is_editing: bool,
    /// What the model says of its parts.
    pub scores: Option<Arc<PromptScores>>,
    /// Whether each word is kept at this ratio.
    pub words: Vec<bool>,
    /// What is kept, once it is counted, and at which ratio.
    pub kept: Option<(u64, Arc<Shortened>)>,
    /// What that does to the answer, and at which ratio. Or why there is none to compare with.
    pub effect: Option<(u64, Result<Arc<PromptEffect>, String>)>,
    /// What runs now.
    pub running: Option<PromptJob>,
    /// Why the last job ended without a result.
    pub problem: Option<String>,
}

impl Default for Prompting {
    fn default() -> Self {
        Self {
            text: String::new(),
            question: String::new(),
            ratio: 500,
            answer: LENGTHS[1],
            is_editing: true,
            scores: None,
            words: Vec::new(),
            kept: None,
            effect: None,
            running: None,
            problem: None,
        }
    }
}

impl Prompting {
    /// The same texts for another model.
    pub(super) fn of_next(&self) -> Self {
        let Self { text, question, ratio, answer, .. } = self;
        Self { text: text.clone(), question: question.clone(), ratio: *ratio, answer: *answer, ..Self::default() }
    }

    /// As the engine takes it.
    pub fn budget(&self) -> Budget {
        Budget::Share(self.ratio as f64 / ALL as f64)
    }

    /// What is kept at this ratio, where it is counted.
    pub fn counted(&self) -> Option<&Arc<Shortened>> {
        self.kept.as_ref().filter(|(ratio, _)| *ratio == self.ratio).map(|(_, kept)| kept)
    }

    /// Whether something runs that a user waits for.
    pub fn is_busy(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.work != Reading::Counting)
    }

    /// Carries out what needs no job.
    pub(super) fn change(&mut self, shorten: Shorten) {
        match shorten {
            Shorten::Text(text) | Shorten::Read(Ok(text)) => {
                self.text = text;
                self.forget();
            }
            Shorten::Read(Err(problem)) => self.problem = Some(problem),
            Shorten::Question(question) => {
                self.question = question;
                self.forget();
            }
            Shorten::Ratio(ratio) => {
                (self.ratio, self.problem) = (ratio.clamp(LEAST, ALL), None);
                self.preview();
            }
            Shorten::Answer(tokens) => self.answer = tokens,
            Shorten::Edit => self.is_editing = true,
            Shorten::ChooseFile | Shorten::Score | Shorten::Measure | Shorten::Cancel => {}
        }
    }

    /// Scores are of another text.
    fn forget(&mut self) {
        (self.scores, self.kept, self.effect, self.problem) = (None, None, None, None);
        self.words.clear();
        self.is_editing = true;
    }

    /// Chooses words at this ratio.
    fn preview(&mut self) {
        let Some(scores) = &self.scores else { return };
        self.words = match self.counted() {
            Some(kept) => kept.words.clone(),
            None => scores.scored.keep(self.budget().tokens(scores.scored.prompt.tokens())),
        };
    }

    /// Takes in what its job tells.
    pub(super) fn apply(&mut self, kind: EventKind) {
        if let EventKind::Progress(progress) = kind {
            if let Some(running) = &mut self.running {
                running.progress = Some(progress);
            }
            return;
        }
        let ratio = self.running.take().map_or(self.ratio, |running| running.ratio);
        match kind {
            EventKind::Prompt(report) => {
                self.is_editing &= self.scores.is_some();
                self.scores = Some(Arc::clone(&report.scores));
                self.kept = report.kept.clone().map(|kept| (ratio, kept));
                let found = report.effect.clone().map(Ok).or(report.unmeasured.clone().map(Err));
                self.effect = found.map(|found| (ratio, found)).or(self.effect.take());
                self.problem = None;
                self.preview();
            }
            EventKind::Failed(message) => self.problem = Some(message),
            _ => {}
        }
    }
}
