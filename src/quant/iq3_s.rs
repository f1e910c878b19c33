//! IQ3_S: super-blocks of 256 weights; four weights are one of 512 points and four signs, 32 share a scale;
//! `block_iq3_s` of ggml-common.h.

use super::codec::{self, Codec, Tile};
use super::lanes::{Floats, LANES, load};
use super::lattice::{self, Lattice};
use super::weight::Weight;
use super::{Format, f16, grids};
use std::sync::LazyLock;

/// 3.4375 bits a weight.
pub static IQ3_S: Format = Format {
    name: "IQ3_S",
    ggml_type: 21,
    block_weights: 256,
    block_bytes: size_of::<Block>(),
    weighted: true,
    about: "3-bit points of a grid: better than Q3_K in the same bytes.",
    quantize: codec::quantize::<Block>,
    dequantize: codec::dequantize::<Block>,
};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Block {
    /// Scale of the sub-block scales, f16.
    d: [u8; 2],
    /// For every four weights the low eight bits of a point.
    qs: [[u8; 8]; 8],
    /// And the ninth bit, the first lowest.
    qh: [u8; 8],
    /// And four signs, the first lowest.
    signs: [[u8; 4]; 8],
    /// Scales of sub-blocks of 32 weights, the first of two in the low nibble.
    scales: [u8; 4],
}

const _: () = assert!(size_of::<Block>() == 110);

pub(super) static LATTICE: LazyLock<Lattice> =
    LazyLock::new(|| Lattice::new(grids::IQ3_S_LEVELS, 3, &grids::IQ3_S, 1.0, 15.0, 32, 1));

impl Codec for Block {
    type Block = Self;
    const WEIGHTS: usize = 256;

    #[inline(always)]
    fn encode<V: Floats, W: Weight<V>>(Tile { weights, factors, effort }: Tile<'_>, blocks: &mut [Self]) {
        let w = W::load(factors);
        let signs = lattice::signs::<V, 32, W>(&load(weights), &w, false);
        let found = lattice::super_block::<V, 32, 1, W>(&LATTICE, &[signs.magnitudes], &[w], effort);
        let block = &mut blocks[0];
        block.d = found.d.to_le_bytes();
        for lane in 0..LANES {
            let point = |i: usize| found.points[0][4 * i][lane];
            block.qs[lane] = std::array::from_fn(|i| point(i) as u8);
            block.qh[lane] = (0..8).fold(0, |bits, i| bits | ((point(i) >> 8) << i) as u8);
            let signs = |i: usize| if found.d == 0 { 0 } else { signs.bytes[8 * i][lane] };
            block.signs[lane] = std::array::from_fn(signs);
        }
        block.scales = std::array::from_fn(|i| found.scales[0][2 * i] | found.scales[0][2 * i + 1] << 4);
    }

    #[inline(always)]
    fn decode(block: &Self, weights: &mut [f32]) {
        let d = f16::decode(u16::from_le_bytes(block.d));
        for (s, weights) in weights.chunks_exact_mut(32).enumerate() {
            let scale = d * (1.0 + 2.0 * f32::from(block.scales[s / 2] >> (s % 2 * 4) & 15));
            for (i, weights) in weights.chunks_exact_mut(4).enumerate() {
                let point = u16::from(block.qs[s][i]) | u16::from(block.qh[s] >> i & 1) << 8;
                let signs = block.signs[s][i / 2] >> (i % 2 * 4);
                lattice::decode(&LATTICE, 0, point, signs, scale, weights);
            }
        }
    }
}
