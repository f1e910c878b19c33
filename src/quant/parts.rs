//! Blocks taken apart: the numbers that a block stores, and where their bits lie.
//!
//! The formats listed here make a weight of four numbers: `d · scale · level − dmin · min`. d and dmin belong to the block,
//! scale and min to a sub-block, the level to the weight. Whoever chooses these numbers himself, as error feedback does,
//! reads and writes them through [`Parts`]; the layouts are those of ggml-common.h, as in the files of the formats.

use super::levels::Iq4;
use super::{FormatRef, IQ4_NL, IQ4_XS, Q2_K, Q3_K, Q4_0, Q4_1, Q4_K, Q5_0, Q5_1, Q5_K, Q6_K, Q8_0, f16};

/// The most weights of a block.
pub const MOST_WEIGHTS: usize = 256;
/// The most sub-blocks of a block.
pub const MOST_SUBS: usize = 16;

/// What a format's blocks consist of.
pub struct Parts {
    /// The format.
    pub format: FormatRef,
    /// Weights of a sub-block.
    pub sub: usize,
    /// The numbers that sub-blocks have as scales; each has 1 where there are none.
    pub scales: Option<Field>,
    /// The numbers that sub-blocks have as minimums. Where dmin is stored without them each has −1, and where neither is, 0.
    pub mins: Option<Field>,
    /// Where dmin lies; d is stored in every format.
    pub(super) dmin: Option<usize>,
    pub(super) d: usize,
    pub(super) codes: Field,
    /// What codes stand for, in rising order, where these are not the levels themselves.
    pub(super) levels: Option<&'static [f32; 16]>,
}

/// Whole numbers of a few bits, many in a block.
pub struct Field {
    /// The least.
    pub low: i32,
    /// The largest.
    pub high: i32,
    /// What is added before storing; what is negative then is stored as its two's complement.
    pub(super) bias: i32,
    /// The places of the low and the high bits of a number, by its index.
    pub(super) places: fn(usize) -> [Place; 2],
}

/// A byte, the lowest bit in it, and how many bits.
pub(super) type Place = (usize, usize, u32);

/// No bits.
const NONE: Place = (0, 0, 0);

impl Field {
    const fn new(low: i32, high: i32, bias: i32, places: fn(usize) -> [Place; 2]) -> Self {
        Self { low, high, bias, places }
    }

    fn read(&self, block: &[u8], index: usize) -> i32 {
        let [low, high] = (self.places)(index);
        let bits = |(byte, shift, bits): Place| i32::from(block[byte]) >> shift & ((1 << bits) - 1);
        let value = (bits(low) | bits(high) << low.2) - self.bias;
        if value > self.high { value - (1 << (low.2 + high.2)) } else { value }
    }

    fn write(&self, block: &mut [u8], index: usize, value: i32) {
        let [low, high] = (self.places)(index);
        let mut rest = value + self.bias;
        for (byte, shift, bits) in [low, high] {
            block[byte] |= ((rest & ((1 << bits) - 1)) << shift) as u8;
            rest >>= bits;
        }
    }
}

/// The numbers of one block.
#[derive(Clone, Debug, PartialEq)]
pub struct Apart {
    /// The scale of scales.
    pub d: f32,
    /// The scale of minimums.
    pub dmin: f32,
    /// By sub-block.
    pub scales: [f32; MOST_SUBS],
    /// By sub-block.
    pub mins: [f32; MOST_SUBS],
    /// By weight.
    pub levels: [f32; MOST_WEIGHTS],
}

impl Default for Apart {
    fn default() -> Self {
        Self { d: 0.0, dmin: 0.0, scales: [1.0; MOST_SUBS], mins: [0.0; MOST_SUBS], levels: [0.0; MOST_WEIGHTS] }
    }
}

impl Parts {
    /// Those of a format, if its blocks are made so.
    pub fn of(format: FormatRef) -> Option<&'static Self> {
        PARTS.iter().find(|parts| parts.format == format)
    }

    /// Whether there is a dmin.
    pub fn has_min(&self) -> bool {
        self.dmin.is_some()
    }

    /// Sub-blocks of a block.
    pub fn subs(&self) -> usize {
        self.format.block_weights / self.sub
    }

    /// The number nearest to `value` that can be stored as d or dmin; never infinite.
    pub fn storable(value: f32) -> f32 {
        f16::decode(f16::encode_scale(value))
    }

    /// The level nearest to `value`, which is a number.
    #[inline(always)]
    pub fn nearest(&self, value: f32) -> f32 {
        /// Adding and subtracting 1.5 · 2²³ rounds to the nearest integer.
        const ROUND: f32 = 12_582_912.0;
        match self.levels {
            None => (value.clamp(self.codes.low as f32, self.codes.high as f32) + ROUND) - ROUND,
            Some(levels) => {
                let middles = levels.windows(2).map(|pair| (pair[0] + pair[1]) / 2.0);
                levels[middles.filter(|middle| value > *middle).count()]
            }
        }
    }

    /// Takes a block apart.
    pub fn read(&self, block: &[u8], apart: &mut Apart) {
        let half = |at: usize| f16::decode(u16::from_le_bytes([block[at], block[at + 1]]));
        (apart.d, apart.dmin) = (half(self.d), self.dmin.map_or(0.0, half));
        let all = |field: &Option<Field>, numbers: &mut [f32], otherwise: f32| {
            for (index, number) in numbers.iter_mut().enumerate() {
                *number = field.as_ref().map_or(otherwise, |field| field.read(block, index) as f32);
            }
        };
        all(&self.scales, &mut apart.scales[..self.subs()], 1.0);
        all(&self.mins, &mut apart.mins[..self.subs()], if self.has_min() { -1.0 } else { 0.0 });
        for (index, level) in apart.levels[..self.format.block_weights].iter_mut().enumerate() {
            let code = self.codes.read(block, index);
            *level = self.levels.map_or(code as f32, |levels| levels[code as usize]);
        }
    }

    /// Puts a block together again. Every number is one that [`read`](Self::read) could have given.
    pub fn write(&self, apart: &Apart, block: &mut [u8]) {
        block.fill(0);
        let mut half = |at: usize, value: f32| {
            block[at..at + 2].copy_from_slice(&f16::encode_scale(value).to_le_bytes());
        };
        half(self.d, apart.d);
        if let Some(at) = self.dmin {
            half(at, apart.dmin);
        }
        for (field, numbers) in [(&self.scales, &apart.scales), (&self.mins, &apart.mins)] {
            let Some(field) = field else { continue };
            numbers[..self.subs()].iter().enumerate().for_each(|(n, number)| field.write(block, n, *number as i32));
        }
        for (index, level) in apart.levels[..self.format.block_weights].iter().enumerate() {
            let code = match self.levels {
                None => *level as i32,
                Some(levels) => levels.partition_point(|known| known < level) as i32,
            };
            self.codes.write(block, index, code);
        }
    }
}

/// Nibbles from `first` on, the low ones before the high ones in each 16 bytes.
const fn nibble(first: usize, i: usize) -> Place {
    (first + i / 32 * 16 + i % 16, i / 16 % 2 * 4, 4)
}

/// The same in each 32 bytes.
const fn wide_nibble(first: usize, i: usize) -> Place {
    (first + i / 64 * 32 + i % 32, i / 32 % 2 * 4, 4)
}

/// Pairs of bits, four times 32 in each 32 bytes.
const fn crumb(first: usize, i: usize) -> Place {
    (first + i / 128 * 32 + i % 32, i / 32 % 4 * 2, 2)
}

/// One bit of each 32 weights in each of 32 bytes.
const fn bit(first: usize, i: usize) -> Place {
    (first + i % 32, i / 32, 1)
}

/// Six bits, of which the last four numbers have the upper two above the first four; see [`k_scales`](super::k_scales).
const fn six_bits(first: usize, shift: usize, s: usize) -> [Place; 2] {
    match s {
        0..4 => [(first + s, 0, 6), NONE],
        _ => [(12 + s - 4, shift, 4), (first + s - 4, 6, 2)],
    }
}

const K_SCALES: Field = Field::new(0, 63, 0, |s| six_bits(4, 0, s));
const K_MINS: Field = Field::new(0, 63, 0, |s| six_bits(8, 4, s));

/// Every format whose blocks can be taken apart.
pub static PARTS: &[Parts] = &[
    Parts {
        format: &Q8_0,
        sub: 32,
        d: 0,
        dmin: None,
        scales: None,
        mins: None,
        codes: Field::new(-127, 127, 0, |i| [(2 + i, 0, 8), NONE]),
        levels: None,
    },
    Parts {
        format: &Q6_K,
        sub: 16,
        d: 208,
        dmin: None,
        scales: Some(Field::new(-128, 127, 0, |s| [(192 + s, 0, 8), NONE])),
        mins: None,
        codes: Field::new(-32, 31, 32, |i| [(i / 128 * 64 + i % 64, i / 64 % 2 * 4, 4), crumb(128, i)]),
        levels: None,
    },
    Parts {
        format: &Q5_K,
        sub: 32,
        d: 0,
        dmin: Some(2),
        scales: Some(K_SCALES),
        mins: Some(K_MINS),
        codes: Field::new(0, 31, 0, |i| [wide_nibble(48, i), bit(16, i)]),
        levels: None,
    },
    Parts {
        format: &Q5_1,
        sub: 32,
        d: 0,
        dmin: Some(2),
        scales: None,
        mins: None,
        codes: Field::new(0, 31, 0, |i| [nibble(8, i), (4 + i / 8, i % 8, 1)]),
        levels: None,
    },
    Parts {
        format: &Q5_0,
        sub: 32,
        d: 0,
        dmin: None,
        scales: None,
        mins: None,
        codes: Field::new(-16, 15, 16, |i| [nibble(6, i), (2 + i / 8, i % 8, 1)]),
        levels: None,
    },
    Parts {
        format: &Q4_K,
        sub: 32,
        d: 0,
        dmin: Some(2),
        scales: Some(K_SCALES),
        mins: Some(K_MINS),
        codes: Field::new(0, 15, 0, |i| [wide_nibble(16, i), NONE]),
        levels: None,
    },
    Parts {
        format: &Q4_1,
        sub: 32,
        d: 0,
        dmin: Some(2),
        scales: None,
        mins: None,
        codes: Field::new(0, 15, 0, |i| [nibble(4, i), NONE]),
        levels: None,
    },
    Parts {
        format: &Q4_0,
        sub: 32,
        d: 0,
        dmin: None,
        scales: None,
        mins: None,
        codes: Field::new(-8, 7, 8, |i| [nibble(2, i), NONE]),
        levels: None,
    },
    Parts {
        format: &IQ4_NL,
        sub: 32,
        d: 0,
        dmin: None,
        scales: None,
        mins: None,
        codes: Field::new(0, 15, 0, |i| [nibble(2, i), NONE]),
        levels: Some(&Iq4::LEVELS),
    },
    Parts {
        format: &IQ4_XS,
        sub: 32,
        d: 0,
        dmin: None,
        scales: Some(Field::new(-32, 31, 32, |s| [(4 + s / 2, s % 2 * 4, 4), (2 + s / 4, s % 4 * 2, 2)])),
        mins: None,
        codes: Field::new(0, 15, 0, |i| [nibble(8, i), NONE]),
        levels: Some(&Iq4::LEVELS),
    },
    Parts {
        format: &Q3_K,
        sub: 16,
        d: 108,
        dmin: None,
        scales: Some(Field::new(-32, 31, 32, |s| [(96 + s % 8, s / 8 * 4, 4), (104 + s % 4, s / 4 * 2, 2)])),
        mins: None,
        codes: Field::new(-4, 3, 4, |i| [crumb(32, i), bit(0, i)]),
        levels: None,
    },
    Parts {
        format: &Q2_K,
        sub: 16,
        d: 80,
        dmin: Some(82),
        scales: Some(Field::new(0, 15, 0, |s| [(s, 0, 4), NONE])),
        mins: Some(Field::new(0, 15, 0, |s| [(s, 4, 4), NONE])),
        codes: Field::new(0, 3, 0, |i| [crumb(16, i), NONE]),
        levels: None,
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quant::Search;

    /// What was taken apart is what decodes, and goes together to the same bytes.
    #[test]
    fn blocks_come_apart_and_together() {
        for parts in PARTS {
            let Parts { format, sub, .. } = parts;
            let weights: Vec<f32> = (0..2048).map(|i| ((i * i * 31 + i * 17) % 1013) as f32 / 400.0 - 1.2).collect();
            let mut bytes = vec![0; format.bytes(2048) as usize];
            (format.quantize)(&weights, Search::default(), &mut bytes);
            let mut decoded = vec![0.0; 2048];
            (format.dequantize)(&bytes, &mut decoded);
            let mut apart = Apart::default();
            for (block, decoded) in bytes.chunks(format.block_bytes).zip(decoded.chunks(format.block_weights)) {
                parts.read(block, &mut apart);
                for (i, decoded) in decoded.iter().enumerate() {
                    let (scale, min) = (apart.d * apart.scales[i / sub], apart.dmin * apart.mins[i / sub]);
                    assert_eq!(scale * apart.levels[i] - min, *decoded, "{format}, weight {i}");
                    assert_eq!(parts.nearest(apart.levels[i] + 0.3), apart.levels[i], "{format}");
                }
                let mut again = vec![0xff; block.len()];
                parts.write(&apart, &mut again);
                assert_eq!(again, block, "{format}");
            }
        }
    }
}
