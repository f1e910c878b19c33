//! Q3_K: super-blocks of 256 three-bit codes, in sixteen sub-blocks with a scale; `block_q3_K` of ggml-common.h.

use super::codec::{self, Codec, Tile};
use super::lanes::{Floats, LANES, TILE, crumbs, load, pack};
use super::levels::{Levels, Whole};
use super::weight::Weight;
use super::{Format, f16, scaled};

/// 3.4375 bits a weight.
pub static Q3_K: Format = Format {
    name: "Q3_K",
    ggml_type: 11,
    block_weights: 256,
    block_bytes: size_of::<Block>(),
    weighted: true,
    about: "3-bit super-blocks: small, and still coherent for larger models.",
    quantize: codec::quantize::<Block>,
    dequantize: codec::dequantize::<Block>,
};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Block {
    /// The third bits: byte `i`, bit `j` has that of weight `32 j + i`.
    hmask: [u8; 32],
    /// Low two bits: of each half's 128 weights, byte `i` has those of `i`, `i + 32`, `i + 64` and `i + 96`.
    qs: [[u8; 32]; 2],
    /// Sixteen scales + 32 of six bits: byte `i` of the first eight has the low nibbles of scales `i` and `i + 8`,
    /// byte `i` of the last four the upper two bits of scales `i`, `i + 4`, `i + 8` and `i + 12`.
    scales: [u8; 12],
    /// Scale of the sub-block scales, f16.
    d: [u8; 2],
}

const _: () = assert!(size_of::<Block>() == 110);

type Codes = Whole<-4, 3>;
/// Codes to try for the extreme weight, before they are bounded.
const STEPS: [f32; 8] = [-4.9, -4.6, -4.3, -4.0, -3.7, -3.4, 2.9, 3.3];

impl Codec for Block {
    type Block = Self;
    const WEIGHTS: usize = 256;

    #[inline(always)]
    fn encode<V: Floats, W: Weight<V>>(Tile { weights, factors, effort }: Tile<'_>, blocks: &mut [Self]) {
        let (first, second) = weights.split_at(TILE / 2);
        let x = [load(first), load(second)];
        let (first, second) = factors.split_at(TILE / 2);
        let w = [W::load(first), W::load(second)];
        let fit = scaled::super_block::<Codes, V, 16, 2, 8, W>(&x, &w, 32.0, &STEPS, effort);
        let block = &mut blocks[0];
        block.d = fit.d.to_le_bytes();
        let scale = |s: usize| (fit.scales[s / LANES][s % LANES] + 32.0) as u8;
        for i in 0..8 {
            block.scales[i] = scale(i) & 15 | (scale(i + 8) & 15) << 4;
        }
        for i in 0..4 {
            block.scales[i + 8] = (0..4).fold(0, |bits, j| bits | scale(i + 4 * j) >> 4 << (2 * j));
        }
        block.hmask = [0; 32];
        for (half, units) in fit.units.iter().enumerate() {
            let words = pack::<V, 16, 4>(&Codes::codes(units));
            let word = |i: usize| words[i % 4][i / 4];
            block.qs[half] = crumbs(word);
            for (i, bytes) in block.hmask.chunks_exact_mut(4).enumerate() {
                for j in 0..4 {
                    let high = (word(i + 8 * j) >> 2 & 0x0101_0101) << (4 * half + j);
                    for (byte, bits) in bytes.iter_mut().zip(high.to_le_bytes()) {
                        *byte |= bits;
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn decode(block: &Self, weights: &mut [f32]) {
        let d = f16::decode(u16::from_le_bytes(block.d));
        for (s, weights) in weights.chunks_exact_mut(16).enumerate() {
            let low = block.scales[s % 8] >> (s / 8 * 4) & 15;
            let high = block.scales[8 + s % 4] >> (s / 4 * 2) & 3;
            let scale = d * (f32::from(low | high << 4) - 32.0);
            let at = s % 2 * 16;
            let (qs, hmask) = (&block.qs[s / 8][at..], &block.hmask[at..]);
            for (weight, (&low, &high)) in weights.iter_mut().zip(qs.iter().zip(hmask)) {
                let code = low >> (s % 8 / 2 * 2) & 3 | (high >> (s / 2) & 1) << 2;
                *weight = scale * (f32::from(code) - 4.0);
            }
        }
    }
}
