//! IQ4_NL: blocks of 32 four-bit codes for unevenly spaced levels, and a scale; `block_iq4_nl` of ggml-common.h.

use super::codec::{self, Codec, Tile};
use super::lanes::{Floats, load, nibbles, pack};
use super::levels::{Iq4, Levels};
use super::weight::Weight;
use super::{Format, f16, scaled};

/// 4.5 bits a weight.
pub static IQ4_NL: Format = Format {
    name: "IQ4_NL",
    ggml_type: 20,
    block_weights: 32,
    block_bytes: size_of::<Block>(),
    weighted: true,
    about: "4-bit blocks with levels spaced as weights are: better than Q4_0 in the same bytes.",
    quantize: codec::quantize::<Block>,
    dequantize: codec::dequantize::<Block>,
};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Block {
    /// Scale, f16.
    d: [u8; 2],
    /// Codes: weights 0..16 in the low nibbles, 16..32 in the high ones.
    qs: [u8; 16],
}

const _: () = assert!(size_of::<Block>() == 18);

impl Codec for Block {
    type Block = Self;
    const WEIGHTS: usize = 32;

    #[inline(always)]
    fn encode<V: Floats, W: Weight<V>>(Tile { weights, factors, .. }: Tile<'_>, blocks: &mut [Self]) {
        let x = load::<V, 32>(weights);
        let inverses = scaled::grid(&Iq4::STEPS, scaled::extreme(&x, 1).inverse());
        let (scale, units) = scaled::blocks::<Iq4, _, 32, _>(&x, &W::load(factors), 1, &inverses);
        let words = nibbles(&pack::<V, 32, 8>(&Iq4::codes(&units)));
        for (lane, block) in blocks.iter_mut().enumerate() {
            block.d = scale[lane].to_le_bytes();
            for (w, bytes) in words.iter().zip(block.qs.chunks_exact_mut(4)) {
                bytes.copy_from_slice(&w[lane].to_le_bytes());
            }
        }
    }

    #[inline(always)]
    fn decode(block: &Self, weights: &mut [f32]) {
        let d = f16::decode(u16::from_le_bytes(block.d));
        for (i, &byte) in block.qs.iter().enumerate() {
            weights[i] = d * Iq4::LEVELS[usize::from(byte & 15)];
            weights[i + 16] = d * Iq4::LEVELS[usize::from(byte >> 4)];
        }
    }
}
