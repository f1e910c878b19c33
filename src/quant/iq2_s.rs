//! IQ2_S: super-blocks of 256 weights; eight weights are one of 1024 points and eight signs, 16 share a scale;
//! `block_iq2_s` of ggml-common.h.

use super::codec::{self, Codec, Tile};
use super::lanes::{Floats, LANES, TILE, load};
use super::lattice::{self, Lattice};
use super::weight::Weight;
use super::{Format, f16, grids};
use std::sync::LazyLock;

/// 2.5625 bits a weight.
pub static IQ2_S: Format = Format {
    name: "IQ2_S",
    ggml_type: 22,
    block_weights: 256,
    block_bytes: size_of::<Block>(),
    weighted: true,
    about: "2-bit points of a large grid: better than Q2_K in the same bytes with an importance matrix.",
    quantize: codec::quantize::<Block>,
    dequantize: codec::dequantize::<Block>,
};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Block {
    /// Scale of the sub-block scales, f16.
    d: [u8; 2],
    /// For every eight weights the low eight bits of a point.
    qs: [u8; 32],
    /// And eight signs, the first lowest.
    signs: [u8; 32],
    /// And the point's upper two bits, four a byte, the first lowest.
    qh: [u8; 8],
    /// Scales of sub-blocks of 16 weights, the first of two in the low nibble.
    scales: [u8; 8],
}

const _: () = assert!(size_of::<Block>() == 82);

pub(super) static LATTICE: LazyLock<Lattice> =
    LazyLock::new(|| Lattice::new(grids::IQ2_LEVELS, 2, &grids::IQ2_S, 1.0 / 8.0, 15.0, 16, 2));

impl Codec for Block {
    type Block = Self;
    const WEIGHTS: usize = 256;

    #[inline(always)]
    fn encode<V: Floats, W: Weight<V>>(Tile { weights, factors, effort }: Tile<'_>, blocks: &mut [Self]) {
        let (first, second) = factors.split_at(TILE / 2);
        let w = [W::load(first), W::load(second)];
        let (first, second) = weights.split_at(TILE / 2);
        let signs = [
            lattice::signs::<V, 16, W>(&load(first), &w[0], false),
            lattice::signs::<V, 16, W>(&load(second), &w[1], false),
        ];
        let x = [signs[0].magnitudes, signs[1].magnitudes];
        let found = lattice::super_block::<V, 16, 2, W>(&LATTICE, &x, &w, effort);
        let block = &mut blocks[0];
        block.d = found.d.to_le_bytes();
        // Of a sub-block: which vector, which lane.
        let place = |sub: usize| (sub / LANES, sub % LANES);
        block.qh = [0; 8];
        for i in 0..32 {
            let (h, lane) = place(i / 2);
            let point = found.points[h][i % 2 * 8][lane];
            block.qs[i] = point as u8;
            block.qh[i / 4] |= ((point >> 8) << (i % 4 * 2)) as u8;
            block.signs[i] = if found.d == 0 { 0 } else { signs[h].bytes[i % 2 * 8][lane] };
        }
        for (i, scales) in block.scales.iter_mut().enumerate() {
            let (h, lane) = place(2 * i);
            *scales = found.scales[h][lane] | found.scales[h][lane + 1] << 4;
        }
    }

    #[inline(always)]
    fn decode(block: &Self, weights: &mut [f32]) {
        let d = f16::decode(u16::from_le_bytes(block.d));
        for (i, weights) in weights.chunks_exact_mut(8).enumerate() {
            let scale = d * (0.5 + f32::from(block.scales[i / 4] >> (i / 2 % 2 * 4) & 15)) * 0.25;
            let high = u16::from(block.qh[i / 4] >> (i % 4 * 2) & 3);
            let point = u16::from(block.qs[i]) | high << 8;
            lattice::decode(&LATTICE, 0, point, block.signs[i], scale, weights);
        }
    }
}
