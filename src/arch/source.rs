//! The tensors of the GGUF file to be, and where their weights come from.

use super::lora::Addend;
use super::view::View;
use crate::checkpoint::{Coded, Position};
use crate::quant::{F32, FormatRef};
use std::sync::Arc;

/// A tensor of the GGUF file to be.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// Its GGUF name.
    pub name: String,
    /// Its name in the checkpoint, for messages.
    pub stored_name: String,
    /// Columns first.
    pub shape: Vec<u64>,
    /// Its format where no recipe changes it: norms, biases and other 1-D tensors of a Hugging Face checkpoint are
    /// F32, as llama.cpp requires; everything else keeps its precision.
    pub format: FormatRef,
    /// Where its weights come from.
    pub source: Source,
}

/// Where a tensor's weights come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// Parts of stored tensors, one after another: a whole tensor, a stack of experts, a piece of a fused projection.
    Stored {
        /// What reading gives.
        format: FormatRef,
        /// In the order of the weights.
        parts: Vec<Part>,
        /// What adapters add to them, in order. Reading gives F32 where there are any.
        addends: Vec<Addend>,
    },
    /// Computed from the settings, in F32.
    Computed(Vec<f32>),
}

/// Weights of one stored tensor.
#[derive(Clone, Debug)]
pub struct Part {
    /// Where the stored tensor begins.
    pub at: Position,
    /// Precision or block format of its weights when they are no codes any more; a block is a unit of `view`.
    pub format: FormatRef,
    /// Which of its units, in which order.
    pub view: View,
    /// What they are in the file.
    pub coding: Coding,
    /// Added to each weight: some families store a norm's distance from 1. Reading gives F32 where it is not 0.
    pub plus: f32,
}

/// How stored bytes become a part's weights.
#[derive(Clone, Debug, PartialEq)]
pub enum Coding {
    /// They are the weights.
    Plain,
    /// Codes, scales and zero points, whose weights are F32.
    Coded(Arc<Coded>),
    /// Blocks of MXFP4 whose codes and exponents lie in two tensors, as gpt-oss stores them: 16 bytes of codes a block
    /// here, weights `2 n` and `2 n + 1` in byte `n`, and a byte of exponent a block there.
    SplitMxfp4 {
        /// Where the exponents begin; one for each unit of the whole stored tensor.
        exponents: Position,
    },
}

impl Tensor {
    /// Number of weights.
    pub fn weights(&self) -> u64 {
        self.shape.iter().product()
    }

    /// Weights in a row.
    pub fn columns(&self) -> u64 {
        self.shape[0]
    }

    /// The format its weights have before any recipe.
    pub fn stored_format(&self) -> FormatRef {
        match &self.source {
            Source::Stored { format, .. } => format,
            Source::Computed(_) => &F32,
        }
    }

    /// The parts it is read from; none where it is computed.
    pub fn parts(&self) -> &[Part] {
        match &self.source {
            Source::Stored { parts, .. } => parts,
            Source::Computed(_) => &[],
        }
    }

    /// What adapters add to it.
    pub fn addends(&self) -> &[Addend] {
        match &self.source {
            Source::Stored { addends, .. } => addends,
            Source::Computed(_) => &[],
        }
    }

    /// The format in the user's file; none where the tensor is computed, or stored as codes of another kind.
    pub fn file_format(&self) -> Option<FormatRef> {
        self.parts().first().filter(|part| part.coded().is_none()).map(|part| part.format)
    }

    /// What it is stored as, for people.
    pub fn precision(&self) -> &str {
        self.parts().first().map_or("computed", Part::precision)
    }

    /// Bytes in the user's file of so many weights from the first on.
    pub fn file_bytes(&self, weights: u64) -> u64 {
        match self.parts() {
            [] => F32.bytes(weights),
            parts => {
                let all: u64 = parts.iter().map(Part::bytes).sum();
                (u128::from(all) * u128::from(weights) / u128::from(self.weights().max(1))) as u64
            }
        }
    }

    /// Whether it was published in MXFP4, so that nothing of it is lost in that format and nothing gained in a larger one.
    pub fn is_native_mxfp4(&self) -> bool {
        self.parts().first().is_some_and(|part| matches!(part.coding, Coding::SplitMxfp4 { .. }))
    }

    /// The layer it belongs to, from its name.
    pub fn layer(&self) -> Option<u64> {
        self.name.strip_prefix("blk.")?.split('.').next()?.parse().ok()
    }
}

impl Source {
    /// One stored tensor as it is.
    pub fn whole(at: Position, format: FormatRef, weights: u64) -> Self {
        let view = View::of(&[weights / format.block_weights as u64]);
        Self::Stored {
            format,
            parts: vec![Part { at, format, view, coding: Coding::Plain, plus: 0.0 }],
            addends: Vec::new(),
        }
    }

    /// Several parts in a row. They are read as they lie where all have one format and nothing happens on the way, and
    /// as F32 otherwise.
    pub(super) fn of(parts: Vec<Part>) -> Self {
        let first = parts.first().map_or(&F32, |part| part.format);
        let alike = |part: &Part| part.format == first && part.plus == 0.0;
        let format = if parts.iter().all(alike) { first } else { &F32 };
        Self::Stored { format, parts, addends: Vec::new() }
    }
}

impl Part {
    /// Its number of weights.
    pub fn weights(&self) -> u64 {
        self.view.units() * self.format.block_weights as u64
    }

    /// The codes it is stored as, if they are no format's.
    pub fn coded(&self) -> Option<&Coded> {
        match &self.coding {
            Coding::Coded(coded) => Some(coded),
            _ => None,
        }
    }

    /// What it is stored as, for people.
    pub fn precision(&self) -> &str {
        self.coded().map_or(self.format.name, |coded| &coded.name)
    }

    /// Its bytes in the file, with its share of scales and the like.
    pub fn bytes(&self) -> u64 {
        match self.coded() {
            None => self.format.bytes(self.weights()),
            Some(coded) => {
                let all = coded.codes.rows * coded.codes.columns;
                (u128::from(coded.bytes) * u128::from(self.weights()) / u128::from(all.max(1))) as u64
            }
        }
    }
}
