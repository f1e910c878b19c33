//! Q5_0: blocks of 32 five-bit codes and a scale; `block_q5_0` of ggml-common.h.

use super::codec::{self, Codec, Tile};
use super::lanes::{Floats, fifth_bits, load, nibbles, pack};
use super::levels::{Levels, Whole};
use super::weight::Weight;
use super::{Format, f16, scaled};

/// 5.5 bits a weight.
pub static Q5_0: Format = Format {
    name: "Q5_0",
    ggml_type: 6,
    block_weights: 32,
    block_bytes: size_of::<Block>(),
    weighted: true,
    about: "5-bit blocks with a scale: for tensors whose rows Q4_K and Q5_K cannot divide.",
    quantize: codec::quantize::<Block>,
    dequantize: codec::dequantize::<Block>,
};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Block {
    /// Scale, f16.
    d: [u8; 2],
    /// The fifth bits, weight 0 lowest.
    qh: [u8; 4],
    /// Low four bits: weights 0..16 in the low nibbles, 16..32 in the high ones.
    qs: [u8; 16],
}

const _: () = assert!(size_of::<Block>() == 22);

type Codes = Whole<-16, 15>;
/// Codes to try for the extreme weight, before they are bounded.
const STEPS: [f32; 8] = [-13.45, -13.95, -14.45, -14.95, -15.45, -15.95, -16.45, -16.95];

impl Codec for Block {
    type Block = Self;
    const WEIGHTS: usize = 32;

    #[inline(always)]
    fn encode<V: Floats, W: Weight<V>>(Tile { weights, factors, .. }: Tile<'_>, blocks: &mut [Self]) {
        let x = load::<V, 32>(weights);
        let inverses = scaled::grid(&STEPS, scaled::extreme(&x, 1).inverse());
        let (scale, units) = scaled::blocks::<Codes, V, 32, W>(&x, &W::load(factors), 1, &inverses);
        let words = pack::<V, 32, 8>(&Codes::codes(&units));
        let (low, high) = (nibbles(&words), fifth_bits(&words));
        for (lane, block) in blocks.iter_mut().enumerate() {
            block.d = scale[lane].to_le_bytes();
            block.qh = high[lane].to_le_bytes();
            for (w, bytes) in low.iter().zip(block.qs.chunks_exact_mut(4)) {
                bytes.copy_from_slice(&w[lane].to_le_bytes());
            }
        }
    }

    #[inline(always)]
    fn decode(block: &Self, weights: &mut [f32]) {
        let d = f16::decode(u16::from_le_bytes(block.d));
        let high = u32::from_le_bytes(block.qh);
        for (i, &byte) in block.qs.iter().enumerate() {
            let code = |low: u8, i: usize| f32::from(low | ((high >> i) as u8 & 1) << 4) - 16.0;
            weights[i] = code(byte & 15, i) * d;
            weights[i + 16] = code(byte >> 4, i + 16) * d;
        }
    }
}
