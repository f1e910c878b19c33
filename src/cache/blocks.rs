//! The block types of llama.cpp's cache, as it writes them: with the quick rounding of ggml's `quantize_row_*_ref`, not with the
//! search that packs weights.

use crate::quant::{FormatRef, IQ4_NL, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0};
use half::f16;

/// Numbers of a block.
pub(super) const NUMBERS: usize = 32;

/// What the codes of a block stand for; the number is that in shaders/keep.wgsl.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Levels {
    /// −127 to 127 times a scale.
    Bytes = 1,
    /// −n to n − 1 times a scale, where n is half of the codes that `bits` have.
    Centred = 2,
    /// A minimum and 0 to n − 1 times a scale.
    Offset = 3,
    /// Sixteen uneven levels times a scale.
    Uneven = 4,
}

/// A type of blocks.
#[derive(Debug)]
pub struct Blocks {
    /// How they are stored.
    pub format: FormatRef,
    /// What codes stand for.
    pub levels: Levels,
    /// Bits of a code.
    pub bits: u32,
}

/// All of them, largest first.
pub static BLOCKS: &[Blocks] = &[
    Blocks { format: &Q8_0, levels: Levels::Bytes, bits: 8 },
    Blocks { format: &Q5_1, levels: Levels::Offset, bits: 5 },
    Blocks { format: &Q5_0, levels: Levels::Centred, bits: 5 },
    Blocks { format: &Q4_1, levels: Levels::Offset, bits: 4 },
    Blocks { format: &Q4_0, levels: Levels::Centred, bits: 4 },
    Blocks { format: &IQ4_NL, levels: Levels::Uneven, bits: 4 },
];

/// The blocks of a format, if a cache can have it.
pub fn blocks_of(format: FormatRef) -> Option<&'static Blocks> {
    BLOCKS.iter().find(|blocks| blocks.format == format)
}

impl Blocks {
    /// Writes 32 numbers as a block, bit for bit as ggml does where they are finite.
    pub fn write(&self, x: &[f32; NUMBERS], block: &mut [u8]) {
        let (scale, minimum, codes) = match self.levels {
            Levels::Bytes => bytes(x),
            Levels::Centred => centred(x, 1 << (self.bits - 1)),
            Levels::Offset => offset(x, (1 << self.bits) - 1),
            Levels::Uneven => uneven(x),
        };
        let (head, rest) = block.split_at_mut(if minimum.is_some() { 4 } else { 2 });
        let halves = [Some(scale), minimum].into_iter().flatten();
        head.chunks_exact_mut(2).zip(halves).for_each(|(to, x)| to.copy_from_slice(&f16::from_f32(x).to_le_bytes()));
        match self.bits {
            8 => rest.copy_from_slice(&codes),
            bits => {
                let fifth = if bits == 5 { 4 } else { 0 };
                let high = (0..NUMBERS).fold(0u32, |high, i| high | u32::from(codes[i] >> 4) << i);
                rest[..fifth].copy_from_slice(&high.to_le_bytes()[..fifth]);
                for (i, byte) in rest[fifth..].iter_mut().enumerate() {
                    *byte = codes[i] & 15 | (codes[i + 16] & 15) << 4;
                }
            }
        }
    }
}

/// Scale, minimum, and codes as they are stored.
type Found = (f32, Option<f32>, [u8; NUMBERS]);

fn inverse(d: f32) -> f32 {
    if d != 0.0 { 1.0 / d } else { 0.0 }
}

/// The number of largest magnitude; the first of several.
fn extreme(x: &[f32; NUMBERS]) -> f32 {
    x.iter().fold(0.0, |most: f32, x| if x.abs() > most.abs() { *x } else { most })
}

fn bytes(x: &[f32; NUMBERS]) -> Found {
    let d = extreme(x).abs() / 127.0;
    let inverse = inverse(d);
    (d, None, x.map(|x| (x * inverse).round() as i8 as u8))
}

fn centred(x: &[f32; NUMBERS], half: u32) -> Found {
    let d = extreme(x) / -(half as f32);
    let (inverse, middle, top) = (inverse(d), half as f32 + 0.5, (2 * half - 1) as u8);
    (d, None, x.map(|x| ((x * inverse + middle) as u8).min(top)))
}

fn offset(x: &[f32; NUMBERS], top: u32) -> Found {
    let least = x.iter().copied().fold(f32::MAX, |least, x| if x < least { x } else { least });
    let most = x.iter().copied().fold(f32::MIN, |most, x| if x > most { x } else { most });
    let d = (most - least) / top as f32;
    let inverse = inverse(d);
    (d, Some(least), x.map(|x| (((x - least) * inverse + 0.5) as u8).min(top as u8)))
}

/// `kvalues_iq4nl` of ggml-common.h.
const UNEVEN: [f32; 16] =
    [-127.0, -104.0, -83.0, -65.0, -49.0, -35.0, -22.0, -10.0, 1.0, 13.0, 25.0, 38.0, 53.0, 69.0, 89.0, 113.0];

/// The extreme number becomes the lowest level; then the scale that fits the codes best, weighted by the squares.
fn uneven(x: &[f32; NUMBERS]) -> Found {
    /// Blocks of smaller numbers are zeros.
    const LEAST: f32 = 1e-15;
    let most = extreme(x);
    if most.abs() < LEAST {
        return (0.0, None, [0; NUMBERS]);
    }
    let inverse = 1.0 / (most / UNEVEN[0]);
    let (mut xq, mut qq) = (0.0, 0.0);
    let codes = x.map(|x| {
        let (scaled, weight) = (x * inverse, x * x);
        let code = (0..15).take_while(|level| scaled - UNEVEN[*level] >= UNEVEN[level + 1] - scaled).count();
        let weighted = weight * UNEVEN[code];
        xq += weighted * x;
        qq += weighted * UNEVEN[code];
        code as u8
    });
    (if qq > 0.0 { xq / qq } else { 0.0 }, None, codes)
}
