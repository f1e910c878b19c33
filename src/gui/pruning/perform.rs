//! Starts and stops the job of the pruning tab.

use super::{Proposal, Trim};
use crate::engine::{Command, Comparing, PruneRequest};
use crate::gui::app::App;
use crate::recipe::{Level, Recipe};

impl App {
    /// Carries out what the user asks for in the pruning tab.
    pub(in crate::gui) fn trim(&mut self, trim: Trim) {
        match trim {
            Trim::Measure => self.prune(),
            Trim::Cancel => self.stop_pruning(),
            Trim::Use => {
                let found = self.state.opened.as_ref().and_then(|opened| opened.pruned());
                if let Some(model) = found.map(|pruned| pruned.report.model.clone()) {
                    self.stop_pruning();
                    self.stop_inquiry();
                    self.stop_statistics();
                    self.state.show(model, false);
                }
            }
            change => {
                if let Some(opened) = &mut self.state.opened {
                    opened.pruning.change(change);
                }
            }
        }
    }

    fn prune(&mut self) {
        let computing = self.state.computing();
        let Some(opened) = self.state.opened.as_mut().filter(|opened| opened.choice.is_valid()) else { return };
        if opened.pruning.running.is_some() || opened.pruning.cut.is_nothing() {
            return;
        }
        let recipe = &opened.choice.plan.recipe;
        let settings = &opened.quality.settings;
        let request = PruneRequest {
            model: opened.model.clone(),
            cut: opened.pruning.cut.clone(),
            // What is gone on with is quantized in any way.
            quantizing: None,
            text: opened.sizing.text.clone(),
            chunks: opened.sizing.chunks,
            comparing: Some(Comparing {
                recipe: Recipe { mix: None, imatrix: None, gram: None, sequence: None, ..recipe.clone() },
                level: Level::Fast,
                text: settings.text.clone(),
                chunks: settings.chunks,
            }),
            computing,
        };
        let proposal = Proposal::of(&request.cut, &opened.choice.plan);
        let job = self.engine.submit(Command::Prune(request));
        opened.pruning.problem = None;
        opened.pruning.running = Some((job, proposal, None));
    }

    /// Nothing is left to clean up, so nobody waits for its end.
    pub(in crate::gui) fn stop_pruning(&mut self) {
        let running = self.state.opened.as_mut().and_then(|opened| opened.pruning.running.take());
        if let Some((job, _, _)) = running {
            self.engine.cancel(job);
        }
    }
}
