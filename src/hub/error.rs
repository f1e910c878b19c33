//! Why nothing, or not all, was fetched, and what to do about it.

use crate::units;
use std::io;
use std::path::{Path, PathBuf};

/// A refusal, a failure, or a question.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// Asked to stop.
    #[error("cancelled")]
    Cancelled,
    /// The repository holds several GGUF models.
    #[error("{}", choose(id, wanted.as_deref(), choices))]
    Choose {
        /// The repository.
        id: String,
        /// The pattern that does not choose one of them.
        wanted: Option<String>,
        /// What there is.
        choices: Vec<Choice>,
    },
    /// No connection comes about.
    #[error(
        "{host} cannot be reached ({cause}); this machine seems to be offline, so check its network, and HF_ENDPOINT and \
         the proxy settings where they are set, and try again"
    )]
    Offline {
        /// The host that was tried.
        host: String,
        /// In the system's words.
        cause: String,
    },
    /// Anything else, in one or two sentences.
    #[error("{0}")]
    Failed(String),
}

/// A model of several in a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The file, or the first of its parts.
    pub name: String,
    /// Number of files.
    pub files: usize,
    /// All files together.
    pub bytes: u64,
}

/// Choices that are listed.
const LISTED: usize = 40;

fn choose(id: &str, wanted: Option<&str>, choices: &[Choice]) -> String {
    let listed = choices.iter().take(LISTED).map(|choice| format!("{} ({})", choice.name, units::bytes(choice.bytes)));
    let more = match choices.len().saturating_sub(LISTED) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    let listed = listed.collect::<Vec<_>>().join(", ") + &more;
    match wanted {
        None => format!(
            "{id} holds {} GGUF models; choose one with --include, such as --include Q4_K_M: {listed}",
            choices.len()
        ),
        Some(wanted) => format!("{wanted:?} does not name one GGUF model of {id}; there are: {listed}"),
    }
}

impl HubError {
    pub(super) fn failed(problem: impl Into<String>) -> Self {
        Self::Failed(problem.into())
    }

    /// Of a file on this machine.
    pub(super) fn io(path: &Path, what: &str, error: &io::Error) -> Self {
        Self::Failed(format!("{}: it cannot be {what}: {error}", path.display()))
    }

    /// A file that is there and is another.
    pub(super) fn exists(path: PathBuf) -> Self {
        Self::Failed(format!(
            "{}: it is there and differs from the hub's; choose another folder with --to, or replace it with --force",
            path.display()
        ))
    }
}
