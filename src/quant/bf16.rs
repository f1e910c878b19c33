//! BF16: the upper half of a single-precision float, little endian; `GGML_TYPE_BF16` of ggml.h.

use super::Format;
use super::codec::{self, Codec, Tile};
use super::lanes::Floats;
use super::weight::Weight;

/// Two bytes a weight: the range of F32 with eight bits of precision.
pub static BF16: Format = Format {
    name: "BF16",
    ggml_type: 30,
    block_weights: 1,
    block_bytes: size_of::<[u8; 2]>(),
    weighted: false,
    about: "16-bit floats with the range of 32 bits: what most models are trained and published in.",
    quantize: codec::quantize::<Bf16Codec>,
    dequantize: codec::dequantize::<Bf16Codec>,
};

/// Nearest bfloat16, ties to even; overflow to infinity, NaN stays (a quiet) NaN.
#[inline(always)]
fn encode(value: f32) -> u16 {
    let bits = value.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    let quiet = bits >> 16 | 0x40;
    (if bits & 0x7fff_ffff > 0x7f80_0000 { quiet } else { rounded }) as u16
}

struct Bf16Codec;

impl Codec for Bf16Codec {
    type Block = [u8; 2];
    const WEIGHTS: usize = 1;

    #[inline(always)]
    fn encode<V: Floats, W: Weight<V>>(Tile { weights, .. }: Tile<'_>, blocks: &mut [[u8; 2]]) {
        for (block, &weight) in blocks.iter_mut().zip(weights) {
            *block = encode(weight).to_le_bytes();
        }
    }

    #[inline(always)]
    fn decode(block: &[u8; 2], weights: &mut [f32]) {
        weights[0] = f32::from_bits(u32::from(u16::from_le_bytes(*block)) << 16);
    }
}
