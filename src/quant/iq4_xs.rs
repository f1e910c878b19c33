//! IQ4_XS: super-blocks of 256 four-bit codes for unevenly spaced levels, in eight sub-blocks with a scale;
//! `block_iq4_xs` of ggml-common.h.

use super::codec::{self, Codec, Tile};
use super::lanes::{Floats, LANES, load, nibbles, pack};
use super::levels::{Iq4, Levels};
use super::weight::Weight;
use super::{Format, f16, scaled};

/// 4.25 bits a weight.
pub static IQ4_XS: Format = Format {
    name: "IQ4_XS",
    ggml_type: 23,
    block_weights: 256,
    block_bytes: size_of::<Block>(),
    weighted: true,
    about: "4-bit super-blocks with levels spaced as weights are: smaller than Q4_K and nearly as faithful.",
    quantize: codec::quantize::<Block>,
    dequantize: codec::dequantize::<Block>,
};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Block {
    /// Scale of the sub-block scales, f16.
    d: [u8; 2],
    /// Upper two bits of the sub-block scales + 32, the first lowest.
    scales_h: [u8; 2],
    /// Low nibbles of the sub-block scales + 32, two a byte.
    scales_l: [u8; 4],
    /// Codes: 16 bytes a sub-block, its weights 0..16 in the low nibbles, 16..32 in the high ones.
    qs: [[u8; 16]; 8],
}

const _: () = assert!(size_of::<Block>() == 136);

impl Codec for Block {
    type Block = Self;
    const WEIGHTS: usize = 256;

    #[inline(always)]
    fn encode<V: Floats, W: Weight<V>>(Tile { weights, factors, effort }: Tile<'_>, blocks: &mut [Self]) {
        let fit = scaled::super_block::<Iq4, V, 32, 1, 8, _>(
            &[load(weights)],
            &[W::load(factors)],
            32.0,
            &Iq4::STEPS,
            effort,
        );
        let block = &mut blocks[0];
        block.d = fit.d.to_le_bytes();
        let scale = |s: usize| (fit.scales[0][s] + 32.0) as u8;
        block.scales_h = (0..LANES).fold(0, |bits, s| bits | u16::from(scale(s) >> 4) << (2 * s)).to_le_bytes();
        block.scales_l = std::array::from_fn(|i| scale(2 * i) & 15 | scale(2 * i + 1) << 4);
        let words = nibbles(&pack::<V, 32, 8>(&Iq4::codes(&fit.units[0])));
        for (s, qs) in block.qs.iter_mut().enumerate() {
            for (w, bytes) in words.iter().zip(qs.chunks_exact_mut(4)) {
                bytes.copy_from_slice(&w[s].to_le_bytes());
            }
        }
    }

    #[inline(always)]
    fn decode(block: &Self, weights: &mut [f32]) {
        let d = f16::decode(u16::from_le_bytes(block.d));
        let high = u16::from_le_bytes(block.scales_h);
        for (s, weights) in weights.chunks_exact_mut(32).enumerate() {
            let low = block.scales_l[s / 2] >> (s % 2 * 4) & 15;
            let scale = d * (f32::from(low | ((high >> (2 * s) & 3) << 4) as u8) - 32.0);
            for (i, &byte) in block.qs[s].iter().enumerate() {
                weights[i] = scale * Iq4::LEVELS[usize::from(byte & 15)];
                weights[i + 16] = scale * Iq4::LEVELS[usize::from(byte >> 4)];
            }
        }
    }
}
