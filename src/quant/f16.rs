//! F16: IEEE 754 half precision, little endian; `GGML_TYPE_F16` of ggml.h. Also the scales of most block formats.
//!
//! The conversions are integer arithmetic, so they are the same in every vector width and in the shaders, where
//! subnormal floats may be flushed and built-in conversions promise less.

use super::Format;
use super::codec::{self, Codec, Tile};
use super::lanes::Floats;
use super::weight::Weight;

/// Two bytes a weight.
pub static F16: Format = Format {
    name: "F16",
    ggml_type: 1,
    block_weights: 1,
    block_bytes: size_of::<[u8; 2]>(),
    weighted: false,
    about: "16-bit floats: half the size of F32, and no loss anyone has measured in a language model.",
    quantize: codec::quantize::<F16Codec>,
    dequantize: codec::dequantize::<F16Codec>,
};

/// Nearest half, ties to even; overflow to infinity, NaN stays (a quiet) NaN, subnormals are kept.
#[inline(always)]
pub(super) fn encode(value: f32) -> u16 {
    let bits = value.to_bits();
    let magnitude = bits & 0x7fff_ffff;
    let rounded = magnitude.wrapping_add(0x0fff + (magnitude >> 13 & 1));
    let normal = rounded.wrapping_sub(112 << 23) >> 13;
    // Below 2⁻¹⁴ the unit is 2⁻²⁴, that of floats in 0.5..1: adding 0.5 rounds to it.
    let subnormal = (f32::from_bits(magnitude) + 0.5).to_bits().wrapping_sub(0.5f32.to_bits());
    let finite = if magnitude < 113 << 23 { subnormal } else { normal };
    let bounded = if rounded >= 143 << 23 { 0x7c00 } else { finite };
    let half = if magnitude > 0x7f80_0000 { 0x7e00 | magnitude >> 13 & 0x3ff } else { bounded };
    (half | bits >> 16 & 0x8000) as u16
}

/// [`encode`] for scales: what would overflow becomes the largest half, 65504, and 0 has no sign.
#[inline(always)]
pub(super) fn encode_scale(value: f32) -> u16 {
    let half = encode(value.clamp(-65504.0, 65504.0));
    if half == 0x8000 { 0 } else { half }
}

/// The value of a half.
#[inline(always)]
pub(super) fn decode(half: u16) -> f32 {
    let magnitude = u32::from(half & 0x7fff);
    let normal = (magnitude << 13) + (112 << 23);
    let subnormal = (magnitude as i32 as f32 * (1.0 / (1 << 24) as f32)).to_bits();
    let finite = if magnitude < 0x400 { subnormal } else { normal };
    let value = if magnitude >= 0x7c00 { normal + (112 << 23) } else { finite };
    f32::from_bits(value | u32::from(half & 0x8000) << 16)
}

struct F16Codec;

impl Codec for F16Codec {
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
        weights[0] = decode(u16::from_le_bytes(*block));
    }
}
