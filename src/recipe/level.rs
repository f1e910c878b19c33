//! How much is spent on an automatic mix.

use crate::quant::Effort;

/// What is measured before a mix is chosen, and how its tensors are quantized.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Level {
    /// No tensor is measured alone: what each loses is reckoned from sets of tensors, by the errors of their outputs.
    Fast,
    /// Every tensor is measured alone.
    #[default]
    Balanced,
    /// The same on more text; then matrices are quantized one after the other, each for what the earlier ones left.
    Best,
}

impl Level {
    /// Every level, the cheapest first.
    pub const ALL: &[Self] = &[Self::Fast, Self::Balanced, Self::Best];

    /// As it is written on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Balanced => "balanced",
            Self::Best => "best",
        }
    }

    /// Whether every tensor is measured alone.
    pub fn is_measured(self) -> bool {
        self != Self::Fast
    }

    /// Chunks of text on which is measured.
    pub const fn chunks(self) -> usize {
        match self {
            Self::Fast | Self::Balanced => 2,
            Self::Best => 4,
        }
    }

    /// Whether matrices are quantized one after the other, each for what the earlier ones left.
    pub fn follows(self) -> bool {
        self == Self::Best
    }

    /// How long block searches look.
    pub fn effort(self) -> Effort {
        match self {
            Self::Fast | Self::Balanced => Effort::Fast,
            Self::Best => Effort::Best,
        }
    }
}
