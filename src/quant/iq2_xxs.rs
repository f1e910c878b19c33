//! IQ2_XXS: super-blocks of 256 weights; eight weights are one of 256 points and seven signs, 32 share a scale;
//! `block_iq2_xxs` of ggml-common.h.

use super::codec::{self, Codec, Tile};
use super::lanes::{Floats, load};
use super::lattice::{self, Lattice};
use super::weight::Weight;
use super::{Format, f16, grids};
use std::sync::LazyLock;

/// 2.0625 bits a weight.
pub static IQ2_XXS: Format = Format {
    name: "IQ2_XXS",
    ggml_type: 16,
    block_weights: 256,
    block_bytes: size_of::<Block>(),
    weighted: true,
    about: "2-bit points of a small grid: the smallest that large models survive; needs an importance matrix.",
    quantize: codec::quantize::<Block>,
    dequantize: codec::dequantize::<Block>,
};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Block {
    /// Scale of the sub-block scales, f16.
    d: [u8; 2],
    /// Sub-blocks of 32 weights: four points of a byte each, then seven signs for each, the first lowest, of which the
    /// eighth makes their number even; above them the scale in four bits.
    subs: [[[u8; 4]; 2]; 8],
}

const _: () = assert!(size_of::<Block>() == 66);

pub(super) static LATTICE: LazyLock<Lattice> =
    LazyLock::new(|| Lattice::new(grids::IQ2_LEVELS, 2, &grids::IQ2_XXS, 1.0 / 8.0, 15.0, 32, 2));

impl Codec for Block {
    type Block = Self;
    const WEIGHTS: usize = 256;

    #[inline(always)]
    fn encode<V: Floats, W: Weight<V>>(Tile { weights, factors, effort }: Tile<'_>, blocks: &mut [Self]) {
        let w = W::load(factors);
        let signs = lattice::signs::<V, 32, W>(&load(weights), &w, true);
        let found = lattice::super_block::<V, 32, 1, W>(&LATTICE, &[signs.magnitudes], &[w], effort);
        let block = &mut blocks[0];
        block.d = found.d.to_le_bytes();
        for (lane, [points, signs_and_scale]) in block.subs.iter_mut().enumerate() {
            *points = std::array::from_fn(|i| found.points[0][8 * i][lane] as u8);
            let bits = if found.d == 0 { 0 } else { lattice::pack_signs(&signs, lane) };
            *signs_and_scale = (bits | u32::from(found.scales[0][lane]) << 28).to_le_bytes();
        }
    }

    #[inline(always)]
    fn decode(block: &Self, weights: &mut [f32]) {
        let d = f16::decode(u16::from_le_bytes(block.d));
        for ([points, signs_and_scale], weights) in block.subs.iter().zip(weights.chunks_exact_mut(32)) {
            let bits = u32::from_le_bytes(*signs_and_scale);
            let scale = d * (0.5 + (bits >> 28) as f32) * 0.25;
            for (i, weights) in weights.chunks_exact_mut(8).enumerate() {
                let signs = lattice::eight_signs((bits >> (7 * i)) as u16);
                lattice::decode(&LATTICE, 0, u16::from(points[i]), signs, scale, weights);
            }
        }
    }
}
