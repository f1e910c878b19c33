//! From stored bytes to weights, where they are not the same.

use super::codes::Codes;
use super::gather::gather;
use super::read::Reader;
use crate::arch::{Coding, Part, Position};
use crate::engine::worker::Stop;
use crate::quant::{F16, F32, FormatRef, MXFP4};
use half::f16;
use std::ops::Range;

/// Bytes of a unit of codes, where exponents lie in a tensor of their own.
const CODES: usize = 16;

/// Memory of one thread.
#[derive(Default)]
pub(super) struct Memory {
    /// What becomes weights.
    stored: Vec<u8>,
    weights: Vec<f32>,
    units: Units,
}

impl Memory {
    /// Reads some units of a part and makes weights in `format` of them.
    pub(super) fn fill(
        &mut self,
        reader: &Reader<'_>,
        part: &Part,
        format: FormatRef,
        units: Range<u64>,
        out: &mut [u8],
    ) -> Result<(), Stop> {
        if part.format == format && part.plus == 0.0 {
            return self.units.read(reader, part, units, out);
        }
        // What is not as it was stored is read as F32, see `Source::of`.
        let count = (units.end - units.start) as usize;
        self.stored.resize(count * part.format.block_bytes, 0);
        self.weights.resize(count * part.format.block_weights, 0.0);
        self.units.read(reader, part, units, &mut self.stored)?;
        (part.format.dequantize)(&self.stored, &mut self.weights);
        if part.plus != 0.0 {
            // llama.cpp's converter adds to F16 in F16, and to all else in F32.
            let sum = |weight: f32| weight + part.plus;
            let stays_half = std::ptr::eq(part.format, &F16);
            self.weights.iter_mut().for_each(|weight| {
                *weight = if stays_half { f16::from_f32(sum(*weight)).to_f32() } else { sum(*weight) };
            });
        }
        out.copy_from_slice(bytemuck::cast_slice(&self.weights));
        Ok(())
    }
}

/// Memory for reading units.
#[derive(Default)]
struct Units {
    /// What has to be read before it can be put in order.
    unordered: Vec<u8>,
    codes: Vec<u8>,
    exponents: Vec<u8>,
    coded: Codes,
}

impl Units {
    /// Reads some units of a part in the part's own format.
    fn read(&mut self, reader: &Reader<'_>, part: &Part, units: Range<u64>, out: &mut [u8]) -> Result<(), Stop> {
        let Self { unordered, codes, exponents, coded: memory } = self;
        let (at, count) = (part.at, (units.end - units.start) as usize);
        let mut plain = |at: Position, unit: usize, out: &mut [u8]| {
            gather_boxes(part, units.clone(), unit, unordered, out, |from, out| reader.read(at, from, out))
        };
        match &part.coding {
            Coding::Plain => plain(at, part.format.block_bytes, out),
            Coding::SplitMxfp4 { exponents: beside } => {
                codes.resize(count * CODES, 0);
                exponents.resize(count, 0);
                plain(at, CODES, codes)?;
                plain(*beside, 1, exponents)?;
                join_mxfp4(codes, exponents, out);
                Ok(())
            }
            Coding::Coded(coded) => {
                let unit = F32.block_bytes;
                let read = |from: u64, out: &mut [u8]| memory.read(reader, coded, from / unit as u64, out);
                gather_boxes(part, units, unit, unordered, out, read)
            }
        }
    }
}

/// Gathers units of a part, of `unit` bytes each.
fn gather_boxes(
    part: &Part,
    units: Range<u64>,
    unit: usize,
    unordered: &mut Vec<u8>,
    mut out: &mut [u8],
    mut read: impl FnMut(u64, &mut [u8]) -> Result<(), Stop>,
) -> Result<(), Stop> {
    for boxed in part.view.boxes(units) {
        let (piece, rest) = out.split_at_mut(boxed.units() as usize * unit);
        gather(boxed, unit, unordered, piece, &mut read)?;
        out = rest;
    }
    Ok(())
}

/// Blocks of ggml's MXFP4: the exponent, then weights 0..16 in the low halves of bytes and 16..32 in the high ones. Stored
/// are neighbours in one byte.
fn join_mxfp4(codes: &[u8], exponents: &[u8], out: &mut [u8]) {
    let blocks = out.chunks_exact_mut(MXFP4.block_bytes);
    for ((codes, exponent), block) in codes.as_chunks::<CODES>().0.iter().zip(exponents).zip(blocks) {
        let code = |weight: usize| codes[weight / 2] >> (4 * (weight % 2)) & 15;
        block[0] = *exponent;
        block[1..].iter_mut().enumerate().for_each(|(n, byte)| *byte = code(n) | code(n + 16) << 4);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_were_neighbours_come_apart() {
        let codes: Vec<u8> = (0..16).map(|n| (2 * n % 16) | ((2 * n + 1) % 16) << 4).collect();
        let mut blocks = [0; 17];
        join_mxfp4(&codes, &[130], &mut blocks);
        assert_eq!(blocks[0], 130);
        let expected: Vec<u8> = (0..16).map(|n| n | n << 4).collect();
        assert_eq!(blocks[1..], expected);
        let mut weights = [0.0; 32];
        (MXFP4.dequantize)(&blocks, &mut weights);
        assert_eq!(weights[..4], [0.0, 4.0, 8.0, 12.0]);
    }
}
