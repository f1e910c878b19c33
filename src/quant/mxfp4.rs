//! MXFP4: blocks of 32 four-bit floats and an exponent; `block_mxfp4` of ggml-common.h.

use super::codec::{self, Codec};
use super::lanes::{F, Lanes, TILE, U, load, nibbles, pack};
use super::weight::{One, Weight};
use super::{Format, fp4, scaled};

/// 4.25 bits a weight.
pub static MXFP4: Format = Format {
    name: "MXFP4",
    ggml_type: 39,
    block_weights: 32,
    block_bytes: size_of::<Block>(),
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

/// Half the value of an E8M0 byte, for the levels are doubled: 2^(e − 128).
#[inline(always)]
fn half_power(e: u32) -> f32 {
    f32::from_bits(if e < 2 { 0x0020_0000 << e } else { (e - 1) << 23 })
}

/// The exponents of least error, of three: the largest magnitude m is 4..8 times 2^(e − 127), half or twice that.
#[inline(always)]
fn exponents<W: Weight>(x: &[F; 32], w: &[W; 32]) -> U {
    let size = scaled::extreme(x, 1).abs();
    let first = size.map(|m| (m.to_bits() >> 23).saturating_sub(3));
    let (mut best, mut least) = (U::splat(0), F::splat(f32::MAX));
    for step in 0..3 {
        let e = first.map(|e| e + step);
        let scale = e.map(half_power);
        let inverse = scale.inverse();
        let mut error = F::ZERO;
        for i in 0..32 {
            let rest = x[i] - scale * fp4::nearest(x[i] * inverse);
            error = error + w[i] * (rest * rest);
        }
        best = Lanes(std::array::from_fn(|lane| if least.0[lane] > error.0[lane] { e.0[lane] } else { best.0[lane] }));
        least = least.min(error);
    }
    best
}

impl Codec for Block {
    type Block = Self;
    const WEIGHTS: usize = 32;

    #[inline(always)]
    fn encode(weights: &[f32; TILE], blocks: &mut [Self]) {
        let x = load::<32>(weights);
        let e = exponents(&x, &[One; 32]);
        let inverse = e.map(half_power).inverse();
        let words = nibbles(&pack::<32, 8>(&x.map(|v| fp4::code(v * inverse))));
        for (lane, block) in blocks.iter_mut().enumerate() {
            block.e = e.0[lane] as u8;
            for (w, bytes) in words.iter().zip(block.qs.chunks_exact_mut(4)) {
                bytes.copy_from_slice(&w.0[lane].to_le_bytes());
            }
        }
    }

    #[inline(always)]
    fn decode(block: &Self, weights: &mut [f32]) {
        let d = half_power(u32::from(block.e));
        for (i, &byte) in block.qs.iter().enumerate() {
            weights[i] = d * fp4::level(byte & 15);
            weights[i + 16] = d * fp4::level(byte >> 4);
        }
    }
}
