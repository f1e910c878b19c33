//! From stored bytes to weights, where they are not the same.

use crate::arch::{Coding, Part};
use crate::quant::{FormatRef, MXFP4};

/// Bytes of a unit of codes, where exponents lie in a tensor of their own.
pub(super) const CODES: usize = 16;

/// Memory of one thread.
#[derive(Default)]
pub(super) struct Memory {
    /// Units as they are stored, in order.
    pub(super) stored: Vec<u8>,
    /// What belongs to them in another tensor.
    pub(super) beside: Vec<u8>,
    /// What has to be read before it can be put in order.
    pub(super) unordered: Vec<u8>,
    weights: Vec<f32>,
}

impl Memory {
    /// Makes weights in `format` of a part's units.
    pub(super) fn decode(&mut self, part: &Part, format: FormatRef, out: &mut [u8]) {
        if let Coding::SplitMxfp4 { .. } = part.coding {
            self.stored = join_mxfp4(&self.stored, &self.beside);
        }
        if part.format == format && !matches!(part.coding, Coding::Plus(_)) {
            return out.copy_from_slice(&self.stored);
        }
        let units = self.stored.len() / part.format.block_bytes;
        self.weights.resize(units * part.format.block_weights, 0.0);
        (part.format.dequantize)(&self.stored, &mut self.weights);
        if let Coding::Plus(addend) = part.coding {
            self.weights.iter_mut().for_each(|weight| *weight += addend);
        }
        // What is decoded is read as F32, see `Source::of`.
        out.copy_from_slice(bytemuck::cast_slice(&self.weights));
    }
}

/// Blocks of ggml's MXFP4: the exponent, then weights 0..16 in the low halves of bytes and 16..32 in the high ones. Stored
/// are neighbours in one byte.
fn join_mxfp4(codes: &[u8], exponents: &[u8]) -> Vec<u8> {
    let mut blocks = Vec::with_capacity(exponents.len() * MXFP4.block_bytes);
    for (codes, exponent) in codes.as_chunks::<CODES>().0.iter().zip(exponents) {
        let code = |weight: usize| codes[weight / 2] >> (4 * (weight % 2)) & 15;
        blocks.push(*exponent);
        blocks.extend((0..16).map(|weight| code(weight) | code(weight + 16) << 4));
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_were_neighbours_come_apart() {
        let codes: Vec<u8> = (0..16).map(|n| (2 * n % 16) | ((2 * n + 1) % 16) << 4).collect();
        let blocks = join_mxfp4(&codes, &[130]);
        assert_eq!(blocks[0], 130);
        let expected: Vec<u8> = (0..16).map(|n| n | n << 4).collect();
        assert_eq!(blocks[1..], expected);
        let mut weights = [0.0; 32];
        (MXFP4.dequantize)(&blocks, &mut weights);
        assert_eq!(weights[..4], [0.0, 4.0, 8.0, 12.0]);
    }
}
