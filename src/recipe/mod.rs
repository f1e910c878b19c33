//! Which tensor gets which format: presets, their rules, overrides by name, and the plan that follows, to the byte.
//!
//! Pure: a recipe and a model's tensor list go in, formats and sizes come out.

mod importance;
mod plan;
mod preset;
mod rules;

pub use importance::Coverage;
pub use plan::{Fallback, FallbackGroup, Plan, PlannedTensor, choose_formats};
pub use preset::{PRESETS, Preset, preset_from_name};

use crate::imatrix::{Imatrix, ImatrixError};
use crate::quant::{FORMATS, FormatRef, format_from_name};
use regex::Regex;
use std::sync::Arc;

/// A preset with the user's overrides.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// Where it starts from.
    pub preset: &'static Preset,
    /// In the order given; the first that matches a tensor wins.
    pub overrides: Vec<Override>,
    /// How much each column counts; without it every weight counts the same.
    pub imatrix: Option<Arc<Imatrix>>,
}

/// A format for all tensors whose name matches.
#[derive(Clone, Debug)]
pub struct Override {
    /// Looked for anywhere in the GGUF name, as llama-quantize does.
    pub pattern: Regex,
    /// What they get.
    pub format: FormatRef,
}

/// Why a recipe cannot be applied.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// The text is not of the form PATTERN=TYPE, or its parts mean nothing.
    #[error("the override {text:?} {problem}")]
    Override {
        /// As given.
        text: String,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// No preset has this name.
    #[error("there is no type {name:?}; choose one of {known}")]
    UnknownPreset {
        /// As given.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// The imatrix does not fit the model.
    #[error(transparent)]
    Imatrix(#[from] ImatrixError),
}

impl Recipe {
    /// A preset without overrides.
    pub fn new(preset: &'static Preset) -> Self {
        Self { preset, overrides: Vec::new(), imatrix: None }
    }

    /// A preset by name, in any case, with overrides of the form `PATTERN=TYPE`.
    pub fn parse(name: &str, overrides: &[String]) -> Result<Self, RecipeError> {
        let preset = preset_from_name(name).ok_or_else(|| RecipeError::UnknownPreset {
            name: name.to_owned(),
            known: PRESETS.iter().map(|preset| preset.name).collect::<Vec<_>>().join(", "),
        })?;
        let overrides = overrides.iter().map(|text| Override::parse(text)).collect::<Result<_, _>>()?;
        Ok(Self { preset, overrides, imatrix: None })
    }
}

impl Override {
    /// Reads `PATTERN=TYPE`, such as `attn_v=Q8_0` or `blk\.[0-3]\.ffn_down=Q6_K`.
    pub fn parse(text: &str) -> Result<Self, RecipeError> {
        let refuse = |problem: String| RecipeError::Override { text: text.to_owned(), problem };
        let Some((pattern, name)) = text.rsplit_once('=') else {
            return Err(refuse("has no '='; write PATTERN=TYPE, such as attn_v=Q8_0".to_owned()));
        };
        let format = format_from_name(name).ok_or_else(|| {
            let known = FORMATS.iter().map(|f| f.name).collect::<Vec<_>>().join(", ");
            refuse(format!("names the type {name:?}; choose one of {known}"))
        })?;
        let pattern = Regex::new(&pattern.to_lowercase())
            .map_err(|error| refuse(format!("has a pattern that is no regular expression ({})", last_line(&error))))?;
        Ok(Self { pattern, format })
    }
}

/// A regex error draws the pattern over several lines; the last says what is wrong.
fn last_line(error: &regex::Error) -> String {
    error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}
