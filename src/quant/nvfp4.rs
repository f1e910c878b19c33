//! NVFP4: blocks of 64 four-bit floats, in four sub-blocks with an eight-bit float as scale; `block_nvfp4` of
//! ggml-common.h.

use super::codec::{self, Codec, Tile};
use super::lanes::{Floats, LANES, TILE, each, load, pack};
use super::levels::{Fp4, Levels};
use super::weight::Weight;
use super::{Format, scaled};

/// 4.5 bits a weight.
pub static NVFP4: Format = Format {
    name: "NVFP4",
    ggml_type: 40,
    block_weights: 64,
    block_bytes: size_of::<Block>(),
    weighted: true,
    about: "4-bit floats with small scales: exact for models published in it, less faithful than Q4_K otherwise.",
    quantize: codec::quantize::<Block>,
    dequantize: codec::dequantize::<Block>,
};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Block {
    /// Sub-block scales: four exponent bits, three mantissa bits, no sign (UE4M3).
    d: [u8; 4],
    /// Codes: 8 bytes a sub-block, its weights 0..8 in the low nibbles, 8..16 in the high ones.
    qs: [[u8; 8]; 4],
}

const _: () = assert!(size_of::<Block>() == 36);

/// The largest finite UE4M3, 448; 0x7f is not a number and reads as 0, and the eighth bit counts for nothing.
const LARGEST: u32 = 0x7e;

/// Half the value of a UE4M3 byte, for the levels are doubled.
#[inline(always)]
fn half_scale(byte: u32) -> f32 {
    let (exponent, mantissa) = (byte >> 3 & 15, byte & 7);
    // 2^-10 is half the unit of subnormals; normal numbers have seven less than the bias of f32, and one for the half.
    let subnormal = mantissa as i32 as f32 * (1.0 / 1024.0);
    let normal = f32::from_bits((exponent + 119) << 23 | mantissa << 20);
    if byte == 0x7f {
        0.0
    } else if exponent == 0 {
        subnormal
    } else {
        normal
    }
}

/// The byte whose value is nearest from below to `v`.
#[inline(always)]
fn byte_below(v: f32) -> u32 {
    let bits = v.to_bits() >> 20;
    let normal = bits.saturating_sub(120 << 3).min(LARGEST);
    let subnormal = (v * 512.0) as u32;
    if normal < 8 { subnormal.min(7) } else { normal }
}

/// Scales to try around the one that makes the largest weight the largest level: from the one below to where the
/// largest weight has the level before, so blocks that were in this format stay as they are.
const TRIES: u32 = 8;
const BELOW: u32 = 1;

/// The sub-block scales of least error.
#[inline(always)]
fn scales<V: Floats, W: Weight<V>>(x: &[V; 16], w: &[W; 16]) -> V {
    let size = (scaled::extreme(x, 1).abs() / V::splat(6.0)).to_array();
    let first = size.map(|v| byte_below(v).saturating_sub(BELOW));
    let (mut best, mut least) = (V::zero(), V::splat(f32::MAX));
    for step in 0..TRIES {
        let bytes = first.map(|byte| (byte + step).min(LARGEST));
        let scale = V::from_array(bytes.map(half_scale));
        let inverse = scale.inverse();
        let mut error = V::zero();
        for i in 0..16 {
            let rest = x[i] - scale * Fp4::nearest(x[i] * inverse);
            error = error + w[i] * (rest * rest);
        }
        best = least.if_gt(error, V::from_array(bytes.map(|byte| byte as f32)), best);
        least = least.min(error);
    }
    best
}

impl Codec for Block {
    type Block = Self;
    const WEIGHTS: usize = 64;

    #[inline(always)]
    fn encode<V: Floats, W: Weight<V>>(Tile { weights, factors, .. }: Tile<'_>, blocks: &mut [Self]) {
        let halves = weights.chunks_exact(TILE / 2).zip(factors.chunks_exact(TILE / 2));
        for (half, (weights, factors)) in halves.enumerate() {
            let x = load::<V, 16>(weights);
            let bytes = scales(&x, &W::load(factors)).to_array().map(|byte| byte as u32);
            let inverse = V::from_array(bytes.map(half_scale)).inverse();
            let words = pack::<V, 16, 4>(&Fp4::codes(&each(&x, |v| v * inverse)));
            for lane in 0..LANES {
                let (block, sub) = (half * 2 + lane / 4, lane % 4);
                let Some(block) = blocks.get_mut(block) else { return };
                block.d[sub] = bytes[lane] as u8;
                for (w, bytes) in block.qs[sub].chunks_exact_mut(4).enumerate() {
                    bytes.copy_from_slice(&(words[w][lane] | words[w + 2][lane] << 4).to_le_bytes());
                }
            }
        }
    }

    #[inline(always)]
    fn decode(block: &Self, weights: &mut [f32]) {
        for (s, weights) in weights.chunks_exact_mut(16).enumerate() {
            let d = half_scale(u32::from(block.d[s]));
            for (i, &byte) in block.qs[s].iter().enumerate() {
                weights[i] = d * Fp4::level(byte & 15);
                weights[i + 8] = d * Fp4::level(byte >> 4);
            }
        }
    }
}
