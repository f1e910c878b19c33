//! Q2_0: blocks of 64 two-bit codes and a scale; `block_q2_0` of ggml-common.h.

use super::codec::{self, Codec, Tile};
use super::lanes::{Floats, load, pack};
use super::levels::{Levels, Whole};
use super::weight::Weight;
use super::{Format, f16, scaled};

/// 2.25 bits a weight.
pub static Q2_0: Format = Format {
    name: "Q2_0",
    ggml_type: 42,
    block_weights: 64,
    block_bytes: size_of::<Block>(),
    weighted: true,
    about: "2-bit blocks with a scale: for models trained with ternary weights; Q2_K is better for all others.",
    quantize: codec::quantize::<Block>,
    dequantize: codec::dequantize::<Block>,
};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Block {
    /// Scale, f16.
    d: [u8; 2],
    /// Codes + 1, four a byte, the first lowest.
    qs: [u8; 16],
}

const _: () = assert!(size_of::<Block>() == 18);

type Codes = Whole<-1, 2>;
/// Lanes of 32 weights in a block.
const GROUP: usize = 2;
/// Codes to try for the extreme weight, before they are bounded: negative ones put the code 2 on the other side of 0.
const STEPS: [f32; 10] = [1.0, 1.3, 1.7, 2.0, 2.5, 2.9, 3.4, 4.0, -1.7, -2.5];

impl Codec for Block {
    type Block = Self;
    const WEIGHTS: usize = 64;

    #[inline(always)]
    fn encode<V: Floats, W: Weight<V>>(Tile { weights, factors, .. }: Tile<'_>, blocks: &mut [Self]) {
        let x = load::<V, 32>(weights);
        let inverses = scaled::grid(&STEPS, scaled::extreme(&x, GROUP).inverse());
        let (scale, units) = scaled::blocks::<Codes, _, 32, _>(&x, &W::load(factors), GROUP, &inverses);
        let words = pack::<V, 32, 8>(&Codes::codes(&units));
        for (i, block) in blocks.iter_mut().enumerate() {
            block.d = scale[i * GROUP].to_le_bytes();
            for (j, byte) in block.qs.iter_mut().enumerate() {
                let word = words[j % 8][i * GROUP + j / 8];
                *byte = (word | word >> 6 | word >> 12 | word >> 18) as u8;
            }
        }
    }

    #[inline(always)]
    fn decode(block: &Self, weights: &mut [f32]) {
        let d = f16::decode(u16::from_le_bytes(block.d));
        for (i, weight) in weights.iter_mut().enumerate() {
            *weight = (f32::from(block.qs[i / 4] >> (i % 4 * 2) & 3) - 1.0) * d;
        }
    }
}
