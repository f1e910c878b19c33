//! Q4_K: super-blocks of 256 four-bit codes, in eight sub-blocks with scale and minimum; `block_q4_K` of
//! ggml-common.h.

use super::affine::{Shape, affine_super};
use super::codec::{self, Codec, Tile};
use super::lanes::{Floats, load, pack};
use super::weight::Weight;
use super::{Format, f16, k_scales};

/// 4.5 bits a weight.
pub static Q4_K: Format = Format {
    name: "Q4_K",
    ggml_type: 12,
    block_weights: 256,
    block_bytes: size_of::<Block>(),
    weighted: true,
    about: "4-bit super-blocks: the usual choice, small and close to the original.",
    quantize: codec::quantize::<Block>,
    dequantize: codec::dequantize::<Block>,
};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Block {
    /// Scale of the sub-block scales, f16.
    d: [u8; 2],
    /// Scale of the sub-block minimums, f16.
    dmin: [u8; 2],
    /// Eight scales and eight minimums of six bits; see [`k_scales`](super::k_scales).
    scales: [u8; 12],
    /// Codes: 32 bytes a pair of sub-blocks, the first in the low nibbles, the second in the high ones.
    qs: [[u8; 32]; 4],
}

const _: () = assert!(size_of::<Block>() == 144);

impl Codec for Block {
    type Block = Self;
    const WEIGHTS: usize = 256;

    #[inline(always)]
    fn encode<V: Floats, W: Weight<V>>(Tile { weights, factors, effort }: Tile<'_>, blocks: &mut [Self]) {
        let fit = affine_super::<V, 32, 1, W>(&[load(weights)], &[W::load(factors)], &Shape::of_six_bits(15.0), effort);
        let bytes = |v: [f32; 8]| v.map(|v| v as u8);
        let words = pack::<V, 32, 8>(&fit.codes[0]);
        let block = &mut blocks[0];
        block.d = fit.d.to_le_bytes();
        block.dmin = fit.dmin.to_le_bytes();
        block.scales = k_scales::pack(&bytes(fit.scales[0]), &bytes(fit.mins[0]));
        for (pair, qs) in block.qs.iter_mut().enumerate() {
            for (w, bytes) in words.iter().zip(qs.chunks_exact_mut(4)) {
                bytes.copy_from_slice(&(w[2 * pair] | w[2 * pair + 1] << 4).to_le_bytes());
            }
        }
    }

    #[inline(always)]
    fn decode(block: &Self, weights: &mut [f32]) {
        let (d, dmin) = (f16::decode(u16::from_le_bytes(block.d)), f16::decode(u16::from_le_bytes(block.dmin)));
        let (scales, mins) = k_scales::unpack(&block.scales);
        for (s, weights) in weights.chunks_exact_mut(32).enumerate() {
            let (scale, min) = (d * f32::from(scales[s]), dmin * f32::from(mins[s]));
            for (weight, &byte) in weights.iter_mut().zip(&block.qs[s / 2]) {
                *weight = scale * f32::from(byte >> (s % 2 * 4) & 15) - min;
            }
        }
    }
}
