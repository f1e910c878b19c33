//! Q4_0: blocks of 32 four-bit codes and a scale; `block_q4_0` of ggml-common.h.

use super::codec::{self, Codec};
use super::lanes::{F, TILE, load, nibbles, pack};
use super::{Format, f16};

/// 4.5 bits a weight.
pub static Q4_0: Format = Format {
    name: "Q4_0",
    ggml_type: 2,
    block_weights: 32,
    block_bytes: size_of::<Block>(),
    about: "4-bit blocks with a scale: the oldest 4-bit type, fast everywhere, less faithful than Q4_K.",
    quantize: codec::quantize::<Block>,
    dequantize: codec::dequantize::<Block>,
};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Block {
    /// Scale, f16.
    d: [u8; 2],
    /// Codes + 8: weights 0..16 in the low nibbles, 16..32 in the high ones.
    qs: [u8; 16],
}

const _: () = assert!(size_of::<Block>() == 18);

impl Codec for Block {
    type Block = Self;
    const WEIGHTS: usize = 32;

    /// As ggml's `quantize_row_q4_0_ref`: the weight of largest magnitude becomes code 0.
    #[inline(always)]
    fn encode(weights: &[f32; TILE], blocks: &mut [Self]) {
        let x = load::<32>(weights);
        let (mut size, mut extreme) = (F::ZERO, F::ZERO);
        for v in x {
            extreme = v.abs().if_gt(size, v, extreme);
            size = size.max(v.abs());
        }
        let d = extreme / F::splat(-8.0);
        let half = d.map(f16::encode_scale);
        let bound = F::splat(65504.0);
        let inverse = half.map(f16::decode).abs().if_gt(F::ZERO, d.min(bound).max(F::ZERO - bound).inverse(), F::ZERO);
        let codes = x.map(|v| (v * inverse + F::splat(8.5)).max(F::ZERO).min(F::splat(15.0)).floor());
        let words = nibbles(&pack::<32, 8>(&codes));
        for (lane, block) in blocks.iter_mut().enumerate() {
            block.d = half.0[lane].to_le_bytes();
            for (w, bytes) in words.iter().zip(block.qs.chunks_exact_mut(4)) {
                bytes.copy_from_slice(&w.0[lane].to_le_bytes());
            }
        }
    }

    #[inline(always)]
    fn decode(block: &Self, weights: &mut [f32]) {
        let d = f16::decode(u16::from_le_bytes(block.d));
        for (i, &byte) in block.qs.iter().enumerate() {
            weights[i] = (f32::from(byte & 15) - 8.0) * d;
            weights[i + 16] = (f32::from(byte >> 4) - 8.0) * d;
        }
    }
}
