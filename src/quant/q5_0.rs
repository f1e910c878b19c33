//! Q5_0: blocks of 32 five-bit codes and a scale; `block_q5_0` of ggml-common.h.

use super::codec::{self, Codec};
use super::lanes::{Floats, TILE, fifth_bits, load, nibbles, pack};
use super::{Format, f16, search};

/// 5.5 bits a weight.
pub static Q5_0: Format = Format {
    name: "Q5_0",
    ggml_type: 6,
    block_weights: 32,
    block_bytes: size_of::<Block>(),
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

impl Codec for Block {
    type Block = Self;
    const WEIGHTS: usize = 32;

    #[inline(always)]
    fn encode<V: Floats>(weights: &[f32; TILE], blocks: &mut [Self]) {
        let (scale, codes) = search::symmetric_blocks::<V>(&load(weights), 16.0);
        let words = pack::<V, 32, 8>(&codes);
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
