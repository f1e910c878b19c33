//! IQ3_XXS: super-blocks of 256 weights; four weights are one of 256 points, eight have seven signs, 32 share a
//! scale; `block_iq3_xxs` of ggml-common.h.

use super::codec::{self, Codec, Tile};
use super::lanes::{Floats, LANES, load};
use super::lattice::{self, Lattice};
use super::weight::Weight;
use super::{Format, f16, grids};
use std::sync::LazyLock;

/// 3.0625 bits a weight.
pub static IQ3_XXS: Format = Format {
    name: "IQ3_XXS",
    ggml_type: 18,
    block_weights: 256,
    block_bytes: size_of::<Block>(),
    weighted: true,
    about: "3-bit points of a small grid: smaller than Q3_K and nearly as good with an importance matrix.",
    quantize: codec::quantize::<Block>,
    dequantize: codec::dequantize::<Block>,
};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Block {
    /// Scale of the sub-block scales, f16.
    d: [u8; 2],
    /// A point for every four weights.
    qs: [[u8; 8]; 8],
    /// For every 32 weights four times seven signs, the first lowest, of which the eighth makes their number even; above
    /// them the scale in four bits.
    signs_and_scales: [[u8; 4]; 8],
}

const _: () = assert!(size_of::<Block>() == 98);

pub(super) static LATTICE: LazyLock<Lattice> =
    LazyLock::new(|| Lattice::new(grids::IQ3_XXS_LEVELS, 3, &grids::IQ3_XXS, 1.0 / 4.0, 15.0, 32, 3));

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
        for lane in 0..LANES {
            block.qs[lane] = std::array::from_fn(|i| found.points[0][4 * i][lane] as u8);
            let bits = if found.d == 0 { 0 } else { lattice::pack_signs(&signs, lane) };
            block.signs_and_scales[lane] = (bits | u32::from(found.scales[0][lane]) << 28).to_le_bytes();
        }
    }

    #[inline(always)]
    fn decode(block: &Self, weights: &mut [f32]) {
        let d = f16::decode(u16::from_le_bytes(block.d));
        for (s, weights) in weights.chunks_exact_mut(32).enumerate() {
            let bits = u32::from_le_bytes(block.signs_and_scales[s]);
            let scale = d * (0.5 + (bits >> 28) as f32) * 0.5;
            for (i, weights) in weights.chunks_exact_mut(4).enumerate() {
                let signs = lattice::eight_signs((bits >> (i / 2 * 7)) as u16) >> (i % 2 * 4);
                lattice::decode(&LATTICE, 0, u16::from(block.qs[s][i]), signs, scale, weights);
            }
        }
    }
}
