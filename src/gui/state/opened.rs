//! What the opened model's choices come down to: files to write, errors to show.

use super::{Opened, Target, file_name};
use crate::engine::OpenRequest;
use crate::gui::errors::Errors;
use crate::recipe::Preset;
use std::path::{Path, PathBuf};

impl Opened {
    /// The same model without an adapter that is merged into it.
    pub(in crate::gui) fn without_adapter(&self, place: usize) -> Option<Target> {
        let mut adapters: Vec<_> = self.source.adapters.iter().map(|merged| merged.choice.clone()).collect();
        (place < adapters.len()).then(|| adapters.remove(place))?;
        Some(Target::Merged(OpenRequest { path: self.source.path.clone(), adapters }))
    }

    /// The files that Pack writes, in the order of [`Choice::recipes`](crate::gui::Choice::recipes).
    pub fn outputs(&self) -> Vec<PathBuf> {
        let decision = self.choice.decision();
        let default = |preset: &&Preset| self.model.default_file_name(preset.name);
        let names = match (&decision.ticked[..], &self.destination.name) {
            (ticked, Some(name)) if ticked.len() == 1 || decision.size.is_some() => vec![name.clone()],
            _ if decision.size.is_some() => vec![self.model.default_file_name(self.choice.name())],
            (ticked, _) => ticked.iter().map(default).collect(),
        };
        names.iter().map(|name| self.destination.folder.join(name)).collect()
    }

    /// Lists the tensors of a group of fallbacks, or no longer.
    pub(in crate::gui) fn unfold(&mut self, group: usize) {
        if !self.unfolded.remove(&group) {
            self.unfolded.insert(group);
        }
    }

    /// Shows these errors, in the table as well.
    pub(in crate::gui) fn set_errors(&mut self, errors: Option<Errors>) {
        let relative = |errors: &Errors| {
            let of = |tensor| errors.of(tensor).map(|found| found.error.judged().relative_rmse());
            (0..self.model.tensors.len()).map(of).collect()
        };
        self.table.errors = errors.as_ref().map(relative).unwrap_or_default();
        self.table.update(&self.model, &self.choice.plan);
        self.errors = errors;
    }

    /// Writes to `path` from now on; the name goes on following the type where it is the type's own.
    pub fn save_to(&mut self, path: &Path) {
        self.destination.folder = path.parent().map(Path::to_owned).unwrap_or_default();
        let name = file_name(path);
        self.destination.name = (name != self.model.default_file_name(self.choice.name())).then_some(name);
    }
}

/// Beside the model; the sample's file goes to the user's documents, because its own folder is the program's.
pub(super) fn default_folder(model: &Path, is_sample: bool) -> PathBuf {
    if is_sample || model.ends_with("assets/sample") {
        let dirs = directories::UserDirs::new();
        let documents = dirs.as_ref().and_then(|dirs| dirs.document_dir()).filter(|folder| folder.is_dir());
        return documents.map(Path::to_owned).or_else(|| std::env::current_dir().ok()).unwrap_or_default();
    }
    let absolute = std::path::absolute(model).unwrap_or_else(|_| model.to_owned());
    absolute.parent().map(Path::to_owned).unwrap_or_default()
}
