//! TQ1_0: super-blocks of 256 ternary codes, five a byte, and a scale; `block_tq1_0` of ggml-common.h.

use super::codec::{self, Codec, Tile};
use super::lanes::{Floats, load};
use super::weight::Weight;
use super::{Format, f16, ternary};

/// 1.6875 bits a weight.
pub static TQ1_0: Format = Format {
    name: "TQ1_0",
    ggml_type: 34,
    block_weights: 256,
    block_bytes: size_of::<Block>(),
    weighted: true,
    about: "Ternary, five weights a byte: exact for models trained with ternary weights, poor for all others.",
    quantize: codec::quantize::<Block>,
    dequantize: codec::dequantize::<Block>,
};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Block {
    /// Bytes of five ternary digits, then four bytes of four.
    qs: [u8; 52],
    /// Scale, f16.
    d: [u8; 2],
}

const _: () = assert!(size_of::<Block>() == 54);

/// Of the 256 weights three runs: first weight, first byte, bytes, digits a byte. A digit's neighbour in the same byte
/// is a run's bytes away.
const RUNS: [(usize, usize, usize, usize); 3] = [(0, 0, 32, 5), (160, 32, 16, 5), (240, 48, 4, 4)];

impl Codec for Block {
    type Block = Self;
    const WEIGHTS: usize = 256;

    #[inline(always)]
    fn encode<V: Floats, W: Weight<V>>(Tile { weights, factors, .. }: Tile<'_>, blocks: &mut [Self]) {
        let (scale, codes) = ternary::block::<V, W>(&load(weights), &W::load(factors));
        let codes = codes.map(V::to_array);
        let digit = |i: usize| codes[i % 32][i / 32] as u32;
        let block = &mut blocks[0];
        block.d = scale.to_le_bytes();
        for (weight, byte, bytes, digits) in RUNS {
            for i in 0..bytes {
                let number =
                    (0..5).fold(0, |number, j| number * 3 + if j < digits { digit(weight + j * bytes + i) } else { 0 });
                // A fraction of 243 as one of 256, so that multiplying brings out digit after digit.
                block.qs[byte + i] = (number * 256).div_ceil(243) as u8;
            }
        }
    }

    #[inline(always)]
    fn decode(block: &Self, weights: &mut [f32]) {
        let d = f16::decode(u16::from_le_bytes(block.d));
        for (weight, byte, bytes, digits) in RUNS {
            for j in 0..digits {
                for i in 0..bytes {
                    let rest = block.qs[byte + i].wrapping_mul([1, 3, 9, 27, 81][j]);
                    weights[weight + j * bytes + i] = d * (f32::from(((u16::from(rest) * 3) >> 8) as u8) - 1.0);
                }
            }
        }
    }
}
