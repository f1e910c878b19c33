//! Adapters for what quantization lost, beside more bits: what was measured of them, and the jobs that measure.

use super::{Inquiry, Running, Trial, Work};
use crate::engine::{AdapterSize, Command, EventKind, LowRankReport, LowRankRequest, StatisticsRequest};
use crate::gui::app::App;
use crate::gui::state::Opened;
use crate::model::Model;
use crate::quant::F16;
use crate::recipe::{Level, Ranks, Spectrum, USUAL_TYPES, adaptable};
use std::ops::RangeInclusive;
use std::sync::Arc;

/// Ranks of adapters that are measured in the same pass.
const MEASURED: [usize; 5] = [1, 2, 4, 8, 16];
/// Ranks that the slider offers.
pub(in crate::gui) const RANKS: RangeInclusive<usize> = 1..=32;

/// What the part of the tab about adapters shows.
#[derive(Debug)]
pub struct Adapters {
    /// Of the adapter in view: as many bytes as this rank takes for every matrix.
    pub rank: usize,
    /// What was measured of a recipe.
    pub found: Vec<(Trial, Arc<LowRankReport>)>,
    /// Matrices that may get ranks, of which nothing else is known.
    unknown: Ranks,
    /// Bytes of an adapter's file before its tensors.
    header: u64,
}

/// An adapter as it would be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prospect {
    /// Bytes of its file; the most it may have, where nothing was measured.
    pub bytes: u64,
    /// The KL divergence that is predicted with it, where something was measured.
    pub predicted: Option<f64>,
}

impl Adapters {
    /// Of a model of which nothing was measured.
    pub(super) fn new(model: &Model) -> Self {
        let taken = model.tensors.iter().filter(|tensor| adaptable(tensor));
        let spectra = taken.map(|tensor| Spectrum::new(tensor, 0.0, vec![0.0; *RANKS.end()])).collect();
        let header = model.error_adapter(Vec::new(), 1.0).header_len;
        Self { rank: 8, found: Vec::new(), unknown: Ranks::new(spectra, &F16), header }
    }

    /// Adds what was measured of a recipe, in the place of what was before.
    pub(super) fn add(&mut self, trial: Trial, report: Arc<LowRankReport>) {
        self.found.retain(|(known, _)| known.decision != trial.decision);
        self.found.push((trial, report));
    }
}

impl Opened {
    /// What was measured of adapters for the recipe in view.
    pub fn adapters(&self) -> Option<&Arc<LowRankReport>> {
        self.quality.adapters.found.iter().find(|(trial, _)| self.is_current(trial)).map(|(_, report)| report)
    }

    /// The adapter of a rank for the recipe in view.
    pub fn prospect(&self, rank: usize) -> Prospect {
        let Adapters { unknown, header, .. } = &self.quality.adapters;
        match self.adapters() {
            Some(report) => {
                let (bytes, predicted) = report.predict(rank);
                Prospect { bytes, predicted: Some(predicted) }
            }
            None => Prospect { bytes: header.next_multiple_of(32) + unknown.uniform_bytes(rank), predicted: None },
        }
    }
}

impl App {
    /// Measures adapters for the recipe in view. What inputs are like is found first, if it is not known.
    pub(super) fn adapt(&mut self) {
        let computing = self.state.computing();
        let path = self.statistics.clone();
        let is_ready = |opened: &&mut Opened| opened.choice.is_valid() && opened.choice.is_solved();
        let Some(opened) = self.state.opened.as_mut().filter(is_ready) else { return };
        if opened.quality.running.is_some() {
            return;
        }
        let request = StatisticsRequest {
            model: Arc::clone(&opened.model),
            text: opened.sizing.text.clone(),
            chunks: opened.sizing.chunks,
            level: Some(Level::Fast),
            types: USUAL_TYPES.to_vec(),
            path,
            expected: None,
            computing,
        };
        let work = Work::Observing(Box::new(opened.trial()));
        let job = self.engine.submit(Command::Statistics(request));
        opened.quality.problem = None;
        opened.quality.running = Some(Running { job, progress: None, work });
    }

    /// Goes on with what was found of inputs.
    pub(in crate::gui) fn adapt_next(&mut self) {
        let computing = self.state.computing();
        let Some(opened) = &mut self.state.opened else { return };
        let Some((trial, statistics)) = opened.quality.observed.take() else { return };
        let settings = &opened.quality.settings;
        let request = LowRankRequest {
            model: Arc::clone(&opened.model),
            lineage: None,
            recipe: trial.recipe.clone(),
            packed: None,
            sizes: MEASURED.map(AdapterSize::Rank).to_vec(),
            format: &F16,
            statistics,
            level: Level::Fast,
            text: settings.text.clone(),
            context: settings.context,
            chunks: settings.chunks,
            path: None,
            overwrite: false,
            computing,
        };
        let job = self.engine.submit(Command::LowRank(Box::new(request)));
        opened.quality.running = Some(Running { job, progress: None, work: Work::Adapting(Box::new(trial)) });
    }
}

impl super::Quality {
    /// Takes in what a job of this part found; gives back what is of another.
    pub(super) fn apply_adapters(&mut self, kind: EventKind) -> Option<EventKind> {
        match (kind, self.running.take()) {
            (EventKind::Statistics(report), Some(Running { work: Work::Observing(trial), .. })) => {
                self.observed = Some((*trial, Arc::clone(&report.statistics)));
            }
            (EventKind::LowRank(report), Some(Running { work: Work::Adapting(trial), .. })) => {
                self.adapters.add(*trial, report);
            }
            (kind, running) => {
                self.running = running;
                return Some(kind);
            }
        }
        None
    }
}

impl Inquiry {
    /// What is told of wishes of this part.
    pub(super) fn about_adapters(&self) -> &'static str {
        match self {
            Self::Adapt => {
                "Find what an adapter of low rank makes good of what this type loses, and measure that beside as many bytes of \
                 more bits. Nothing is written; tuck pack --adapter-rank writes it."
            }
            _ => "As many bytes as this rank takes for every matrix. Ranks go where they gain most.",
        }
    }
}
