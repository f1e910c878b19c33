//! TQ2_0: super-blocks of 256 ternary codes in two bits each, and a scale; `block_tq2_0` of ggml-common.h.

use super::codec::{self, Codec, Tile};
use super::lanes::{Floats, crumbs, load, pack};
use super::weight::Weight;
use super::{Format, f16, ternary};

/// 2.0625 bits a weight.
pub static TQ2_0: Format = Format {
    name: "TQ2_0",
    ggml_type: 35,
    block_weights: 256,
    block_bytes: size_of::<Block>(),
    weighted: true,
    about: "Ternary, two bits a weight: exact for models trained with ternary weights, poor for all others.",
    quantize: codec::quantize::<Block>,
    dequantize: codec::dequantize::<Block>,
};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Block {
    /// Codes + 1: of each half's 128 weights, byte `i` has those of `i`, `i + 32`, `i + 64` and `i + 96`.
    qs: [[u8; 32]; 2],
    /// Scale, f16.
    d: [u8; 2],
}

const _: () = assert!(size_of::<Block>() == 66);

impl Codec for Block {
    type Block = Self;
    const WEIGHTS: usize = 256;

    #[inline(always)]
    fn encode<V: Floats, W: Weight<V>>(Tile { weights, factors, .. }: Tile<'_>, blocks: &mut [Self]) {
        let (scale, codes) = ternary::block::<V, W>(&load(weights), &W::load(factors));
        let words = pack::<V, 32, 8>(&codes);
        let block = &mut blocks[0];
        block.d = scale.to_le_bytes();
        for (half, qs) in block.qs.iter_mut().enumerate() {
            *qs = crumbs(|i| words[i % 8][half * 4 + i / 8]);
        }
    }

    #[inline(always)]
    fn decode(block: &Self, weights: &mut [f32]) {
        let d = f16::decode(u16::from_le_bytes(block.d));
        for (i, weight) in weights.iter_mut().enumerate() {
            *weight = d * (f32::from(block.qs[i / 128][i % 32] >> (i % 128 / 32 * 2) & 3) - 1.0);
        }
    }
}
