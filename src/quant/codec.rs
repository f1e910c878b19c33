//! From a format's block to its [`Format`](super::Format) functions: tiles, tails, and the widest vectors there are.

#[cfg(target_arch = "x86_64")]
use super::avx2::Avx2;
use super::lanes::{Floats, Portable, TILE};
use super::search::{Effort, Search};
use super::weight::{One, Weight};
use bytemuck::Pod;

/// What a format's search gets.
#[derive(Clone, Copy)]
pub(super) struct Tile<'a> {
    pub(super) weights: &'a [f32; TILE],
    /// The factors of their squared errors, to be loaded as a [`Weight`].
    pub(super) factors: &'a [f32; TILE],
    pub(super) effort: Effort,
}

/// What a format file implements: its block, and both directions for up to a tile of weights.
pub(super) trait Codec {
    /// The bytes of a block, aligned to one.
    type Block: Pod;
    /// Weights in a block.
    const WEIGHTS: usize;
    /// Writes a tile's blocks, in the arithmetic of `V`. The factors of the squared errors are to be loaded as `W`.
    fn encode<V: Floats, W: Weight<V>>(tile: Tile<'_>, blocks: &mut [Self::Block]);
    /// Reads one block.
    fn decode(block: &Self::Block, weights: &mut [f32]);
}

/// [`Format::quantize`](super::Format::quantize) of a codec.
pub(super) fn quantize<C: Codec>(src: &[f32], how: Search<'_>, dst: &mut [u8]) {
    let blocks: &mut [C::Block] = bytemuck::cast_slice_mut(dst);
    let src = &src[..blocks.len() * C::WEIGHTS];
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2, the one feature the functions ask for.
        return match how.importance {
            None => unsafe { encode_avx2::<C, One>(src, how, blocks) },
            Some(_) => unsafe { encode_avx2::<C, Avx2>(src, how, blocks) },
        };
    }
    match how.importance {
        None => encode_all::<C, Portable, One>(src, how, blocks),
        Some(_) => encode_all::<C, Portable, Portable>(src, how, blocks),
    }
}

/// [`Format::dequantize`](super::Format::dequantize) of a codec.
pub(super) fn dequantize<C: Codec>(src: &[u8], dst: &mut [f32]) {
    let blocks: &[C::Block] = bytemuck::cast_slice(src);
    let dst = &mut dst[..blocks.len() * C::WEIGHTS];
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: as above.
        return unsafe { decode_avx2::<C>(blocks, dst) };
    }
    decode_all::<C>(blocks, dst)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn encode_avx2<C: Codec, W: Weight<Avx2>>(src: &[f32], how: Search<'_>, blocks: &mut [C::Block]) {
    encode_all::<C, Avx2, W>(src, how, blocks)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn decode_avx2<C: Codec>(blocks: &[C::Block], dst: &mut [f32]) {
    decode_all::<C>(blocks, dst)
}

#[inline(always)]
fn encode_all<C: Codec, V: Floats, W: Weight<V>>(src: &[f32], how: Search<'_>, blocks: &mut [C::Block]) {
    let mut factors = [0.0; TILE];
    for (i, (weights, blocks)) in src.chunks(TILE).zip(blocks.chunks_mut(TILE / C::WEIGHTS)).enumerate() {
        // Without importance nobody looks at them.
        if let Some(importance) = how.importance {
            importance.skip(i * TILE).fill(&mut factors[..weights.len()]);
        }
        let mut padded = [0.0; TILE];
        let weights = match weights.try_into() {
            Ok(weights) => weights,
            Err(_) => {
                padded[..weights.len()].copy_from_slice(weights);
                &padded
            }
        };
        // One call, and not from a closure: what is not inlined here loses the processor's features.
        C::encode::<V, W>(Tile { weights, factors: &factors, effort: how.effort }, blocks);
    }
}

#[inline(always)]
fn decode_all<C: Codec>(blocks: &[C::Block], dst: &mut [f32]) {
    for (block, weights) in blocks.iter().zip(dst.chunks_exact_mut(C::WEIGHTS)) {
        C::decode(block, weights);
    }
}
