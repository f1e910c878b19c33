//! Q8_0: blocks of 32 signed bytes and a scale; `block_q8_0` of ggml-common.h.

use super::codec::{self, Codec};
use super::lanes::{F, TILE, load, pack};
use super::{Format, f16};

/// 8.5 bits a weight.
pub static Q8_0: Format = Format {
    name: "Q8_0",
    ggml_type: 8,
    block_weights: 32,
    block_bytes: size_of::<Block>(),
    about: "8-bit blocks: practically the original model at half the size of F16.",
    quantize: codec::quantize::<Block>,
    dequantize: codec::dequantize::<Block>,
};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Block {
    /// Scale, f16.
    d: [u8; 2],
    /// Codes, −127..=127.
    qs: [i8; 32],
}

const _: () = assert!(size_of::<Block>() == 34);

impl Codec for Block {
    type Block = Self;
    const WEIGHTS: usize = 32;

    /// As ggml's `quantize_row_q8_0_ref`: the largest magnitude becomes 127, halves round away from zero.
    #[inline(always)]
    fn encode(weights: &[f32; TILE], blocks: &mut [Self]) {
        let x = load::<32>(weights);
        let d = x.iter().fold(F::ZERO, |most, v| most.max(v.abs())) / F::splat(127.0);
        let half = d.map(f16::encode_scale);
        // The codes follow the unrounded scale; one that is stored as 0 has only codes 0, one that overflows stays
        // at the largest.
        let inverse = half.map(f16::decode).if_gt(F::ZERO, d.min(F::splat(65504.0)).inverse(), F::ZERO);
        let (least, most) = (F::splat(-127.0), F::splat(127.0));
        let codes = x.map(|v| round_half_away((v * inverse).max(least).min(most)) + F::splat(128.0));
        let words = pack::<32, 8>(&codes);
        for (lane, block) in blocks.iter_mut().enumerate() {
            block.d = half.0[lane].to_le_bytes();
            for (w, bytes) in words.iter().zip(block.qs.chunks_exact_mut(4)) {
                // Flipping the top bit takes 128 off a byte.
                bytes.copy_from_slice(&(w.0[lane] ^ 0x8080_8080).to_le_bytes().map(|b| b as i8));
            }
        }
    }

    #[inline(always)]
    fn decode(block: &Self, weights: &mut [f32]) {
        let d = f16::decode(u16::from_le_bytes(block.d));
        for (weight, &code) in weights.iter_mut().zip(&block.qs) {
            *weight = f32::from(code) * d;
        }
    }
}

/// C's `roundf`: nearest, halves away from zero.
#[inline(always)]
fn round_half_away(v: F) -> F {
    let even = v.round();
    let rest = v - even;
    let up = (v.if_gt(F::ZERO, rest, F::ZERO)).map(|r| if r == 0.5 { 1.0 } else { 0.0 });
    let down = (F::ZERO.if_gt(v, rest, F::ZERO)).map(|r| if r == -0.5 { 1.0 } else { 0.0 });
    even + up - down
}
