//! Fetching a model by name: what was typed, and how far it is.

use crate::engine::{JobId, Progress};
use crate::hub::{Choice, PullRequest, RepoId};
use std::path::PathBuf;

/// What the dialog holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Download {
    /// The model's name, as typed.
    pub id: String,
    /// A branch, tag or commit, as typed; the main branch where it is empty.
    pub revision: String,
    /// The folder that the model's own folder goes into.
    pub folder: PathBuf,
    /// GGUF models to choose from, where the repository holds several.
    pub choices: Vec<Choice>,
    /// The one chosen.
    pub chosen: Option<String>,
    /// Why the last try ended.
    pub problem: Option<String>,
}

/// A download under way.
#[derive(Clone, Debug)]
pub struct Downloading {
    /// The job that fetches.
    pub job: JobId,
    /// The latest progress.
    pub progress: Option<Progress>,
}

impl Download {
    /// An empty form. Models go where downloads go, or else to the user's own folder.
    pub fn new() -> Self {
        let dirs = directories::UserDirs::new();
        let usual = dirs.as_ref().and_then(|dirs| dirs.download_dir().map(ToOwned::to_owned));
        let home = || dirs.as_ref().map(|dirs| dirs.home_dir().to_owned());
        Self {
            id: String::new(),
            revision: String::new(),
            folder: usual.or_else(home).unwrap_or_default(),
            choices: Vec::new(),
            chosen: None,
            problem: None,
        }
    }

    /// What to fetch, or why it is not clear.
    pub fn request(&self) -> Result<PullRequest, String> {
        let id = RepoId::parse(&self.id).map_err(|error| error.to_string())?;
        let revision = self.revision.trim();
        Ok(PullRequest {
            folder: self.folder.join(id.name()),
            id,
            revision: (!revision.is_empty()).then(|| revision.to_owned()),
            include: self.chosen.clone(),
            replace: false,
        })
    }

    /// Where the model goes.
    pub fn destination(&self) -> PathBuf {
        let name = RepoId::parse(&self.id).map(|id| id.name().to_owned());
        self.folder.join(name.unwrap_or_else(|_| "…".to_owned()))
    }

    /// Another name has other models.
    pub fn rename(&mut self, id: String) {
        self.id = id;
        self.choices.clear();
        self.chosen = None;
        self.problem = None;
    }
}

impl Default for Download {
    fn default() -> Self {
        Self::new()
    }
}
