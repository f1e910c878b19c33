//! F32: IEEE 754 single precision, little endian; `GGML_TYPE_F32` of ggml.h.

use super::Format;
use super::codec::{self, Codec, Tile};
use super::lanes::Floats;
use super::weight::Weight;

/// Four bytes a weight.
pub static F32: Format = Format {
    name: "F32",
    ggml_type: 0,
    block_weights: 1,
    block_bytes: size_of::<[u8; 4]>(),
    weighted: false,
    about: "Full 32-bit floats: every bit of any source, at the largest size.",
    quantize: codec::quantize::<F32Codec>,
    dequantize: codec::dequantize::<F32Codec>,
};

struct F32Codec;

impl Codec for F32Codec {
    type Block = [u8; 4];
    const WEIGHTS: usize = 1;

    #[inline(always)]
    fn encode<V: Floats, W: Weight<V>>(Tile { weights, .. }: Tile<'_>, blocks: &mut [[u8; 4]]) {
        for (block, weight) in blocks.iter_mut().zip(weights) {
            *block = weight.to_le_bytes();
        }
    }

    #[inline(always)]
    fn decode(block: &[u8; 4], weights: &mut [f32]) {
        weights[0] = f32::from_le_bytes(*block);
    }
}
