//! Q4_0: blocks of 32 four-bit codes and a scale; `block_q4_0` of ggml-common.h.

use super::codec::{self, Codec, Tile};
use super::lanes::{Floats, LANES, each, load, nibbles, pack};
use super::levels::{Levels, Whole};
use super::weight::Weight;
use super::{Format, f16, scaled};

/// 4.5 bits a weight.
pub static Q4_0: Format = Format {
    name: "Q4_0",
    ggml_type: 2,
    block_weights: 32,
    block_bytes: size_of::<Block>(),
    weighted: true,
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

type Codes = Whole<-8, 7>;
/// Codes to try for the extreme weight, before they are bounded, where weights differ in importance.
const STEPS: [f32; 8] = [-6.55, -7.0, -7.4, -7.7, -8.0, -8.3, -8.7, -9.1];

impl Codec for Block {
    type Block = Self;
    const WEIGHTS: usize = 32;

    #[inline(always)]
    fn encode<V: Floats, W: Weight<V>>(Tile { weights, factors, .. }: Tile<'_>, blocks: &mut [Self]) {
        let x = load::<V, 32>(weights);
        let (scale, codes) = if W::WEIGHTED {
            let inverses = scaled::grid(&STEPS, scaled::extreme(&x, 1).inverse());
            let (scale, units) = scaled::blocks::<Codes, V, 32, W>(&x, &W::load(factors), 1, &inverses);
            (scale, Codes::codes(&units))
        } else {
            reference(&x)
        };
        let words = nibbles(&pack::<V, 32, 8>(&codes));
        for (lane, block) in blocks.iter_mut().enumerate() {
            block.d = scale[lane].to_le_bytes();
            for (w, bytes) in words.iter().zip(block.qs.chunks_exact_mut(4)) {
                bytes.copy_from_slice(&w[lane].to_le_bytes());
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

/// As ggml's `quantize_row_q4_0_ref`: the weight of largest magnitude becomes code 0. Models trained for this format
/// rely on it.
#[inline(always)]
fn reference<V: Floats>(x: &[V; 32]) -> ([u16; LANES], [V; 32]) {
    let bound = V::splat(65504.0);
    let d = (scaled::extreme(x, 1) / V::splat(-8.0)).min(bound).max(V::zero() - bound);
    let scale = d.to_array().map(f16::encode);
    let inverse = V::from_array(scale.map(f16::decode)).abs().if_gt(V::zero(), d.inverse(), V::zero());
    (scale, each(x, |v| floor((v * inverse + V::splat(8.5)).max(V::zero()).min(V::splat(15.0)))))
}

/// The next lower integer.
#[inline(always)]
fn floor<V: Floats>(v: V) -> V {
    let nearest = v.round();
    nearest - nearest.if_gt(v, V::splat(1.0), V::zero())
}
