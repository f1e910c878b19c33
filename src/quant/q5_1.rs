//! Q5_1: blocks of 32 five-bit codes, a scale and a minimum; `block_q5_1` of ggml-common.h.

use super::affine::affine_blocks;
use super::codec::{self, Codec, Tile};
use super::lanes::{Floats, fifth_bits, load, nibbles, pack};
use super::weight::Weight;
use super::{Format, f16};

/// 6 bits a weight.
pub static Q5_1: Format = Format {
    name: "Q5_1",
    ggml_type: 7,
    block_weights: 32,
    block_bytes: size_of::<Block>(),
    weighted: true,
    about: "5-bit blocks with a scale and a minimum: a little better and larger than Q5_0.",
    quantize: codec::quantize::<Block>,
    dequantize: codec::dequantize::<Block>,
};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Block {
    /// Scale, f16.
    d: [u8; 2],
    /// Minimum, f16.
    m: [u8; 2],
    /// The fifth bits, weight 0 lowest.
    qh: [u8; 4],
    /// Low four bits: weights 0..16 in the low nibbles, 16..32 in the high ones.
    qs: [u8; 16],
}

const _: () = assert!(size_of::<Block>() == 24);

impl Codec for Block {
    type Block = Self;
    const WEIGHTS: usize = 32;

    #[inline(always)]
    fn encode<V: Floats, W: Weight<V>>(Tile { weights, factors, .. }: Tile<'_>, blocks: &mut [Self]) {
        let fit = affine_blocks::<V, 32, W>(&load(weights), &W::load(factors), 31.0);
        let words = pack::<V, 32, 8>(&fit.codes);
        let (low, high) = (nibbles(&words), fifth_bits(&words));
        for (lane, block) in blocks.iter_mut().enumerate() {
            block.d = fit.scale[lane].to_le_bytes();
            block.m = fit.min[lane].to_le_bytes();
            block.qh = high[lane].to_le_bytes();
            for (w, bytes) in low.iter().zip(block.qs.chunks_exact_mut(4)) {
                bytes.copy_from_slice(&w[lane].to_le_bytes());
            }
        }
    }

    #[inline(always)]
    fn decode(block: &Self, weights: &mut [f32]) {
        let d = f16::decode(u16::from_le_bytes(block.d));
        let m = f16::decode(u16::from_le_bytes(block.m));
        let high = u32::from_le_bytes(block.qh);
        for (i, &byte) in block.qs.iter().enumerate() {
            let code = |low: u8, i: usize| f32::from(low | ((high >> i) as u8 & 1) << 4);
            weights[i] = code(byte & 15, i) * d + m;
            weights[i + 16] = code(byte >> 4, i + 16) * d + m;
        }
    }
}
