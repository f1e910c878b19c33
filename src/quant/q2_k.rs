//! Q2_K: super-blocks of 256 two-bit codes, in sixteen sub-blocks with scale and minimum; `block_q2_K` of
//! ggml-common.h.

use super::affine::{Grid, Shape, affine_super};
use super::codec::{self, Codec, Tile};
use super::lanes::{Floats, LANES, TILE, crumbs, load, pack};
use super::weight::Weight;
use super::{Format, f16};

/// 2.625 bits a weight.
pub static Q2_K: Format = Format {
    name: "Q2_K",
    ggml_type: 10,
    block_weights: 256,
    block_bytes: size_of::<Block>(),
    weighted: true,
    about: "2-bit super-blocks: for when nothing else fits; the loss is easy to notice.",
    quantize: codec::quantize::<Block>,
    dequantize: codec::dequantize::<Block>,
};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Block {
    /// Sub-block scales in the low nibbles, minimums in the high ones.
    scales: [u8; 16],
    /// Codes: of each half's 128 weights, byte `i` has those of `i`, `i + 32`, `i + 64` and `i + 96`.
    qs: [[u8; 32]; 2],
    /// Scale of the sub-block scales, f16.
    d: [u8; 2],
    /// Scale of the sub-block minimums, f16.
    dmin: [u8; 2],
}

const _: () = assert!(size_of::<Block>() == 84);

const SHAPE: Shape =
    Shape { top: 3.0, super_top: 15.0, grid: Grid { steps: 15, from: -1.0, step: 0.12, shifts: 3, shift: 0.25 } };

impl Codec for Block {
    type Block = Self;
    const WEIGHTS: usize = 256;

    #[inline(always)]
    fn encode<V: Floats, W: Weight<V>>(Tile { weights, factors, effort }: Tile<'_>, blocks: &mut [Self]) {
        let (first, second) = weights.split_at(TILE / 2);
        let x = [load(first), load(second)];
        let (first, second) = factors.split_at(TILE / 2);
        let w = [W::load(first), W::load(second)];
        let fit = affine_super::<V, 16, 2, W>(&x, &w, &SHAPE, effort);
        let block = &mut blocks[0];
        block.d = fit.d.to_le_bytes();
        block.dmin = fit.dmin.to_le_bytes();
        for (s, byte) in block.scales.iter_mut().enumerate() {
            let nibble = |v: &[[f32; LANES]; 2]| v[s / LANES][s % LANES] as u8;
            *byte = nibble(&fit.scales) | nibble(&fit.mins) << 4;
        }
        for (qs, codes) in block.qs.iter_mut().zip(&fit.codes) {
            let words = pack::<V, 16, 4>(codes);
            *qs = crumbs(|i| words[i % 4][i / 4]);
        }
    }

    #[inline(always)]
    fn decode(block: &Self, weights: &mut [f32]) {
        let (d, dmin) = (f16::decode(u16::from_le_bytes(block.d)), f16::decode(u16::from_le_bytes(block.dmin)));
        for (s, weights) in weights.chunks_exact_mut(16).enumerate() {
            let scale = d * f32::from(block.scales[s] & 15);
            let min = dmin * f32::from(block.scales[s] >> 4);
            let bytes = &block.qs[s / LANES][s % 2 * 16..];
            for (weight, &byte) in weights.iter_mut().zip(bytes) {
                *weight = scale * f32::from(byte >> (s % LANES / 2 * 2) & 3) - min;
            }
        }
    }
}
