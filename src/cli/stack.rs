//! A model that is pruned on the way to being packed, and what is told of that.

use super::mix::goal::Goal;
use super::prune;
use super::session::{Quit, Session};
use crate::engine::{
    Command, Comparing, Computing, EventKind, Lineage, OutputReport, PruneReport, PruneRequest, Standings, WeighRequest,
};
use crate::model::Model;
use crate::prune::{Cut, Layers};
use crate::recipe::{Level, Recipe};
use std::path::PathBuf;
use std::sync::Arc;

/// What is to become of a model.
pub(super) struct Stack<'a> {
    /// As it was.
    original: Arc<Model>,
    cut: Cut,
    /// None where nothing was to go.
    pub(super) pruned: Option<Arc<PruneReport>>,
    goal: &'a Goal,
    computing: &'a Computing,
}

impl<'a> Stack<'a> {
    /// Prunes, with single weights quantized by a recipe in the same pass, if one is given.
    pub(super) fn new(
        session: &mut Session,
        original: Arc<Model>,
        cut: Cut,
        quantizing: Option<Recipe>,
        (goal, computing): (&'a Goal, &'a Computing),
    ) -> Result<Self, Quit> {
        let mut stack = Self { original, cut, pruned: None, goal, computing };
        if stack.cut.is_nothing() {
            return Ok(stack);
        }
        let (text, chunks) = goal.observed_on();
        let request = PruneRequest {
            model: Arc::clone(&stack.original),
            cut: stack.cut.clone(),
            quantizing,
            text,
            chunks,
            comparing: None,
            computing: computing.clone(),
        };
        let EventKind::Pruned(report) = session.run(Command::Prune(request))? else {
            return Err(Quit::Failed("the engine gave no report".to_owned()));
        };
        stack.pruned = Some(report);
        Ok(stack)
    }

    /// What is packed.
    pub(super) fn model(&self) -> &Arc<Model> {
        self.pruned.as_ref().map_or(&self.original, |report| &report.model)
    }

    /// What an adapter brings the file nearer to. Weights that were quantized when they were pruned lose nothing by being quantized,
    /// so they say nothing of what errors cost.
    pub(super) fn dense(&self) -> &Arc<Model> {
        self.pruned.as_ref().map_or(&self.original, |report| &report.dense)
    }

    /// What adapters are told, if something went.
    pub(super) fn lineage(&self) -> Option<Lineage> {
        let (text, chunks) = self.goal.observed_on();
        let (original, dense) = (Arc::clone(&self.original), Arc::clone(self.dense()));
        self.pruned.as_ref().map(|_| Lineage { original, dense, text, chunks })
    }

    /// What went, layers by number: whatever the text or the device would say another time.
    pub(super) fn gone(&self) -> Option<Cut> {
        let report = self.pruned.as_ref()?;
        let layers: Vec<u64> = report.rounds.iter().map(|round| round.dropped).collect();
        let layers = if layers.is_empty() { Layers::None } else { Layers::These(layers) };
        Some(Cut { layers, ..self.cut.clone() })
    }

    /// Measures a file of what is left, if something went, beside quantization alone.
    pub(super) fn weigh(
        &self,
        session: &mut Session,
        (recipe, output): (&Recipe, &OutputReport),
        level: Level,
    ) -> Result<Option<Arc<Standings>>, Quit> {
        if self.pruned.is_none() {
            return Ok(None);
        }
        let measured: Option<PathBuf> = self.goal.measure.clone().flatten();
        let (text, chunks) = self.goal.observed_on();
        let request = WeighRequest {
            original: Arc::clone(&self.original),
            model: Arc::clone(self.model()),
            packed: Some(session.open(&output.path)?),
            coded: None,
            text,
            chunks,
            comparing: Comparing { recipe: recipe.clone(), level, text: measured, chunks: None },
            computing: self.computing.clone(),
        };
        match session.run(Command::Weigh(Box::new(request)))? {
            EventKind::Weighed(found) => Ok(Some(found)),
            _ => Err(Quit::Failed("the engine gave no report".to_owned())),
        }
    }

    /// What went, and why.
    pub(super) fn print(&self) {
        self.pruned.iter().for_each(|report| prune::print_steps(report));
    }
}
