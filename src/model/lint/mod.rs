//! What is usually wrong with a model's metadata, found before a file is written that carries it.
//!
//! Each finding is plain data: how bad, where, what was found, why it matters and what to do, with the change that does
//! it where Tuck can tell. Works on the metadata of the file to be, so a folder and a GGUF are read alike.

mod chat;
mod context;
mod ids;
mod vocabulary;

use super::{Model, Setting};
use std::fmt;
use vocabulary::Vocabulary;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Note,
    /// The model will probably behave worse than it could.
    Caution,
    /// Programs will refuse the file, or get nonsense from it.
    Error,
}

impl Severity {
    /// For people and machines.
    pub fn label(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Caution => "caution",
            Self::Error => "error",
        }
    }
}

/// Something about the metadata that its owner should know.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The metadata key it is about.
    pub key: String,
    /// What was found, as a sentence without its full stop.
    pub found: String,
    /// Why that matters, as a sentence.
    pub why: String,
    /// What to do, as a sentence.
    pub advice: String,
    /// The change that does it.
    pub fix: Option<Setting>,
}

impl Finding {
    fn new(severity: Severity, key: impl Into<String>, found: impl Into<String>) -> Self {
        let empty = String::new;
        Self { severity, key: key.into(), found: found.into(), why: empty(), advice: empty(), fix: None }
    }

    fn because(self, why: impl Into<String>) -> Self {
        Self { why: why.into(), ..self }
    }

    fn advise(self, advice: impl Into<String>) -> Self {
        Self { advice: advice.into(), ..self }
    }

    fn fixed_by(self, fix: Option<Setting>) -> Self {
        Self { fix, ..self }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.found)
    }
}

/// Everything to know about a model's metadata, the worst first.
pub fn check(model: &Model) -> Vec<Finding> {
    let vocabulary = Vocabulary::of(model);
    let mut findings = vocabulary::check(model, &vocabulary);
    findings.extend(ids::check(model, &vocabulary));
    findings.extend(chat::check(model, &vocabulary));
    findings.extend(context::check(model));
    findings.extend(missing(model));
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

/// What people look for first.
fn missing(model: &Model) -> Vec<Finding> {
    let texts = [
        ("general.name", "the model has no name", "Programs list models by it.", "Give it one with --name."),
        (
            "general.license",
            "nothing says under which licence the model may be used",
            "Whoever gets the file cannot tell what is allowed.",
            "Look it up where the model comes from, and give it with --license, such as apache-2.0.",
        ),
    ];
    let is_missing =
        |key: &str| model.value(key).and_then(|value| value.as_str()).is_none_or(|text| text.trim().is_empty());
    let note = |(key, found, why, advice)| Finding::new(Severity::Note, key, found).because(why).advise(advice);
    texts.into_iter().filter(|(key, ..)| is_missing(key)).map(note).collect()
}
