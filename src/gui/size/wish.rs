//! What a user can ask for on the size side.

use super::Side;
use crate::gui::state::file_name;
use crate::recipe::Level;
use crate::units;
use std::path::PathBuf;

/// One thing a user can ask for there.
#[derive(Clone, Debug, PartialEq)]
pub enum Wish {
    /// Choose by this.
    Turn(Side),
    /// Choose the text in a dialog.
    ChooseText,
    /// Observe the model on this file, or on the text that comes with Tuck.
    Text(Option<PathBuf>),
    /// At most so many chunks of it.
    Chunks(Option<usize>),
    /// Spend so much.
    Effort(Level),
    /// Make the statistics, or go on making them.
    Make,
    /// Stop making them.
    Stop,
    /// Move the slider to so many bytes.
    Move(u64),
    /// The slider is let go of.
    LetGo,
    /// Type a size.
    Type(String),
    /// Leave the field.
    Leave,
    /// The largest size that is fully on this machine, by its name.
    Fill(String),
    /// Write the recipe beside the file, or not.
    WriteRecipe(bool),
}

impl Wish {
    /// What buttons call it.
    pub(in crate::gui) fn label(&self) -> String {
        match self {
            Self::Turn(side) => side.label(),
            Self::ChooseText => "Choose a text…",
            Self::Text(None) => "Built-in text",
            Self::Text(Some(path)) => return file_name(path),
            Self::Chunks(None) => "All",
            Self::Chunks(Some(count)) => return units::grouped(*count as u64),
            Self::Effort(Level::Fast) => "Fast",
            Self::Effort(Level::Balanced) => "Balanced",
            Self::Effort(Level::Best) => "Best",
            Self::Make => "Make statistics",
            Self::Stop => "Cancel",
            Self::Move(_) | Self::LetGo => "Size of the file",
            Self::Type(_) | Self::Leave => "Exact size",
            Self::Fill(_) => "Fill",
            Self::WriteRecipe(_) => "Write the recipe beside it",
        }
        .to_owned()
    }

    /// One sentence for the pointer to find.
    pub(in crate::gui) fn tooltip(&self) -> &'static str {
        match self {
            Self::Turn(Side::Type) => "Choose files by their types.",
            Self::Turn(Side::Size) => "Choose a file by its size; every tensor gets the type that loses least in it.",
            Self::ChooseText => "Observe the model on a text of your own, such as one it will be used for.",
            Self::Text(None) => "Prose in sixteen languages, and code.",
            Self::Make => "Run the text through the model. It can be stopped, and goes on from there later.",
            Self::Stop => "Stop; what was found stays, and making them goes on from there.",
            Self::Fill(_) => "Set the size to the largest with which all of the model is here, run as above.",
            Self::WriteRecipe(_) => "A .toml file, of which tuck pack --recipe makes the same file again.",
            _ => "",
        }
    }
}

/// What a level of effort costs and buys, in words.
pub(in crate::gui) fn about(level: Level) -> &'static str {
    match level {
        Level::Fast => "No tensor is measured alone: ready soonest, for a coarser mix.",
        Level::Balanced => {
            "Every tensor is measured alone, on 2 chunks of the text: it takes longer once, for a better mix."
        }
        Level::Best => {
            "Measured on 4 chunks; when it is packed, each matrix makes up for those before it. Packs several times longer, \
             for about 15 % less loss on the sample model."
        }
    }
}
