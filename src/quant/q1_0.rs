//! Q1_0: blocks of 128 signs and a scale; `block_q1_0` of ggml-common.h.

use super::codec::{self, Codec, Tile};
use super::lanes::{Floats, load};
use super::weight::Weight;
use super::{Format, f16};

/// 1.125 bits a weight.
pub static Q1_0: Format = Format {
    name: "Q1_0",
    ggml_type: 41,
    block_weights: 128,
    block_bytes: size_of::<Block>(),
    weighted: true,
    about: "One bit a weight: exact for models trained with binary weights, useless for all others.",
    quantize: codec::quantize::<Block>,
    dequantize: codec::dequantize::<Block>,
};

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Block {
    /// Scale, f16.
    d: [u8; 2],
    /// A bit a weight, the first lowest: 1 for +d, 0 for −d.
    qs: [[u8; 4]; 4],
}

const _: () = assert!(size_of::<Block>() == 18);

/// Lanes of 32 weights in a block.
const GROUP: usize = 4;

/// The mean magnitude is the scale of least error.
#[inline(always)]
fn scale<V: Floats, W: Weight<V>>(x: &[V; 32], w: &[W; 32]) -> V {
    let sum = (0..32).fold(V::zero(), |sum, i| sum + w[i] * x[i].abs());
    sum.sum_groups(GROUP) * W::sum(w).sum_groups(GROUP).inverse()
}

impl Codec for Block {
    type Block = Self;
    const WEIGHTS: usize = 128;

    #[inline(always)]
    fn encode<V: Floats, W: Weight<V>>(Tile { weights, factors, .. }: Tile<'_>, blocks: &mut [Self]) {
        let x = load::<V, 32>(weights);
        let scale = scale(&x, &W::load(factors)).to_array().map(f16::encode_scale);
        let x = x.map(V::to_array);
        for (i, block) in blocks.iter_mut().enumerate() {
            let d = scale[i * GROUP];
            block.d = d.to_le_bytes();
            for (lane, bytes) in (i * GROUP..).zip(&mut block.qs) {
                let positive = |bits: u32, i: usize| bits | u32::from(x[i][lane] >= 0.0) << i;
                let bits = (0..32).fold(0, positive);
                *bytes = if d == 0 { 0 } else { bits }.to_le_bytes();
            }
        }
    }

    #[inline(always)]
    fn decode(block: &Self, weights: &mut [f32]) {
        let d = f16::decode(u16::from_le_bytes(block.d));
        for (bytes, weights) in block.qs.iter().zip(weights.chunks_exact_mut(32)) {
            let bits = u32::from_le_bytes(*bytes);
            for (i, weight) in weights.iter_mut().enumerate() {
                *weight = if bits >> i & 1 == 1 { d } else { -d };
            }
        }
    }
}
