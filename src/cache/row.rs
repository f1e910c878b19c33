//! What becomes of a row of queries, keys or values on its way into a cache.

use super::blocks::{NUMBERS, blocks_of};
use super::fp8;
use super::rotation::rotate;
use crate::quant::FormatRef;
use half::f16;

/// See the module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Row {
    /// It stays as it was computed.
    #[default]
    Exact,
    /// Half precision, as llama.cpp keeps it where nobody says otherwise.
    F16,
    /// Eight bits a number, without a scale (E4M3).
    Fp8,
    /// Blocks of one of [`super::BLOCKS`].
    Blocks {
        /// The format.
        format: FormatRef,
        /// Numbers that are rotated together before, if they are.
        rotation: Option<usize>,
    },
}

impl Row {
    /// Bits of a number. A row that stays as it was computed is counted as llama.cpp keeps it.
    pub fn bits(&self) -> f64 {
        match self {
            Self::Exact | Self::F16 => 16.0,
            Self::Fp8 => 8.0,
            Self::Blocks { format, .. } => (8 * format.block_bytes) as f64 / format.block_weights as f64,
        }
    }

    /// Why rows of heads of that size cannot be kept so; none where they can.
    pub fn problem(&self, head: usize) -> Option<String> {
        let Self::Blocks { format, .. } = self else { return None };
        (!head.is_multiple_of(NUMBERS))
            .then(|| format!("heads have {head} numbers, and {} keeps blocks of {NUMBERS}", format.name.to_lowercase()))
    }

    /// Does to a row, or several, what keeping it does. Whole heads: their size is a multiple of a block's and a rotation's.
    pub fn keep(&self, numbers: &mut [f32]) {
        match self {
            Self::Exact => {}
            Self::F16 => numbers.iter_mut().for_each(|x| *x = f16::from_f32(*x).to_f32()),
            Self::Fp8 => numbers.iter_mut().for_each(|x| *x = fp8::round(*x)),
            Self::Blocks { format, rotation } => {
                rotation.iter().for_each(|group| rotate(numbers, *group));
                let blocks = blocks_of(format).expect("a cache has only formats of the list");
                let mut bytes = [0; 2 * NUMBERS];
                let bytes = &mut bytes[..format.block_bytes];
                for block in numbers.as_chunks_mut::<NUMBERS>().0 {
                    blocks.write(block, bytes);
                    (format.dequantize)(bytes, block);
                }
                rotation.iter().for_each(|group| rotate(numbers, *group));
            }
        }
    }
}
