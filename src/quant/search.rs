//! How a block search goes: what counts, and for how long it looks.

use super::weight::Importance;

/// How long the search for a block may look. Formats that only round, and blocks with a single scale, are the same
/// either way; so is the size of what is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Effort {
    /// What is good at the speed of a disk.
    #[default]
    Fast,
    /// A little closer to the weights, for more time.
    Best,
}

impl Effort {
    /// Every effort, the shortest first.
    pub const ALL: &[Self] = &[Self::Fast, Self::Best];

    /// As it is written on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Best => "best",
        }
    }

    /// Rounds of fitting what a super-block's sub-blocks store and the super-block's scales to one another;
    /// `super_rounds` in shaders/shared/source.wgsl.
    pub(super) fn super_rounds(self) -> usize {
        match self {
            Self::Fast => 1,
            Self::Best => 4,
        }
    }
}

/// How [`Format::quantize`](super::Format::quantize) searches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Search<'a> {
    /// How much the squared error of each column counts, where they differ.
    pub importance: Option<Importance<'a>>,
    /// How long it looks.
    pub effort: Effort,
}

impl Search<'_> {
    /// The same, seen from `weights` weights further on.
    pub fn skip(self, weights: usize) -> Self {
        Self { importance: self.importance.map(|importance| importance.skip(weights)), ..self }
    }
}
