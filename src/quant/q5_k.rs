//! Q5_K: super-blocks of 256 five-bit codes, in eight sub-blocks with scale and minimum; `block_q5_K` of
//! ggml-common.h.

use super::affine::{Shape, affine_super};
use super::codec::{self, Codec, Tile};
use super::lanes::{Floats, LANES, load, pack};
use super::weight::Weight;
use super::{Format, f16, k_scales};

/// 5.5 bits a weight.
pub static Q5_K: Format = Format {
    name: "Q5_K",
    ggml_type: 13,
    block_weights: 256,
    block_bytes: size_of::<Block>(),
    weighted: true,
    about: "5-bit super-blocks: a little larger than Q4_K, hard to tell from the original.",
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
    /// The fifth bits: bit `s` of byte `i` is that of weight `i` of sub-block `s`.
    qh: [u8; 32],
    /// Low four bits: 32 bytes a pair of sub-blocks, the first in the low nibbles, the second in the high ones.
    qs: [[u8; 32]; 4],
}

const _: () = assert!(size_of::<Block>() == 176);

impl Codec for Block {
    type Block = Self;
    const WEIGHTS: usize = 256;

    #[inline(always)]
    fn encode<V: Floats, W: Weight<V>>(Tile { weights, factors, effort }: Tile<'_>, blocks: &mut [Self]) {
        let fit = affine_super::<V, 32, 1, W>(&[load(weights)], &[W::load(factors)], &Shape::of_six_bits(31.0), effort);
        let bytes = |v: [f32; 8]| v.map(|v| v as u8);
        let words = pack::<V, 32, 8>(&fit.codes[0]);
        let block = &mut blocks[0];
        block.d = fit.d.to_le_bytes();
        block.dmin = fit.dmin.to_le_bytes();
        block.scales = k_scales::pack(&bytes(fit.scales[0]), &bytes(fit.mins[0]));
        for (w, bytes) in words.iter().zip(block.qh.chunks_exact_mut(4)) {
            let high = (0..LANES).fold(0, |bits, s| bits | (w[s] >> 4 & 0x0101_0101) << s);
            bytes.copy_from_slice(&high.to_le_bytes());
        }
        for (pair, qs) in block.qs.iter_mut().enumerate() {
            for (w, bytes) in words.iter().zip(qs.chunks_exact_mut(4)) {
                let low = |s: usize| w[s] & 0x0f0f_0f0f;
                bytes.copy_from_slice(&(low(2 * pair) | low(2 * pair + 1) << 4).to_le_bytes());
            }
        }
    }

    #[inline(always)]
    fn decode(block: &Self, weights: &mut [f32]) {
        let (d, dmin) = (f16::decode(u16::from_le_bytes(block.d)), f16::decode(u16::from_le_bytes(block.dmin)));
        let (scales, mins) = k_scales::unpack(&block.scales);
        for (s, weights) in weights.chunks_exact_mut(32).enumerate() {
            let (scale, min) = (d * f32::from(scales[s]), dmin * f32::from(mins[s]));
            for (weight, (&low, &high)) in weights.iter_mut().zip(block.qs[s / 2].iter().zip(&block.qh)) {
                let code = low >> (s % 2 * 4) & 15 | (high >> s & 1) << 4;
                *weight = scale * f32::from(code) - min;
            }
        }
    }
}
