//! Starts packs.

use super::app::App;
use super::state::{Dialog, Packing, Then};
use crate::engine::{Command, PackOutput, PackRequest};
use crate::recipe::Split;
use std::path::PathBuf;

impl App {
    /// Packs what is chosen, after a question where something would be written over.
    pub(super) fn pack(&mut self, overwrite: bool) {
        self.state.dialog = None;
        let Some(opened) = &self.state.opened else { return };
        let is_ready = opened.choice.is_valid() && opened.choice.is_solved();
        if self.state.packing.is_some() || self.state.opening.is_some() || !is_ready {
            return;
        }
        if self.state.ask() {
            return;
        }
        let Some(opened) = &self.state.opened else { return };
        let paths = opened.outputs();
        let recipes = opened.choice.recipes().into_iter();
        let outputs = recipes.zip(&paths).map(|(recipe, path)| PackOutput { recipe, path: path.clone() });
        let outputs: Vec<PackOutput> = outputs.collect();
        let writes_recipe = opened.sizing.writes_recipe;
        let recipe_paths = outputs.iter().filter(|output| writes_recipe && output.recipe.mix.is_some());
        let recipe_paths = recipe_paths.map(PackOutput::recipe_path);
        let existing: Vec<PathBuf> = paths.iter().cloned().chain(recipe_paths).filter(|path| path.exists()).collect();
        if !overwrite && !existing.is_empty() {
            self.state.dialog = Some(Dialog::Replace(existing));
            return;
        }
        let request = PackRequest {
            model: opened.model.clone(),
            outputs,
            split: Split::Whole,
            overwrite,
            allow_nonfinite: opened.allows_nonfinite,
            recipes: writes_recipe,
            computing: self.state.computing(),
        };
        let mix = request.outputs.iter().find_map(|output| Some((&output.recipe, output.recipe.mix.as_ref()?)));
        let followed = mix.filter(|(_, mix)| mix.level.follows()).map(|(recipe, _)| recipe);
        let sequence = followed.and_then(|recipe| opened.sequence(recipe, self.state.computing()));
        self.pause_statistics();
        let (job, then) = match sequence {
            Some(sequence) => (self.engine.submit(Command::Sequence(sequence)), Then::Write(Box::new(request))),
            None => (self.engine.submit(Command::Pack(request)), Then::Done),
        };
        self.state.packing = Some(Packing { job, then, outputs: paths, progress: None, is_cancelling: false });
        self.state.warnings.clear();
    }

    /// Writes files for which the text was followed, as soon as it was.
    pub(super) fn pack_next(&mut self) {
        let Some(packing) = &mut self.state.packing else { return };
        match std::mem::take(&mut packing.then) {
            Then::Start(request) => packing.job = self.engine.submit(Command::Pack(*request)),
            other => packing.then = other,
        }
    }
}
