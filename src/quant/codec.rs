//! From a format's block to its [`Format`](super::Format) functions: tiles, tails, and the widest vectors there are.

#[cfg(target_arch = "x86_64")]
use super::avx2::Avx2;
use super::lanes::{Floats, Portable, TILE};
use bytemuck::Pod;

/// What a format file implements: its block, and both directions for up to a tile of weights.
pub(super) trait Codec {
    /// The bytes of a block, aligned to one.
    type Block: Pod;
    /// Weights in a block.
    const WEIGHTS: usize;
    /// Writes a tile's blocks, in the arithmetic of `V`.
    fn encode<V: Floats>(weights: &[f32; TILE], blocks: &mut [Self::Block]);
    /// Reads one block.
    fn decode(block: &Self::Block, weights: &mut [f32]);
}

/// [`Format::quantize`](super::Format::quantize) of a codec.
pub(super) fn quantize<C: Codec>(src: &[f32], dst: &mut [u8]) {
    let blocks: &mut [C::Block] = bytemuck::cast_slice_mut(dst);
    let src = &src[..blocks.len() * C::WEIGHTS];
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2, the one feature the function asks for.
        return unsafe { encode_avx2::<C>(src, blocks) };
    }
    encode_all::<C, Portable>(src, blocks)
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
fn encode_avx2<C: Codec>(src: &[f32], blocks: &mut [C::Block]) {
    encode_all::<C, Avx2>(src, blocks)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn decode_avx2<C: Codec>(blocks: &[C::Block], dst: &mut [f32]) {
    decode_all::<C>(blocks, dst)
}

#[inline(always)]
fn encode_all<C: Codec, V: Floats>(src: &[f32], blocks: &mut [C::Block]) {
    for (weights, blocks) in src.chunks(TILE).zip(blocks.chunks_mut(TILE / C::WEIGHTS)) {
        match weights.try_into() {
            Ok(tile) => C::encode::<V>(tile, blocks),
            Err(_) => {
                let mut tile = [0.0; TILE];
                tile[..weights.len()].copy_from_slice(weights);
                C::encode::<V>(&tile, blocks);
            }
        }
    }
}

#[inline(always)]
fn decode_all<C: Codec>(blocks: &[C::Block], dst: &mut [f32]) {
    for (block, weights) in blocks.iter().zip(dst.chunks_exact_mut(C::WEIGHTS)) {
        C::decode(block, weights);
    }
}
