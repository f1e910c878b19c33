//! Which tensor gets which format: presets, their rules, overrides by name, and the plan that follows, to the byte.
//!
//! Pure: a recipe and a model's tensor list go in, formats and sizes come out. The presets are data: a main format, and
//! steps away from it for some parts of a model. Where a size is asked for instead, [`Prediction`] says what each tensor loses
//! in each format, [`budget`] which of them lose least in so many bytes, and [`Mixer`] makes a recipe of that, a [`Mix`].

pub mod budget;
mod cut;
mod fallback;
mod importance;
mod level;
mod list;
mod mix;
mod mixer;
mod mixture;
mod plan;
mod predict;
mod preset;
mod ranks;
mod rules;
mod split;
mod warnings;

pub use fallback::{Fallback, FallbackGroup, fall_back};
pub use importance::Coverage;
pub use level::Level;
pub use list::PRESETS;
pub use mix::{Beside, MIX, Mix, MixError};
pub use mixer::{Mixed, Mixer, Standard, USUAL_TYPES, types_of};
pub use plan::{Plan, PlannedFile, PlannedTensor, choose_formats};
pub use predict::{Prediction, REFERENCE};
pub use preset::{Group, Preset, preset_from_name};
pub use ranks::{AdapterSize, Ranks, Spectrum, Spread, adaptable, factor_format};
pub use rules::quantizable;
pub use split::Split;

use crate::imatrix::{Gram, Imatrix, ImatrixError, Statistics};
use crate::quant::{Effort, FORMATS, FormatRef, format_from_name};
use regex::Regex;
use std::sync::Arc;

/// A preset with the user's overrides.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// Where it starts from.
    pub preset: &'static Preset,
    /// In the order given; the first that matches a tensor wins.
    pub overrides: Vec<Override>,
    /// Whether every matrix gets the preset's main format, without more bits for some.
    pub pure: bool,
    /// For `output.weight`; also for a token embedding that serves as output, in a preset that mixes formats.
    pub output: Option<FormatRef>,
    /// For `token_embd.weight`.
    pub token_embedding: Option<FormatRef>,
    /// Whether `output.weight` keeps its format, whatever else says.
    pub leave_output: bool,
    /// How much each column counts; without it every weight counts the same.
    pub imatrix: Option<Arc<Imatrix>>,
    /// How the columns of matrices go together; the blocks of what it knows are chosen by error feedback.
    pub gram: Option<Arc<Gram>>,
    /// The same of inputs behind matrices that are already quantized by this recipe, which comes before `gram`.
    pub sequence: Option<Arc<Gram>>,
    /// How long block searches may look; changes no size.
    pub effort: Effort,
    /// A format for each tensor, before all else; the preset is then what llama.cpp is told.
    pub mix: Option<Arc<Mix>>,
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
    /// The Gram matrices do not fit the model.
    #[error("{0}")]
    Gram(String),
    /// A mix names a tensor that is not there.
    #[error(
        "the recipe gives {tensor} a type, and this model has no such tensor that can be quantized; it was made for another \
         model"
    )]
    Mix {
        /// As it is named there.
        tensor: String,
    },
    /// Tensors that should be alike can have no format in common.
    #[error("{tensors} should have the same type, and there is none that all of them can have")]
    Alike {
        /// Their names.
        tensors: String,
    },
    /// No mix is so small.
    #[error(
        "{budget} bytes were asked for, and the smallest file of this model with these types has {smallest}; ask for \
         as many, or allow smaller types (--types)"
    )]
    Budget {
        /// What was asked for.
        budget: u64,
        /// The smallest that there is.
        smallest: u64,
    },
    /// The model cannot be cut into files as asked.
    #[error("{0}")]
    Split(String),
    /// No format has this name.
    #[error("there is no tensor type {name:?}; choose one of {known}")]
    UnknownFormat {
        /// As given.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// A format that was named for a tensor does not divide its rows.
    #[error(
        "{tensor} cannot be {format}: its rows of {columns} weights are no multiple of {format}'s {}; choose a type of \
         smaller blocks for it, such as Q8_0 (32) or F16 (any)",
        format.block_weights
    )]
    Rows {
        /// Its GGUF name.
        tensor: String,
        /// Weights in a row.
        columns: u64,
        /// What it cannot be.
        format: FormatRef,
    },
}

/// The format called `name`, in any case.
pub fn named_format(name: &str) -> Result<FormatRef, RecipeError> {
    format_from_name(name).ok_or_else(|| RecipeError::UnknownFormat { name: name.to_owned(), known: known_formats() })
}

fn known_formats() -> String {
    FORMATS.iter().map(|format| format.name).collect::<Vec<_>>().join(", ")
}

impl Recipe {
    /// A preset as it is.
    pub fn new(preset: &'static Preset) -> Self {
        Self {
            preset,
            overrides: Vec::new(),
            pure: false,
            output: None,
            token_embedding: None,
            leave_output: false,
            imatrix: None,
            gram: None,
            sequence: None,
            effort: Effort::default(),
            mix: None,
        }
    }

    /// For people and file names: the preset's name, or [`MIX`] where statistics chose otherwise.
    pub fn name(&self) -> &'static str {
        let is_chosen = self.mix.as_ref().is_some_and(|mix| mix.identity.is_some());
        if is_chosen { MIX } else { self.preset.name }
    }

    /// The same with what statistics say of importance, as a level of effort makes use of it. This is the one place where
    /// statistics enter a recipe; their Gram matrices are in the file at [`Statistics::path`].
    pub fn with_statistics(self, statistics: &Statistics, level: Level) -> Self {
        Self { imatrix: Some(Arc::clone(&statistics.imatrix)), effort: level.effort(), ..self }
    }

    /// The same with blocks chosen by error feedback, as far as statistics know how columns go together.
    pub fn with_feedback(self, statistics: &Statistics) -> Self {
        Self { gram: Some(Arc::clone(&statistics.gram)), ..self }
    }

    /// A preset by name, in any case, with overrides of the form `PATTERN=TYPE`.
    pub fn parse(name: &str, overrides: &[String]) -> Result<Self, RecipeError> {
        let preset = preset_from_name(name).ok_or_else(|| RecipeError::UnknownPreset {
            name: name.to_owned(),
            known: PRESETS.iter().map(|preset| preset.name).collect::<Vec<_>>().join(", "),
        })?;
        let overrides = overrides.iter().map(|text| Override::parse(text)).collect::<Result<_, _>>()?;
        Ok(Self { overrides, ..Self::new(preset) })
    }
}

impl Override {
    /// Reads `PATTERN=TYPE`, such as `attn_v=Q8_0` or `blk\.[0-3]\.ffn_down=Q6_K`.
    pub fn parse(text: &str) -> Result<Self, RecipeError> {
        let refuse = |problem: String| RecipeError::Override { text: text.to_owned(), problem };
        let Some((pattern, name)) = text.rsplit_once('=') else {
            return Err(refuse("has no '='; write PATTERN=TYPE, such as attn_v=Q8_0".to_owned()));
        };
        let format = format_from_name(name)
            .ok_or_else(|| refuse(format!("names the type {name:?}; choose one of {}", known_formats())))?;
        let pattern = Regex::new(&pattern.to_lowercase())
            .map_err(|error| refuse(format!("has a pattern that is no regular expression ({})", last_line(&error))))?;
        Ok(Self { pattern, format })
    }
}

/// A regex error draws the pattern over several lines; the last says what is wrong.
fn last_line(error: &regex::Error) -> String {
    error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}
