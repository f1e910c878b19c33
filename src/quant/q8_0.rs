//! Q8_0: blocks of 32 signed bytes and a scale; `block_q8_0` of ggml-common.h.

use super::codec::{self, Codec, Tile};
use super::lanes::{Floats, load, pack};
use super::weight::Weight;
use super::{Format, f16};

/// 8.5 bits a weight.
pub static Q8_0: Format = Format {
    name: "Q8_0",
    ggml_type: 8,
    block_weights: 32,
    block_bytes: size_of::<Block>(),
    weighted: false,
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
    fn encode<V: Floats, W: Weight<V>>(Tile { weights, .. }: Tile<'_>, blocks: &mut [Self]) {
        let x = load::<V, 32>(weights);
        let mut most = V::zero();
        for v in x {
            most = most.max(v.abs());
        }
        let d = (most / V::splat(127.0)).min(V::splat(65504.0));
        let half = d.to_array().map(f16::encode);
        // The codes follow the unrounded scale; one that is stored as 0 has only codes 0, one that overflows stays
        // at the largest.
        let inverse = V::from_array(half.map(f16::decode)).if_gt(V::zero(), d.inverse(), V::zero());
        let (least, most) = (V::splat(-127.0), V::splat(127.0));
        let mut codes = x;
        for code in &mut codes {
            *code = round_half_away((*code * inverse).max(least).min(most)) + V::splat(128.0);
        }
        let words = pack::<V, 32, 8>(&codes);
        for (lane, block) in blocks.iter_mut().enumerate() {
            block.d = half[lane].to_le_bytes();
            for (w, bytes) in words.iter().zip(block.qs.chunks_exact_mut(4)) {
                // Flipping the top bit takes 128 off a byte.
                bytes.copy_from_slice(&(w[lane] ^ 0x8080_8080).to_le_bytes().map(|b| b as i8));
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
fn round_half_away<V: Floats>(v: V) -> V {
    let even = v.round();
    let rest = v - even;
    // Only a tie leaves half a step; where it was rounded towards zero, one more step is due.
    let (zero, one, almost) = (V::zero(), V::splat(1.0), V::splat(0.499_999_97));
    let up = v.if_gt(zero, rest, zero).if_gt(almost, one, zero);
    let down = zero.if_gt(v, zero - rest, zero).if_gt(almost, one, zero);
    even + up - down
}
