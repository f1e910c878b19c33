//! MXFP4: blocks of 32 four-bit floats and an exponent; `block_mxfp4` of ggml-common.h.

use super::codec::{self, Codec, Tile};
use super::lanes::{Floats, each, load, nibbles, pack};
use super::levels::{Fp4, Levels};
use super::weight::Weight;
use super::{Format, scaled};

/// 4.25 bits a weight.
pub static MXFP4: Format = Format {
    name: "MXFP4",
    ggml_type: 39,
    block_weights: 32,
    block_bytes: size_of::<Block>(),
    weighted: true,
    about: "4-bit floats that share an exponent: exact for models published in it, less faithful than IQ4_XS otherwise.",
    quantize: codec::quantize::<Block>,
    dequantize: codec::dequantize::<Block>,
};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Block {
    /// The exponent of two of the scale, + 127 (E8M0).
    e: u8,
    /// Codes: weights 0..16 in the low nibbles, 16..32 in the high ones.
    qs: [u8; 16],
}

const _: () = assert!(size_of::<Block>() == 17);

/// The exponent byte of the smallest weight a search sees, 2^-36.
const SMALLEST: u32 = 91;

/// Half the value of an E8M0 byte, for the levels are doubled: 2^(e − 128).
#[inline(always)]
fn half_power(e: u32) -> f32 {
    f32::from_bits(if e < 2 { 0x0020_0000 << e } else { (e - 1) << 23 })
}

/// The exponents of least error, of three: the largest magnitude m is 4..8 times 2^(e − 127), half or twice that.
#[inline(always)]
fn exponents<V: Floats, W: Weight<V>>(x: &[V; 32], w: &[W; 32]) -> V {
    let size = scaled::extreme(x, 1).abs().to_array();
    // Zeros have the exponent of the smallest weight that is not, for 2^-127 has no finite inverse.
    let first = size.map(|m| (m.to_bits() >> 23).max(SMALLEST) - 3);
    let (mut best, mut least) = (V::zero(), V::splat(f32::MAX));
    for step in 0..3 {
        let scale = V::from_array(first.map(|e| half_power(e + step)));
        let inverse = scale.inverse();
        let mut error = V::zero();
        for i in 0..32 {
            let rest = x[i] - scale * Fp4::nearest(x[i] * inverse);
            error = error + w[i] * (rest * rest);
        }
        best = least.if_gt(error, V::from_array(first.map(|e| (e + step) as f32)), best);
        least = least.min(error);
    }
    best
}

impl Codec for Block {
    type Block = Self;
    const WEIGHTS: usize = 32;

    #[inline(always)]
    fn encode<V: Floats, W: Weight<V>>(Tile { weights, factors, .. }: Tile<'_>, blocks: &mut [Self]) {
        let x = load::<V, 32>(weights);
        let e = exponents(&x, &W::load(factors)).to_array().map(|e| e as u32);
        let inverse = V::from_array(e.map(half_power)).inverse();
        let words = nibbles(&pack::<V, 32, 8>(&Fp4::codes(&each(&x, |v| v * inverse))));
        for (lane, block) in blocks.iter_mut().enumerate() {
            block.e = e[lane] as u8;
            for (w, bytes) in words.iter().zip(block.qs.chunks_exact_mut(4)) {
                bytes.copy_from_slice(&w[lane].to_le_bytes());
            }
        }
    }

    #[inline(always)]
    fn decode(block: &Self, weights: &mut [f32]) {
        let d = half_power(u32::from(block.e));
        for (i, &byte) in block.qs.iter().enumerate() {
            weights[i] = d * Fp4::level(byte & 15);
            weights[i + 16] = d * Fp4::level(byte >> 4);
        }
    }
}
