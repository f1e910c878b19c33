//! Where the numbers of a block lie, as tables for those who cannot call [`Parts`]: shaders.

use super::parts::{Field, Parts, Place};

/// Numbers in 16 bits of a block at most: one bit of each.
pub const MOST_IN_HALF: usize = 16;

/// A block's layout. Its numbers are, in this order: the levels' codes, the scales and the minimums of sub-blocks where they are
/// stored, d, and dmin where it is stored.
pub struct Layout {
    /// For each number the places of its low and its high bits, in 15 bits each: the byte (8), the lowest bit in it (3), and how
    /// many bits (4).
    pub places: Vec<u32>,
    /// For each 16 bits of a block what is in them, [`MOST_IN_HALF`] entries: the number (9 bits), the first bit of its code (4),
    /// the lowest bit here (4), and how many bits. Entries without bits come last.
    pub halves: Vec<u32>,
}

impl Parts {
    /// The layout of a block.
    pub fn layout(&self) -> Layout {
        let field = |field: &Field, count: usize| (0..count).map(field.places).collect::<Vec<_>>();
        let half = |byte: usize| vec![[(byte, 0, 8), (byte + 1, 0, 8)]];
        let numbers: Vec<[Place; 2]> = [
            field(&self.codes, self.format.block_weights),
            self.scales.as_ref().map_or(vec![], |scales| field(scales, self.subs())),
            self.mins.as_ref().map_or(vec![], |mins| field(mins, self.subs())),
            half(self.d),
            self.dmin.map_or(vec![], half),
        ]
        .concat();
        let place = |(byte, shift, bits): Place| byte as u32 | (shift as u32) << 8 | bits << 11;
        let mut halves = vec![Vec::new(); self.format.block_bytes / 2];
        for (number, [low, high]) in numbers.iter().enumerate() {
            for ((byte, shift, bits), first) in [(*low, 0), (*high, low.2)] {
                let to = shift + byte % 2 * 8;
                if bits > 0 {
                    halves[byte / 2].push(number as u32 | first << 9 | (to as u32) << 13 | bits << 17);
                }
            }
        }
        halves.iter_mut().for_each(|entries| entries.resize(MOST_IN_HALF, 0));
        Layout {
            places: numbers.iter().map(|[low, high]| place(*low) | place(*high) << 15).collect(),
            halves: halves.concat(),
        }
    }

    /// The least and the largest of a level's code, and what is added to it before storing.
    pub fn level_bounds(&self) -> [i32; 3] {
        self.codes.bounds()
    }

    /// Whether levels are not the codes, but those of [`Iq4`](super::levels::Iq4).
    pub fn has_table(&self) -> bool {
        self.levels.is_some()
    }
}

impl Field {
    /// The least and the largest number, and what is added before storing.
    pub fn bounds(&self) -> [i32; 3] {
        [self.low, self.high, self.bias]
    }
}
