//! IQ1_S: super-blocks of 256 weights; eight weights are one of 2048 points, 32 share a scale and a shift;
//! `block_iq1_s` of ggml-common.h.

use super::codec::{self, Codec, Tile};
use super::lanes::{Floats, LANES, load};
use super::lattice::{self, Lattice};
use super::weight::Weight;
use super::{Format, f16, grids};
use std::sync::LazyLock;

/// 1.5625 bits a weight.
pub static IQ1_S: Format = Format {
    name: "IQ1_S",
    ggml_type: 19,
    block_weights: 256,
    block_bytes: size_of::<Block>(),
    weighted: true,
    about: "Ternary points of a grid: the smallest of all; needs an importance matrix and a very large model.",
    quantize: codec::quantize::<Block>,
    dequantize: codec::dequantize::<Block>,
};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Block {
    /// Scale of the sub-block scales, f16.
    d: [u8; 2],
    /// For every eight weights the low eight bits of a point.
    qs: [[u8; 4]; 8],
    /// For every 32 weights the upper three bits of four points, the first lowest; three bits of scale; and the sign of
    /// the shift.
    qh: [[u8; 2]; 8],
}

const _: () = assert!(size_of::<Block>() == 50);

pub(super) static LATTICE: LazyLock<Lattice> =
    LazyLock::new(|| Lattice::new(grids::IQ1_LEVELS, 2, &grids::IQ1, 1.0, 7.0, 32, 1));

impl Codec for Block {
    type Block = Self;
    const WEIGHTS: usize = 256;

    #[inline(always)]
    fn encode<V: Floats, W: Weight<V>>(Tile { weights, factors, effort }: Tile<'_>, blocks: &mut [Self]) {
        let found = lattice::super_block::<V, 32, 1, W>(&LATTICE, &[load(weights)], &[W::load(factors)], effort);
        let block = &mut blocks[0];
        block.d = found.d.to_le_bytes();
        for lane in 0..LANES {
            let point = |i: usize| found.points[0][8 * i][lane];
            block.qs[lane] = std::array::from_fn(|i| point(i) as u8);
            let high = (0..4).fold(0, |bits, i| bits | (point(i) >> 8) << (3 * i));
            let scale = u16::from(found.scales[0][lane]) << 12 | u16::from(found.sets[0][0][lane]) << 15;
            block.qh[lane] = (high | scale).to_le_bytes();
        }
    }

    #[inline(always)]
    fn decode(block: &Self, weights: &mut [f32]) {
        let d = f16::decode(u16::from_le_bytes(block.d));
        for (s, weights) in weights.chunks_exact_mut(32).enumerate() {
            let bits = u16::from_le_bytes(block.qh[s]);
            let scale = d * (2.0 * f32::from(bits >> 12 & 7) + 1.0);
            for (i, weights) in weights.chunks_exact_mut(8).enumerate() {
                let point = u16::from(block.qs[s][i]) | (bits >> (3 * i) & 7) << 8;
                lattice::decode(&LATTICE, usize::from(bits >> 15), point, 0, scale, weights);
            }
        }
    }
}
