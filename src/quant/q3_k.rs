//! Q3_K: super-blocks of 256 three-bit codes, in sixteen sub-blocks with a scale; `block_q3_K` of ggml-common.h.

use super::codec::{self, Codec};
use super::lanes::{F, LANES, TILE, crumbs, load, pack};
use super::weight::One;
use super::{Format, f16, scaled};

/// 3.4375 bits a weight.
pub static Q3_K: Format = Format {
    name: "Q3_K",
    ggml_type: 11,
    block_weights: 256,
    block_bytes: size_of::<Block>(),
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

/// Codes are −4..=3.
const HALF: f32 = 4.0;

fn nearest(v: F) -> F {
    v.max(F::splat(-HALF)).min(F::splat(HALF - 1.0)).round()
}

impl Codec for Block {
    type Block = Self;
    const WEIGHTS: usize = 256;

    #[inline(always)]
    fn encode(weights: &[f32; TILE], blocks: &mut [Self]) {
        let (first, second) = weights.split_at(TILE / 2);
        // The extreme weight gets a code near -4, or one near 3 of the other sign.
        let inverses = |extreme: F| GRID.iter().map(move |&code| F::splat(code) * extreme);
        let fit = scaled::super_block(&[load::<16>(first), load(second)], &[[One; 16]; 2], 32.0, inverses, nearest);
        let block = &mut blocks[0];
        block.d = fit.d.to_le_bytes();
        let scale = |s: usize| (fit.scales[s / LANES].0[s % LANES] + 32.0) as u8;
        for i in 0..8 {
            block.scales[i] = scale(i) & 15 | (scale(i + 8) & 15) << 4;
        }
        for i in 0..4 {
            block.scales[i + 8] = (0..4).fold(0, |bits, j| bits | scale(i + 4 * j) >> 4 << (2 * j));
        }
        block.hmask = [0; 32];
        for (half, units) in fit.units.iter().enumerate() {
            let words = pack::<16, 4>(&units.map(|v| nearest(v) + F::splat(HALF)));
            let word = |i: usize| words[i % 4].0[i / 4];
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
                *weight = scale * (f32::from(code) - HALF);
            }
        }
    }
}

const GRID: [f32; 8] = [-4.7, -4.5, -4.3, -4.1, -3.9, -3.7, -3.5, -3.3];
