//! Q6_K: super-blocks of 256 six-bit codes, in sixteen sub-blocks with a scale; `block_q6_K` of ggml-common.h.

use super::codec::{self, Codec, Tile};
use super::lanes::{Floats, LANES, TILE, load, pack};
use super::levels::{Levels, Whole};
use super::weight::Weight;
use super::{Format, f16, scaled};

/// 6.5625 bits a weight.
pub static Q6_K: Format = Format {
    name: "Q6_K",
    ggml_type: 14,
    block_weights: 256,
    block_bytes: size_of::<Block>(),
    weighted: true,
    about: "6-bit super-blocks: nearly the original; also what other recipes use for the most sensitive tensors.",
    quantize: codec::quantize::<Block>,
    dequantize: codec::dequantize::<Block>,
};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Block {
    /// Low four bits: of each half's 128 weights, 0..64 in the low nibbles and 64..128 in the high ones.
    ql: [[u8; 64]; 2],
    /// Upper two bits: of each half's 128 weights, byte `i` has those of `i`, `i + 32`, `i + 64` and `i + 96`.
    qh: [[u8; 32]; 2],
    /// Sub-block scales.
    scales: [i8; 16],
    /// Scale of the sub-block scales, f16.
    d: [u8; 2],
}

const _: () = assert!(size_of::<Block>() == 210);

type Codes = Whole<-32, 31>;
/// Codes to try for the extreme weight, before they are bounded.
const STEPS: [f32; 8] = [-29.45, -29.95, -30.45, -30.95, -31.45, -31.95, -32.45, -32.95];

impl Codec for Block {
    type Block = Self;
    const WEIGHTS: usize = 256;

    #[inline(always)]
    fn encode<V: Floats, W: Weight<V>>(Tile { weights, factors, effort }: Tile<'_>, blocks: &mut [Self]) {
        let (first, second) = weights.split_at(TILE / 2);
        let x = [load(first), load(second)];
        let (first, second) = factors.split_at(TILE / 2);
        let w = [W::load(first), W::load(second)];
        let fit = scaled::super_block::<Codes, V, 16, 2, 8, W>(&x, &w, 128.0, &STEPS, effort);
        let block = &mut blocks[0];
        block.d = fit.d.to_le_bytes();
        for (s, scale) in block.scales.iter_mut().enumerate() {
            *scale = fit.scales[s / LANES][s % LANES] as i8;
        }
        for (half, units) in fit.units.iter().enumerate() {
            let words = pack::<V, 16, 4>(&Codes::codes(units));
            // Four codes a word, in the order of the weights.
            let word = |i: usize| words[i % 4][i / 4];
            for (i, bytes) in block.ql[half].chunks_exact_mut(4).enumerate() {
                let low = word(i) & 0x0f0f_0f0f | (word(i + 16) & 0x0f0f_0f0f) << 4;
                bytes.copy_from_slice(&low.to_le_bytes());
            }
            for (i, bytes) in block.qh[half].chunks_exact_mut(4).enumerate() {
                let high = (0..4).fold(0, |bits, j| bits | (word(i + 8 * j) >> 4 & 0x0303_0303) << (2 * j));
                bytes.copy_from_slice(&high.to_le_bytes());
            }
        }
    }

    #[inline(always)]
    fn decode(block: &Self, weights: &mut [f32]) {
        let d = f16::decode(u16::from_le_bytes(block.d));
        for (half, weights) in weights.chunks_exact_mut(TILE / 2).enumerate() {
            for (i, weight) in weights.iter_mut().enumerate() {
                let low = block.ql[half][i % 64] >> (i / 64 * 4) & 15;
                let high = block.qh[half][i % 32] >> (i / 32 * 2) & 3;
                let scale = d * f32::from(block.scales[half * LANES + i / 16]);
                *weight = scale * (f32::from(low | high << 4) - 32.0);
            }
        }
    }
}
