//! Reading weights that are stored as codes: `(code - zero) * scale`, row by row of the codes.

use super::read::Reader;
use crate::checkpoint::{Coded, Grid, Position, Steps, Zero};
use crate::engine::worker::Stop;
use std::ops::Range;

/// Memory of one thread. What was read last is kept: neighbouring rows share words, scales and zero points.
#[derive(Default)]
pub(super) struct Codes {
    words: Words,
    scales: Factors,
    zeros: Factors,
    order: Order,
    weights: Vec<f32>,
}

impl Codes {
    /// Reads weights from the one at `first` on, in the order of the codes, as bytes of F32.
    pub(super) fn read(
        &mut self,
        reader: &Reader<'_>,
        coded: &Coded,
        first: u64,
        mut out: &mut [u8],
    ) -> Result<(), Stop> {
        let width = coded.codes.columns;
        let mut at = first;
        while !out.is_empty() {
            let (row, start) = (at / width, at % width);
            let count = (width - start).min(out.len() as u64 / size_of::<f32>() as u64);
            self.read_row(reader, coded, row, start..start + count)?;
            let (piece, rest) = out.split_at_mut(count as usize * size_of::<f32>());
            piece.copy_from_slice(bytemuck::cast_slice(&self.weights));
            (at, out) = (at + count, rest);
        }
        Ok(())
    }

    fn read_row(&mut self, reader: &Reader<'_>, coded: &Coded, row: u64, columns: Range<u64>) -> Result<(), Stop> {
        let Self { words, scales, zeros, order, weights } = self;
        weights.resize((columns.end - columns.start) as usize, 0.0);
        coded.codes.read(words.read(reader, &coded.codes, row, &columns)?, row, &columns, weights);
        let Some(scale) = &coded.scale else { return Ok(()) };
        let row = match &coded.rows {
            Steps::Every(step) => row / step,
            listed => order.read(reader, listed, coded.codes.rows, scale.rows)?[row as usize],
        };
        let groups = match &coded.columns {
            Steps::Every(step) => Groups::Every(*step),
            listed => Groups::Listed(order.read(reader, listed, coded.codes.columns, scale.columns)?),
        };
        match &coded.zero {
            Zero::None => {}
            Zero::Same(zero) => weights.iter_mut().for_each(|weight| *weight -= zero),
            Zero::Stored(grid, more) => {
                let zeros = zeros.read(reader, grid, row, &columns, groups, |_| true)?;
                weights.iter_mut().zip(zeros).for_each(|(weight, zero)| *weight -= zero + more);
            }
        }
        let scales = scales.read(reader, scale, row, &columns, groups, |scale| scale.is_finite() && scale != 0.0)?;
        weights.iter_mut().zip(scales).for_each(|(weight, scale)| *weight *= scale);
        Ok(())
    }
}

/// The bytes that were read last.
#[derive(Default)]
struct Words {
    /// What they are.
    of: Option<(Position, Range<u64>)>,
    bytes: Vec<u8>,
}

impl Words {
    fn read(&mut self, reader: &Reader<'_>, grid: &Grid, row: u64, columns: &Range<u64>) -> Result<&[u8], Stop> {
        let range = grid.bytes(row, columns);
        let wanted = Some((grid.at, range.clone()));
        if self.of != wanted {
            self.of = None;
            self.bytes.resize((range.end - range.start) as usize, 0);
            reader.read(grid.at, range.start, &mut self.bytes)?;
            self.of = wanted;
        }
        Ok(&self.bytes)
    }
}

/// Which column of the scales belongs to a column of codes.
#[derive(Clone, Copy)]
enum Groups<'a> {
    Every(u64),
    Listed(&'a [u64]),
}

/// The scales or zero points of a row, one for each code.
#[derive(Default)]
struct Factors {
    /// What they are: of which matrix and row, for which columns of codes.
    of: Option<(Position, u64, Range<u64>)>,
    words: Words,
    stored: Vec<f32>,
    values: Vec<f32>,
}

impl Factors {
    fn read(
        &mut self,
        reader: &Reader<'_>,
        grid: &Grid,
        row: u64,
        columns: &Range<u64>,
        groups: Groups<'_>,
        is_valid: impl Fn(f32) -> bool,
    ) -> Result<&[f32], Stop> {
        let wanted = Some((grid.at, row, columns.clone()));
        if self.of == wanted {
            return Ok(&self.values);
        }
        self.of = None;
        let range = match groups {
            Groups::Every(step) => columns.start / step..columns.end.div_ceil(step),
            Groups::Listed(_) => 0..grid.columns,
        };
        self.stored.resize((range.end - range.start) as usize, 0.0);
        grid.read(self.words.read(reader, grid, row, &range)?, row, &range, &mut self.stored);
        if let Some(bad) = self.stored.iter().position(|value| !is_valid(*value)) {
            let (value, column) = (self.stored[bad], range.start + bad as u64);
            return Err(reader.refuse(
                grid.at,
                &format!(
                    "has the scale {value} in row {row}, column {column} of its scales, where a finite number other than 0 was \
                     expected; the file is damaged, so download it again"
                ),
            ));
        }
        self.values.clear();
        match groups {
            Groups::Every(1) => self.values.extend(&self.stored),
            Groups::Every(step) => {
                for (group, value) in range.zip(&self.stored) {
                    let end = (columns.end - columns.start).min((group + 1) * step - columns.start);
                    self.values.resize(end as usize, *value);
                }
            }
            Groups::Listed(order) => {
                let order = &order[columns.start as usize..columns.end as usize];
                self.values.extend(order.iter().map(|group| self.stored[*group as usize]));
            }
        }
        self.of = wanted;
        Ok(&self.values)
    }
}

/// The list of groups that was read last.
#[derive(Default)]
struct Order {
    of: Option<Position>,
    groups: Vec<u64>,
}

impl Order {
    /// The group, one of `groups`, of each of `count` rows or columns.
    fn read(&mut self, reader: &Reader<'_>, listed: &Steps, count: u64, groups: u64) -> Result<&[u64], Stop> {
        let Steps::Listed { at, number, otherwise } = listed else { return Ok(&[]) };
        if self.of == Some(*at) {
            return Ok(&self.groups);
        }
        self.of = None;
        let mut bytes = vec![0; count as usize * number.bytes];
        reader.read(*at, 0, &mut bytes)?;
        let mut stored = vec![0.0; count as usize];
        (number.read)(&bytes, &mut stored);
        let is_unordered = stored.iter().all(|group| *group == -1.0);
        self.groups.clear();
        for (nth, found) in (0..).zip(stored) {
            let group = if is_unordered { nth / otherwise } else { found as u64 };
            if group >= groups || found < 0.0 && !is_unordered {
                return Err(reader.refuse(
                    *at,
                    &format!(
                        "has the group {found} for input {nth} in its g_idx, and there are {groups} groups; the file is \
                         damaged, so download it again"
                    ),
                ));
            }
            self.groups.push(group);
        }
        self.of = Some(*at);
        Ok(&self.groups)
    }
}
