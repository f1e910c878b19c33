//! What the user chose for the opened model, and the plan that follows: recomputed at each change, so what is shown is
//! exact to the byte.

use crate::model::Model;
use crate::recipe::{Override, PRESETS, Plan, Preset, Recipe, RecipeError};

/// A type with overrides, and what comes of it.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The type.
    pub preset: &'static Preset,
    /// In the order typed.
    pub overrides: Vec<OverrideLine>,
    /// The plan of the type and the valid overrides.
    pub plan: Plan,
    /// File size and bits per weight of every type with these overrides, in the order of [`PRESETS`].
    pub sizes: Vec<Size>,
}

/// A line of the form `PATTERN=TYPE`, as typed.
#[derive(Clone, Debug, Default)]
pub struct OverrideLine {
    /// As typed.
    pub text: String,
    /// Why it cannot be applied.
    pub problem: Option<String>,
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
        let mut choice = Self { preset, overrides: Vec::new(), plan, sizes: Vec::new() };
        choice.update(model);
        choice
    }

    /// Plans anew after a change of type or overrides.
    pub fn update(&mut self, model: &Model) {
        let mut overrides = Vec::new();
        for line in &mut self.overrides {
            let parsed = parse(&line.text, model, self.preset);
            line.problem = parsed.as_ref().err().cloned();
            overrides.extend(parsed.ok().flatten());
        }
        let plan = |preset| {
            let recipe = Recipe { overrides: overrides.clone(), ..Recipe::new(preset) };
            Plan::new(model, &recipe).expect("each override was accepted on its own")
        };
        self.sizes = PRESETS
            .iter()
            .map(plan)
            .map(|plan| Size { file_bytes: plan.file_bytes, bits_per_weight: plan.bits_per_weight })
            .collect();
        self.plan = plan(self.preset);
    }

    /// Whether every override can be applied.
    pub fn is_valid(&self) -> bool {
        self.overrides.iter().all(|line| line.problem.is_none())
    }

    /// The next of the list, `step` further down, without running over its ends.
    pub fn neighbour(&self, step: isize) -> &'static Preset {
        let now = PRESETS.iter().position(|preset| preset.name == self.preset.name).unwrap_or(0);
        &PRESETS[now.saturating_add_signed(step).min(PRESETS.len() - 1)]
    }
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
