//! From a format's block to its [`Format`](super::Format) functions: tiles, tails, and the widest vectors there are.

#[cfg(target_arch = "x86_64")]
use super::avx2::Avx2;
use super::lanes::{Floats, Portable, TILE};
use super::weight::{Importance, One, Weight};
use bytemuck::Pod;

/// What a format file implements: its block, and both directions for up to a tile of weights.
pub(super) trait Codec {
    /// The bytes of a block, aligned to one.
    type Block: Pod;
    /// Weights in a block.
    const WEIGHTS: usize;
    /// Writes a tile's blocks, in the arithmetic of `V`. The factors of the squared errors are to be loaded as `W`.
    fn encode<V: Floats, W: Weight<V>>(weights: &[f32; TILE], factors: &[f32; TILE], blocks: &mut [Self::Block]);
    /// Reads one block.
    fn decode(block: &Self::Block, weights: &mut [f32]);
}

/// [`Format::quantize`](super::Format::quantize) of a codec.
pub(super) fn quantize<C: Codec>(src: &[f32], importance: Option<Importance<'_>>, dst: &mut [u8]) {
    let blocks: &mut [C::Block] = bytemuck::cast_slice_mut(dst);
    let src = &src[..blocks.len() * C::WEIGHTS];
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2, the one feature the functions ask for.
        return match importance {
            None => unsafe { encode_avx2::<C, One>(src, EVEN, blocks) },
            Some(importance) => unsafe { encode_avx2::<C, Avx2>(src, importance, blocks) },
        };
    }
    match importance {
        None => encode_all::<C, Portable, One>(src, EVEN, blocks),
        Some(importance) => encode_all::<C, Portable, Portable>(src, importance, blocks),
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
fn encode_avx2<C: Codec, W: Weight<Avx2>>(src: &[f32], importance: Importance<'_>, blocks: &mut [C::Block]) {
    encode_all::<C, Avx2, W>(src, importance, blocks)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn decode_avx2<C: Codec>(blocks: &[C::Block], dst: &mut [f32]) {
    decode_all::<C>(blocks, dst)
}

/// No factors, for [`One`] does not look at them.
const EVEN: Importance<'_> = Importance { columns: &[], first: 0 };

#[inline(always)]
fn encode_all<C: Codec, V: Floats, W: Weight<V>>(src: &[f32], importance: Importance<'_>, blocks: &mut [C::Block]) {
    let mut factors = [0.0; TILE];
    for (i, (weights, blocks)) in src.chunks(TILE).zip(blocks.chunks_mut(TILE / C::WEIGHTS)).enumerate() {
        if W::WEIGHTED {
            importance.skip(i * TILE).fill(&mut factors[..weights.len()]);
        }
        match weights.try_into() {
            Ok(tile) => C::encode::<V, W>(tile, &factors, blocks),
            Err(_) => {
                let mut tile = [0.0; TILE];
                tile[..weights.len()].copy_from_slice(weights);
                C::encode::<V, W>(&tile, &factors, blocks);
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
