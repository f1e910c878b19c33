//! IQ2_XS: super-blocks of 256 weights; eight weights are one of 512 points and seven signs, 16 share a scale;
//! `block_iq2_xs` of ggml-common.h.

use super::codec::{self, Codec, Tile};
use super::lanes::{Floats, LANES, TILE, load};
use super::lattice::{self, Lattice};
use super::weight::Weight;
use super::{Format, f16, grids};
use std::sync::LazyLock;

/// 2.3125 bits a weight.
pub static IQ2_XS: Format = Format {
    name: "IQ2_XS",
    ggml_type: 17,
    block_weights: 256,
    block_bytes: size_of::<Block>(),
    weighted: true,
    about: "2-bit points of a grid: a little larger and better than IQ2_XXS; needs an importance matrix.",
    quantize: codec::quantize::<Block>,
    dequantize: codec::dequantize::<Block>,
};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Block {
    /// Scale of the sub-block scales, f16.
    d: [u8; 2],
    /// For every eight weights a point of nine bits, and seven signs, the first lowest; the eighth makes their number
    /// even.
    qs: [[u8; 2]; 32],
    /// Scales of sub-blocks of 16 weights, the first of two in the low nibble.
    scales: [u8; 8],
}

const _: () = assert!(size_of::<Block>() == 74);

pub(super) static LATTICE: LazyLock<Lattice> =
    LazyLock::new(|| Lattice::new(grids::IQ2_LEVELS, 2, &grids::IQ2_XS, 1.0 / 8.0, 15.0, 16, 2));

impl Codec for Block {
    type Block = Self;
    const WEIGHTS: usize = 256;

    #[inline(always)]
    fn encode<V: Floats, W: Weight<V>>(Tile { weights, factors, effort }: Tile<'_>, blocks: &mut [Self]) {
        let (first, second) = factors.split_at(TILE / 2);
        let w = [W::load(first), W::load(second)];
        let (first, second) = weights.split_at(TILE / 2);
        let signs = [
            lattice::signs::<V, 16, W>(&load(first), &w[0], true),
            lattice::signs::<V, 16, W>(&load(second), &w[1], true),
        ];
        let x = [signs[0].magnitudes, signs[1].magnitudes];
        let found = lattice::super_block::<V, 16, 2, W>(&LATTICE, &x, &w, effort);
        let block = &mut blocks[0];
        block.d = found.d.to_le_bytes();
        // Of a sub-block: which vector, which lane.
        let place = |sub: usize| (sub / LANES, sub % LANES);
        for (i, qs) in block.qs.iter_mut().enumerate() {
            let (h, lane) = place(i / 2);
            let signs = if found.d == 0 { 0 } else { signs[h].bytes[i % 2 * 8][lane] };
            *qs = (found.points[h][i % 2 * 8][lane] | u16::from(signs & 127) << 9).to_le_bytes();
        }
        for (i, scales) in block.scales.iter_mut().enumerate() {
            let (h, lane) = place(2 * i);
            *scales = found.scales[h][lane] | found.scales[h][lane + 1] << 4;
        }
    }

    #[inline(always)]
    fn decode(block: &Self, weights: &mut [f32]) {
        let d = f16::decode(u16::from_le_bytes(block.d));
        for (i, (qs, weights)) in block.qs.iter().zip(weights.chunks_exact_mut(8)).enumerate() {
            let scale = d * (0.5 + f32::from(block.scales[i / 4] >> (i / 2 % 2 * 4) & 15)) * 0.25;
            let bits = u16::from_le_bytes(*qs);
            let signs = lattice::eight_signs(bits >> 9);
            lattice::decode(&LATTICE, 0, bits & 511, signs, scale, weights);
        }
    }
}
