//! A matrix of numbers as it lies in a file: one after another, or several small ones in a word.

use crate::checkpoint::StoredTensor;
use crate::checkpoint::number::NumberRef;
use std::ops::Range;

/// A place in a checkpoint's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Index into the checkpoint's files.
    pub file: usize,
    /// Byte.
    pub offset: u64,
}

impl Position {
    /// Where a stored tensor begins.
    pub fn of(stored: &StoredTensor) -> Self {
        Self { file: stored.file, offset: stored.offset }
    }
}

/// A matrix of numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// Where it begins.
    pub at: Position,
    /// Rows.
    pub rows: u64,
    /// Numbers in a row.
    pub columns: u64,
    /// How they are laid out.
    pub layout: Layout,
}

/// How the numbers of a matrix are laid out, row by row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Layout {
    /// One after another.
    Numbers(NumberRef),
    /// Whole numbers from 0 up, as many as fit in a word of 32 bits, the first in its lowest bits.
    Words {
        /// Of each.
        bits: u32,
        /// What the numbers of a word are.
        of: Neighbours,
    },
}

/// What the numbers of a word are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Neighbours {
    /// Neighbours in a row; the last word of a row may not be full.
    Columns,
    /// Neighbours in a row, the even ones before the odd ones, as AWQ's kernels want them.
    EvenThenOdd,
    /// Neighbours in a column.
    Rows,
}

/// Numbers of `bits` bits in a word.
pub(super) fn per_word(bits: u32) -> u64 {
    u64::from(32 / bits)
}

impl Grid {
    /// The bytes that hold some columns of a row, counted from [`Grid::at`].
    pub fn bytes(&self, row: u64, columns: &Range<u64>) -> Range<u64> {
        let (start, end, unit) = match self.layout {
            Layout::Numbers(number) => {
                let before = row * self.columns;
                (before + columns.start, before + columns.end, number.bytes as u64)
            }
            Layout::Words { bits, of: Neighbours::Rows } => {
                let before = row / per_word(bits) * self.columns;
                (before + columns.start, before + columns.end, 4)
            }
            Layout::Words { bits, .. } => {
                let before = row * self.columns.div_ceil(per_word(bits));
                (before + columns.start / per_word(bits), before + columns.end.div_ceil(per_word(bits)), 4)
            }
        };
        start * unit..end * unit
    }

    /// Reads some columns of a row from the [`bytes`](Grid::bytes) that hold them.
    pub fn read(&self, bytes: &[u8], row: u64, columns: &Range<u64>, out: &mut [f32]) {
        match self.layout {
            Layout::Numbers(number) => (number.read)(bytes, out),
            Layout::Words { bits, of: Neighbours::Rows } => {
                let place = row % per_word(bits);
                out.iter_mut().zip(bytes.as_chunks().0).for_each(|(out, word)| *out = code(*word, bits, place));
            }
            Layout::Words { bits, of } => {
                let (words, per) = (bytes.as_chunks().0, per_word(bits));
                let first = columns.start / per;
                for (out, column) in out.iter_mut().zip(columns.clone()) {
                    let nth = column % per;
                    let place = if of == Neighbours::Columns { nth } else { nth / 2 + nth % 2 * (per / 2) };
                    *out = code(words[(column / per - first) as usize], bits, place);
                }
            }
        }
    }

    /// The length of all of it.
    pub fn total_bytes(&self) -> u64 {
        match self.rows {
            0 => 0,
            rows => self.bytes(rows - 1, &(0..self.columns)).end,
        }
    }
}

/// The number at one of the places of a word.
fn code(word: [u8; 4], bits: u32, place: u64) -> f32 {
    (u32::from_le_bytes(word) >> (bits * place as u32) & ((1 << bits) - 1)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(rows: u64, columns: u64, layout: Layout) -> Grid {
        Grid { at: Position { file: 0, offset: 0 }, rows, columns, layout }
    }

    /// Reads rows in two pieces each.
    fn all(grid: &Grid, stored: &[u8]) -> Vec<f32> {
        let mut out = Vec::new();
        for row in 0..grid.rows {
            let middle = grid.columns / 3;
            for columns in [0..middle, middle..grid.columns] {
                let bytes = grid.bytes(row, &columns);
                let mut piece = vec![0.0; (columns.end - columns.start) as usize];
                grid.read(&stored[bytes.start as usize..bytes.end as usize], row, &columns, &mut piece);
                out.extend(piece);
            }
        }
        out
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn words_come_apart_in_every_direction() {
        let layout = |bits, of| Layout::Words { bits, of };
        let stored = words(&[0x7654_3210, 0x0000_0098, 0x0123_4567, 0x0000_0089]);
        let columns = grid(2, 10, layout(4, Neighbours::Columns));
        let expected: Vec<f32> = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 7, 6, 5, 4, 3, 2, 1, 0, 9, 8].map(|n| n as f32).into();
        assert_eq!(all(&columns, &stored), expected);
        assert_eq!(columns.total_bytes(), 16);
        let awq = grid(1, 8, layout(4, Neighbours::EvenThenOdd));
        assert_eq!(all(&awq, &words(&[0x7531_6420])), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
        let rows = grid(5, 2, layout(8, Neighbours::Rows));
        let stored = words(&[0x0403_0201, 0x1413_1211, 0x05, 0x15]);
        assert_eq!(all(&rows, &stored), [1.0, 17.0, 2.0, 18.0, 3.0, 19.0, 4.0, 20.0, 5.0, 21.0]);
        assert_eq!(rows.total_bytes(), 16);
    }
}
