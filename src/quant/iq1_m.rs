//! IQ1_M: super-blocks of 256 weights; eight weights are one of 2048 points and a shift, 16 share a scale;
//! `block_iq1_m` of ggml-common.h.

use super::codec::{self, Codec, Tile};
use super::lanes::{Floats, LANES, TILE, load};
use super::lattice::{self, Lattice};
use super::weight::Weight;
use super::{Format, f16, grids};
use std::sync::LazyLock;

/// 1.75 bits a weight.
pub static IQ1_M: Format = Format {
    name: "IQ1_M",
    ggml_type: 29,
    block_weights: 256,
    block_bytes: size_of::<Block>(),
    weighted: true,
    about: "Ternary points of a grid with more scales: a little larger and better than IQ1_S; needs an importance matrix.",
    quantize: codec::quantize::<Block>,
    dequantize: codec::dequantize::<Block>,
};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Block {
    /// For every eight weights the low eight bits of a point.
    qs: [u8; 32],
    /// And a nibble: the point's upper three bits, and the sign of the shift.
    qh: [u8; 16],
    /// Four times four scales of three bits of sub-blocks of 16 weights, and in the top nibbles the f16 scale of them all.
    scales: [[u8; 2]; 4],
}

const _: () = assert!(size_of::<Block>() == 56);

pub(super) static LATTICE: LazyLock<Lattice> =
    LazyLock::new(|| Lattice::new(grids::IQ1_LEVELS, 2, &grids::IQ1, 1.0, 7.0, 8, 1));

impl Codec for Block {
    type Block = Self;
    const WEIGHTS: usize = 256;

    #[inline(always)]
    fn encode<V: Floats, W: Weight<V>>(Tile { weights, factors, effort }: Tile<'_>, blocks: &mut [Self]) {
        let (first, second) = factors.split_at(TILE / 2);
        let w = [W::load(first), W::load(second)];
        let (first, second) = weights.split_at(TILE / 2);
        let found = lattice::super_block::<V, 16, 2, W>(&LATTICE, &[load(first), load(second)], &w, effort);
        let block = &mut blocks[0];
        block.qh = [0; 16];
        for i in 0..32 {
            let (h, lane, at) = (i / 16, i / 2 % LANES, i % 2 * 8);
            let point = found.points[h][at][lane];
            block.qs[i] = point as u8;
            block.qh[i / 2] |= ((point >> 8) as u8 | found.sets[h][at][lane] << 3) << (i % 2 * 4);
        }
        for (i, bytes) in block.scales.iter_mut().enumerate() {
            let scale = |j: usize| u16::from(found.scales[i / 2][i % 2 * 4 + j]) << (3 * j);
            let top = found.d >> (4 * i) << 12;
            *bytes = (scale(0) | scale(1) | scale(2) | scale(3) | top).to_le_bytes();
        }
    }

    #[inline(always)]
    fn decode(block: &Self, weights: &mut [f32]) {
        let scales = block.scales.map(u16::from_le_bytes);
        let d = f16::decode((0..4).fold(0, |bits, i| bits | scales[i] >> 12 << (4 * i)));
        for (i, weights) in weights.chunks_exact_mut(8).enumerate() {
            let scale = d * (2.0 * f32::from(scales[i / 8] >> (i / 2 % 4 * 3) & 7) + 1.0);
            let nibble = block.qh[i / 2] >> (i % 2 * 4);
            let point = u16::from(block.qs[i]) | u16::from(nibble & 7) << 8;
            lattice::decode(&LATTICE, usize::from(nibble >> 3 & 1), point, 0, scale, weights);
        }
    }
}
