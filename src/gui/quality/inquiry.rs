//! What a user can ask for in the quality tab.

use crate::gui::state::file_name;
use crate::units;
use std::path::PathBuf;

/// One thing a user can ask for there.
#[derive(Clone, Debug, PartialEq)]
pub enum Inquiry {
    /// Show this part of the tab.
    Turn(View),
    /// Choose the text in a dialog.
    ChooseText,
    /// Measure on this file, or on the text that comes with Tuck.
    Text(Option<PathBuf>),
    /// At most so many chunks of it.
    Chunks(Option<usize>),
    /// Tokens of a chunk.
    Context(usize),
    /// Measure the recipe in view.
    Measure,
    /// Measure the types that people choose among.
    MeasureUsual,
    /// Tell of this one of the measurements.
    Look(usize),
    /// Type what to ask.
    Prompt(String),
    /// At most so many tokens an answer.
    Tokens(usize),
    /// Let both answer.
    Ask,
    /// Measure adapters for the recipe in view.
    Adapt,
    /// Look at the adapter of this rank.
    Rank(usize),
    /// Stop measuring, or answering.
    Cancel,
}

impl Inquiry {
    /// What buttons call it.
    pub(in crate::gui) fn label(&self) -> String {
        match self {
            Self::Turn(view) => view.label(),
            Self::ChooseText => "Choose a text…",
            Self::Text(None) => "Built-in text",
            Self::Text(Some(path)) => return file_name(path),
            Self::Chunks(None) => "All",
            Self::Chunks(Some(count)) | Self::Context(count) | Self::Tokens(count) => {
                return units::grouped(*count as u64);
            }
            Self::Measure => "Measure",
            Self::MeasureUsual => "Measure usual types",
            Self::Look(_) => "About this type",
            Self::Prompt(_) => "Prompt",
            Self::Ask => "Ask both",
            Self::Adapt => "Measure adapters",
            Self::Rank(_) => "Rank",
            Self::Cancel => "Cancel",
        }
        .to_owned()
    }

    /// One sentence for the pointer to find.
    pub(in crate::gui) fn tooltip(&self) -> &'static str {
        match self {
            Self::ChooseText => "Measure on a text of your own, such as one the model will be used for.",
            Self::Text(None) => "Prose, code and several languages that no model of Tuck was trained on.",
            Self::Measure => {
                "Run the model and what would be packed of it over the same text, and compare what they predict. Nothing is \
                 written."
            }
            Self::MeasureUsual => "Measure Q8_0, Q6_K, Q5_K_M, Q4_K_M, Q3_K_M and Q2_K, one after the other.",
            Self::Ask => "Let the original and what would be packed of it answer side by side. Nothing is written.",
            Self::Adapt | Self::Rank(_) => self.about_adapters(),
            Self::Cancel => "Stop; nothing is left behind.",
            _ => "",
        }
    }
}

/// Parts of the quality tab.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum View {
    /// What was measured.
    #[default]
    Figures,
    /// Answers side by side.
    Answers,
    /// Adapters for what was lost, beside more bits.
    Adapters,
}

impl View {
    /// From left to right.
    pub const ALL: [Self; 3] = [Self::Figures, Self::Answers, Self::Adapters];

    /// For people.
    pub fn label(self) -> &'static str {
        match self {
            Self::Figures => "Figures",
            Self::Answers => "Answers",
            Self::Adapters => "Adapters",
        }
    }
}
