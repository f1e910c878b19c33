//! What the user chose for the opened model, and the plan that follows: recomputed at each change, so what is shown is
//! exact to the byte. Choices can be undone.

use super::decision::{Asked, Decision};
use super::history::History;
use crate::imatrix::Imatrix;
use crate::model::Model;
use crate::quant::FormatRef;
use crate::recipe::{Coverage, FallbackGroup, MIX, Override, PRESETS, Plan, Preset, Recipe, RecipeError};
use rayon::prelude::*;
use regex::Regex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Tensors named by one pattern at most, so that no pattern grows too large to compile.
const NAMES: usize = 200;

/// A decision, what comes of it, and how it came about.
#[derive(Clone, Debug)]
pub struct Choice {
    decision: Decision,
    /// Why a line of [`Decision::patterns`] cannot be applied; as many as there are lines.
    pub problems: Vec<Option<String>>,
    /// The plan of the type, the picks and the valid patterns; where a size is asked for, of the last that was solved.
    pub plan: Plan,
    /// What to know before packing the ticked types, each in a sentence without its full stop.
    pub cautions: Vec<String>,
    /// The plan's fallbacks, by what they have in common.
    pub fallbacks: Vec<FallbackGroup>,
    /// The formats of the same plan without the picks, in the order of [`Model::tensors`]; none where a size is asked for.
    pub unpicked: Vec<FormatRef>,
    /// File size and bits per weight of every type with these overrides, in the order of [`PRESETS`].
    pub sizes: Vec<Size>,
    /// The picks and the valid patterns.
    overrides: Vec<Override>,
    /// The size that the plan is of.
    solved: Option<Asked>,
    history: History<Decision>,
    /// What the last changes were of, which are one step to undo.
    going_on: Option<GoingOn>,
}

/// Changes that follow each other as fast as keys and pointers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum GoingOn {
    /// Keystrokes in a line of patterns.
    Pattern(usize),
    /// Moves of the slider.
    Size,
}

/// What a type would cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Size {
    /// The whole file.
    pub file_bytes: u64,
    /// Bits of tensor data for each weight.
    pub bits_per_weight: f64,
}

impl Choice {
    /// A type without overrides.
    pub fn new(model: &Model, preset: &'static Preset) -> Self {
        let plan = Plan::new(model, &Recipe::new(preset)).expect("only an override can be refused");
        let mut choice = Self {
            decision: Decision::new(preset),
            problems: Vec::new(),
            plan,
            cautions: Vec::new(),
            fallbacks: Vec::new(),
            unpicked: Vec::new(),
            sizes: Vec::new(),
            overrides: Vec::new(),
            solved: None,
            history: History::default(),
            going_on: None,
        };
        choice.update(model);
        choice
    }

    /// What is chosen.
    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    /// Changes the decision, as one step that can be undone, and plans anew.
    pub fn change(&mut self, model: &Model, change: impl FnOnce(&mut Decision)) {
        let before = self.decision.clone();
        change(&mut self.decision);
        self.going_on = None;
        if self.decision != before {
            self.history.record(before);
            self.update(model);
        }
    }

    /// Changes the text of a pattern. Keystrokes in one line are one step.
    pub fn edit_pattern(&mut self, model: &Model, index: usize, text: String) {
        let Some(line) = self.decision.patterns.get_mut(index) else { return };
        if self.going_on == Some(GoingOn::Pattern(index)) {
            *line = text;
            return self.update(model);
        }
        self.change(model, |decision| decision.patterns[index] = text);
        self.going_on = Some(GoingOn::Pattern(index));
    }

    /// Asks for another size, of which the plan is not known yet. Moves of a slider are one step.
    pub fn ask_size(&mut self, model: &Model, asked: Asked) {
        let is_first = self.decision.size.is_none();
        if is_first || self.going_on != Some(GoingOn::Size) {
            self.history.record(self.decision.clone());
        }
        self.decision.size = Some(asked);
        self.going_on = Some(GoingOn::Size);
        if is_first {
            self.update(model);
        }
    }

    /// The next move of the slider is a step of its own.
    pub fn let_go(&mut self) {
        self.going_on = None;
    }

    /// Takes in what was found for a size.
    pub fn take_mix(&mut self, asked: Asked, plan: Plan, cautions: Vec<String>) {
        self.fallbacks = FallbackGroup::of(&plan.fallbacks);
        (self.plan, self.cautions, self.solved) = (plan, cautions, Some(asked));
    }

    /// The mix in view is no longer what would be found.
    pub fn forget_mix(&mut self) {
        self.solved = None;
    }

    /// Whether the plan is that of the decision.
    pub fn is_solved(&self) -> bool {
        self.decision.size.is_none() || self.solved == self.decision.size
    }

    /// For file names: the name of the type, or [`MIX`].
    pub fn name(&self) -> &'static str {
        if self.decision.size.is_some() { MIX } else { self.decision.preset.name }
    }

    /// For people: the name of the type, or that it is a mix.
    pub fn title(&self) -> &'static str {
        if self.decision.size.is_some() { "the mix" } else { self.decision.preset.name }
    }

    /// What is chosen for single tensors, as far as it can be applied.
    pub fn overrides(&self) -> &[Override] {
        &self.overrides
    }

    /// Uses an importance matrix, if it is of this model.
    pub fn use_imatrix(&mut self, model: &Model, imatrix: Arc<Imatrix>) -> Result<(), RecipeError> {
        Plan::new(model, &Recipe { imatrix: Some(imatrix.clone()), ..Recipe::new(self.decision.preset) })?;
        self.change(model, |decision| decision.imatrix = Some(imatrix));
        Ok(())
    }

    /// Takes the last change back; false where there is none. The plan is that of before until [`Self::update`].
    pub fn undo(&mut self) -> bool {
        self.going_on = None;
        self.history.undo(&mut self.decision)
    }

    /// Makes the change again that was taken back last; false where there is none. The plan is that of before until
    /// [`Self::update`].
    pub fn redo(&mut self) -> bool {
        self.going_on = None;
        self.history.redo(&mut self.decision)
    }

    /// Whether there is something to undo.
    pub fn can_undo(&self) -> bool {
        self.history.can_undo()
    }

    /// Whether there is something to redo.
    pub fn can_redo(&self) -> bool {
        self.history.can_redo()
    }

    /// Plans anew for a model, which is the one with the decision's settings.
    pub fn update(&mut self, model: &Model) {
        let preset = self.decision.preset;
        let lines = self.decision.patterns.iter().map(|text| parse(text, model, preset));
        let (patterns, problems): (Vec<_>, Vec<_>) = lines
            .map(|line| match line {
                Ok(pattern) => (pattern, None),
                Err(problem) => (None, Some(problem)),
            })
            .unzip();
        self.problems = problems;
        let patterns: Vec<Override> = patterns.into_iter().flatten().collect();
        let overrides = [picked(model, &self.decision.picks), patterns.clone()].concat();
        let imatrix = self.decision.imatrix.clone();
        let plan = |preset, overrides: &[Override]| {
            let recipe = Recipe { overrides: overrides.to_vec(), imatrix: imatrix.clone(), ..Recipe::new(preset) };
            Plan::new(model, &recipe).expect("each override and the matrix were accepted on their own")
        };
        self.solved = None;
        let plans: Vec<Plan> = PRESETS.par_iter().map(|preset| plan(preset, &overrides)).collect();
        let size = |plan: &Plan| Size { file_bytes: plan.file_bytes, bits_per_weight: plan.bits_per_weight };
        self.sizes = plans.iter().map(size).collect();
        self.unpicked = Vec::new();
        if self.decision.size.is_none() {
            self.plan = plan(preset, &overrides);
            let coverage = self.plan.coverage(model);
            let ticked = plans.iter().filter(|plan| self.decision.ticked.contains(&plan.recipe.preset));
            self.cautions = Plan::warnings_of(ticked);
            self.cautions.extend(coverage.iter().flat_map(Coverage::warnings));
            self.fallbacks = FallbackGroup::of(&self.plan.fallbacks);
            self.unpicked = plan(preset, &patterns).tensors.iter().map(|tensor| tensor.format).collect();
        }
        self.overrides = overrides;
    }

    /// Whether every pattern can be applied.
    pub fn is_valid(&self) -> bool {
        self.problems.iter().all(Option::is_none)
    }

    /// What a type would cost with these overrides.
    pub fn size(&self, preset: &Preset) -> Size {
        let place = PRESETS.iter().position(|of| of == preset).expect("a type is one of the list");
        self.sizes[place]
    }

    /// The bytes of all files to write.
    pub fn total_bytes(&self) -> u64 {
        if self.decision.size.is_some() {
            return self.plan.file_bytes;
        }
        self.decision.ticked.iter().map(|preset| self.size(preset).file_bytes).sum()
    }

    /// The recipe of a type with these overrides.
    pub fn recipe(&self, preset: &'static Preset) -> Recipe {
        let (overrides, imatrix) = (self.overrides.clone(), self.decision.imatrix.clone());
        Recipe { overrides, imatrix, ..Recipe::new(preset) }
    }

    /// What is to be written: a recipe for each file.
    pub fn recipes(&self) -> Vec<Recipe> {
        match self.decision.size {
            Some(_) => vec![self.plan.recipe.clone()],
            None => self.decision.ticked.iter().map(|preset| self.recipe(preset)).collect(),
        }
    }
}

/// The picks as overrides: for each format, patterns that match just the names of its tensors.
fn picked(model: &Model, picks: &BTreeMap<usize, FormatRef>) -> Vec<Override> {
    let mut names: Vec<(FormatRef, Vec<String>)> = Vec::new();
    for (&index, &format) in picks {
        let name = regex::escape(&model.tensors[index].name);
        match names.iter_mut().find(|(of, names)| *of == format && names.len() < NAMES) {
            Some((_, names)) => names.push(name),
            None => names.push((format, vec![name])),
        }
    }
    let pattern = |names: &[String]| {
        let whole = format!("^(?:{})$", names.join("|"));
        Regex::new(&whole).expect("a few hundred names of at most 63 bytes each are no large pattern")
    };
    names.iter().map(|(format, names)| Override { pattern: pattern(names), format }).collect()
}

/// An override, none for an empty line, or what is wrong with it.
fn parse(text: &str, model: &Model, preset: &'static Preset) -> Result<Option<Override>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let problem = |error: RecipeError| match error {
        RecipeError::Override { problem, .. } => format!("It {problem}."),
        other => other.to_string(),
    };
    let parsed = Override::parse(text).map_err(problem)?;
    Plan::new(model, &Recipe { overrides: vec![parsed.clone()], ..Recipe::new(preset) }).map_err(problem)?;
    Ok(Some(parsed))
}
