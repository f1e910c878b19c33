//! The inverse question: which type for a machine and a context?

use super::answer::Fitter;
use super::machine::Machine;
use super::settings::Settings;
use super::subject::Subject;
use crate::model::Model;
use crate::recipe::{PRESETS, Plan, Preset, Recipe};
use rayon::prelude::*;

/// A type that could be written.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The type.
    pub preset: &'static Preset,
    /// Of its file.
    pub file_bytes: u64,
    /// The model in this type.
    pub subject: Subject,
}

/// Every type with a format of its own, the largest file first. `recipe` gives overrides and importance matrix; types
/// that need a matrix are left out where there is none.
pub fn candidates(model: &Model, recipe: &Recipe, projector: u64) -> Vec<Candidate> {
    let is_possible = |preset: &&Preset| preset.format.is_some() && (recipe.imatrix.is_some() || !preset.needs_imatrix);
    let candidate = |preset: &'static Preset| {
        let plan = Plan::new(model, &Recipe { preset, ..recipe.clone() }).ok()?;
        let subject = Subject::planned(model, &plan).with_projector(projector);
        Some(Candidate { preset, file_bytes: plan.file_bytes, subject })
    };
    let mut candidates: Vec<_> = PRESETS.par_iter().filter(is_possible).filter_map(candidate).collect();
    candidates.sort_by_key(|candidate| std::cmp::Reverse(candidate.file_bytes));
    candidates
}

/// The largest of the types that is fully where it is fastest on a machine, run so. Candidates come largest first.
pub fn largest_type<'a>(candidates: &'a [Candidate], machine: &Machine, settings: &Settings) -> Option<&'a Candidate> {
    let first = candidates.partition_point(|of| !Fitter::new(&of.subject, *settings).fits_fully(machine));
    candidates.get(first)
}
