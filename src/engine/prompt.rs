//! Prompts made shorter: the request, and the report.

use super::command::Computing;
use crate::eval::Estimate;
use crate::model::Model;
use crate::prompt::Scored;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// No prompt is read that has more bytes.
pub(super) const MOST_BYTES: usize = 4 << 20;

/// Reads a prompt's file, which has to be UTF-8 and no longer than a prompt may be. Or what is wrong with it.
pub fn read_prompt(path: &Path) -> Result<String, String> {
    let refuse = |problem: String| format!("{}: {problem}; give a text file in UTF-8", path.display());
    let unread = |error: std::io::Error| refuse(format!("it could not be read: {error}"));
    let found = std::fs::metadata(path).map_err(unread)?;
    if !found.is_file() || found.len() > MOST_BYTES as u64 {
        return Err(refuse(format!("it has {} bytes, and a file of at most {MOST_BYTES} was expected", found.len())));
    }
    std::fs::read_to_string(path).map_err(unread)
}

/// What to make of a prompt.
#[derive(Clone, Debug)]
pub struct PromptRequest {
    /// The model that scores it and answers.
    pub model: Arc<Model>,
    /// The prompt.
    pub of: PromptSource,
    /// How much of it is kept; without, it is only scored.
    pub budget: Option<Budget>,
    /// Tokens of the answer whose predictions are compared; 0 for no comparison.
    pub answer: usize,
    /// Whether what is answered is put into the model's chat template, where it has one.
    pub chat: bool,
    /// Where to compute.
    pub computing: Computing,
}

/// A prompt, or what is known of it already.
#[derive(Clone, Debug)]
pub enum PromptSource {
    /// To be scored.
    Text {
        /// All of it.
        text: String,
        /// What is asked after it, which always stays; nothing where it is blank.
        question: String,
        /// Regular expressions; words with a part that one of them matches always stay.
        keep: Vec<String>,
    },
    /// Scored by the same model before.
    Scores(Arc<PromptScores>),
}

/// How much of a prompt is kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Budget {
    /// At most so many tokens.
    Tokens(usize),
    /// At most this share of its tokens, more than 0 and at most 1.
    Share(f64),
}

impl Budget {
    /// In tokens, of a prompt that has so many.
    pub fn tokens(self, of: usize) -> usize {
        match self {
            Self::Tokens(tokens) => tokens.min(of),
            Self::Share(share) => (of as f64 * share) as usize,
        }
    }
}

/// What a model says of a prompt's parts.
#[derive(Clone, Debug)]
pub struct PromptScores {
    /// The prompt, its words and its sentences.
    pub scored: Scored,
    /// What is asked after it; empty where its own end is what is asked.
    pub question: String,
    /// Windows that it was read in, as the model's context allows, and tokens of each.
    pub windows: [usize; 2],
    /// Where it was computed.
    pub device: String,
    /// Start to finish.
    pub elapsed: Duration,
}

/// A prompt made shorter.
#[derive(Clone, Debug)]
pub struct PromptReport {
    /// The folder or file.
    pub model: PathBuf,
    /// What its parts count.
    pub scores: Arc<PromptScores>,
    /// What is kept of it, where a budget was given.
    pub kept: Option<Arc<Shortened>>,
    /// What it does to the answer, where that was measured.
    pub effect: Option<Arc<PromptEffect>>,
    /// Why it was not, where it was asked for.
    pub unmeasured: Option<String>,
    /// Where it was computed.
    pub device: String,
    /// Start to finish.
    pub elapsed: Duration,
}

/// What is kept of a prompt.
#[derive(Clone, Debug, PartialEq)]
pub struct Shortened {
    /// Whether each word is kept.
    pub words: Vec<bool>,
    /// Those that are.
    pub text: String,
    /// Its tokens, as the model reads it by itself.
    pub tokens: usize,
    /// How many were allowed.
    pub budget: usize,
}

/// What shorter prompts do to the predictions of an answer.
#[derive(Clone, Debug)]
pub struct PromptEffect {
    /// What the model says to the whole prompt, always taking what it holds most likely.
    pub answer: String,
    /// Tokens of that, with the one that ends it.
    pub answer_tokens: usize,
    /// Tokens of the whole prompt with the question and what is put around both.
    pub prompt_tokens: usize,
    /// The compressed prompt, then the ways to shorten it without scores.
    pub rows: Vec<PromptRow>,
}

/// Of one shorter prompt.
#[derive(Clone, Debug)]
pub struct PromptRow {
    /// What it is called.
    pub name: &'static str,
    /// How it was chosen, in a sentence.
    pub about: &'static str,
    /// Its tokens, without what is put around it.
    pub tokens: usize,
    /// KL divergence of the predictions of the answer from those after the whole prompt, in nats a token.
    pub divergence: Estimate,
    /// The same, token by token.
    pub by_token: Vec<f64>,
    /// The share of tokens for which both hold the same most likely.
    pub same_top: Estimate,
}

impl PromptEffect {
    /// The way without scores that changes the answer least, if that is less than compression does.
    pub fn better(&self) -> Option<&PromptRow> {
        let (own, others) = self.rows.split_first()?;
        let best = others.iter().min_by(|a, b| a.divergence.value.total_cmp(&b.divergence.value))?;
        (best.divergence.value < own.divergence.value).then_some(best)
    }
}
