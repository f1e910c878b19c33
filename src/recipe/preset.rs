//! What a named recipe is.

use super::list::PRESETS;
use super::mixture::Step;
use crate::quant::{FormatRef, Q5_K, Q6_K};

/// Presets that a person would weigh against each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// Nothing is computed.
    AsItIs,
    /// F32, F16 and BF16.
    Float,
    /// Hardly any loss.
    Bits8And6,
    /// Around 5.5 bits a weight.
    Bits5,
    /// Around 4.5 bits a weight.
    Bits4,
    /// Around 3.5 bits a weight.
    Bits3,
    /// Under 3 bits a weight.
    Bits2,
    /// Of use for models that were trained in the format.
    Special,
}

impl Group {
    /// For people.
    pub fn title(self) -> &'static str {
        match self {
            Self::AsItIs => "As it is",
            Self::Float => "Full and half precision",
            Self::Bits8And6 => "8 and 6 bits",
            Self::Bits5 => "5 bits",
            Self::Bits4 => "4 bits",
            Self::Bits3 => "3 bits",
            Self::Bits2 => "2 bits and less",
            Self::Special => "For models trained that way",
        }
    }
}

/// A named recipe.
#[derive(Debug)]
pub struct Preset {
    /// As llama-quantize spells it: `Q4_K_M`.
    pub name: &'static str,
    /// `general.file_type` (`enum llama_ftype`). COPY keeps the model's own.
    pub file_type: Option<u32>,
    /// The format most tensors get. COPY keeps each tensor's own.
    pub format: Option<FormatRef>,
    /// Where it stands among the others.
    pub group: Group,
    /// One sentence for people choosing it.
    pub about: &'static str,
    /// Whether llama-quantize refuses it without an importance matrix, for what comes out is poor.
    pub needs_imatrix: bool,
    /// For the output, or the token embedding that serves as one: the output decides every token.
    pub(super) output: FormatRef,
    /// Tensors that get another format; the first step that applies wins.
    pub(super) steps: &'static [Step],
    /// Whether every bit counts so much that the rules for models of 70B or eight experts are left out.
    pub(super) is_frugal: bool,
}

impl PartialEq for Preset {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Preset {}

impl Preset {
    /// One format for every tensor but the output.
    pub(super) const fn new(name: &'static str, file_type: u32, format: FormatRef, group: Group) -> Self {
        Self {
            name,
            file_type: Some(file_type),
            format: Some(format),
            group,
            about: "",
            needs_imatrix: false,
            output: &Q6_K,
            steps: &[],
            is_frugal: false,
        }
    }

    pub(super) const fn about(mut self, sentence: &'static str) -> Self {
        self.about = sentence;
        self
    }

    pub(super) const fn output(mut self, format: FormatRef) -> Self {
        self.output = format;
        self
    }

    pub(super) const fn steps(mut self, steps: &'static [Step]) -> Self {
        self.steps = steps;
        self
    }

    pub(super) const fn needs_imatrix(mut self) -> Self {
        self.needs_imatrix = true;
        self
    }

    /// Every bit counts: even the output gets only 5.
    pub(super) const fn frugal(mut self) -> Self {
        self.is_frugal = true;
        self.needs_imatrix = true;
        self.output = &Q5_K;
        self
    }
}

/// Names that llama-quantize takes for others.
static ALIASES: &[(&str, &str)] = &[("Q3_K", "Q3_K_M"), ("Q4_K", "Q4_K_M"), ("Q5_K", "Q5_K_M")];

/// The preset called `name`, in any case, by an alias (`Q4_K` is `Q4_K_M`), or by the number of its file type.
pub fn preset_from_name(name: &str) -> Option<&'static Preset> {
    let meant = ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(name)).map_or(name, |(_, meant)| meant);
    let number: Option<u32> = name.parse().ok();
    PRESETS
        .iter()
        .find(|preset| preset.name.eq_ignore_ascii_case(meant) || (number.is_some() && preset.file_type == number))
}
