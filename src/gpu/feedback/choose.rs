//! The better of what search and feedback find for each row, improved by descent; the twin is src/feedback/band.rs.

use super::record::Record;
use super::rows::Rows;
use super::strips::Strips;
use crate::feedback::{Costs, Hessian, Stopped};
use crate::gpu::forward::device::View;
use crate::graph::{ALIGN, RunError};

/// Numbers that a binding begins at multiples of.
const STEP: usize = ALIGN as usize / 4;

/// Chooses the blocks of some rows.
pub(super) struct Chooser<'a> {
    pub(super) rows: Rows<'a>,
    pub(super) strips: &'a Strips,
    pub(super) hessian: &'a Hessian,
    pub(super) stop: Stopped<'a>,
}

/// A start of the descent: records, products of errors with H, and costs.
struct Start {
    state: View,
    products: View,
    costs: View,
}

impl Chooser<'_> {
    /// Writes the blocks. None where it was stopped.
    pub(super) fn choose(mut self, sweeps: usize, out: &mut [u8]) -> Result<Option<Costs>, RunError> {
        let Some((blocks, searched)) = self.searched()? else { return Ok(None) };
        let Some((units, carried)) = self.carried()? else { return Ok(None) };
        let known = self.read_costs(&searched)?;
        let other = self.read_costs(&carried)?;
        let sum = |costs: &[[f32; 2]]| costs.iter().map(|[cost, _]| f64::from(*cost)).sum::<f64>();
        let mut costs = Costs { searched: sum(&known), carried: sum(&other), sweeps: Vec::new() };
        if self.rows.layout.is_none() {
            let better: Vec<bool> = known.iter().zip(&other).map(|(known, other)| other[0] < known[0]).collect();
            let least = known.iter().zip(&other).map(|(known, other)| f64::from(known[0].min(other[0])));
            costs.sweeps = vec![least.sum()];
            self.blocks(&blocks, &units, &better, out)?;
        } else {
            let (from, to) = ((&carried.state, &carried.costs), (&searched.state, &searched.costs));
            let Record { columns, stride } = self.rows.record;
            self.rows.choose(from, to, stride)?;
            self.rows.choose((&carried.products, &carried.costs), (&searched.products, &searched.costs), columns)?;
            match self.descend(&searched, sweeps)? {
                Some(found) => costs.sweeps = found,
                None => return Ok(None),
            }
            self.rows.put_together(&searched.state, &blocks)?;
            let bytes = View { bytes: out.len() as u64, ..blocks.clone() };
            out.copy_from_slice(&self.rows.device.read::<u8>(&bytes)?);
        }
        let views = [searched, carried].into_iter().flat_map(|start| [start.state, start.products, start.costs]);
        views.chain([blocks, units]).for_each(|view| self.rows.device.give(view));
        Ok(Some(costs))
    }

    /// The search of all columns.
    fn searched(&mut self) -> Result<Option<(View, Start)>, RunError> {
        let Record { columns, stride } = self.rows.record;
        let factors = self.hessian.importance();
        let importance = self.rows.device.take(4 * columns);
        self.rows.device.write(&importance, &factors)?;
        let bytes = self.rows.bytes(columns);
        let blocks = self.rows.device.take(bytes);
        let weights = self.rows.weights.clone();
        self.rows.search(&weights, &importance, columns, &blocks)?;
        self.rows.device.give(importance);
        let state = self.rows.take(stride);
        if self.rows.layout.is_some() {
            self.rows.take_apart(&blocks, 0, columns, &state)?;
        } else {
            let values = self.rows.take(columns);
            self.rows.values(&blocks, columns, &values)?;
            self.rows.take_apart(&values, 0, columns, &state)?;
            self.rows.device.give(values);
        }
        Ok(self.start(state)?.map(|start| (blocks, start)))
    }

    /// What feedback finds from left to right, with the blocks, one after the other those of all rows, where they are not
    /// taken apart.
    fn carried(&mut self) -> Result<Option<(View, Start)>, RunError> {
        let Record { columns, stride } = self.rows.record;
        let width = self.rows.format.block_weights;
        let is_apart = self.rows.layout.is_some();
        let importance = self.importance()?;
        let room = self.unit_bytes();
        let count = if is_apart { 1 } else { columns / width as u64 };
        let units = self.rows.device.take(room * count);
        let (state, lost) = (self.rows.take(stride), self.rows.take(columns));
        let (targets, values) = (self.rows.take(width as u64), self.rows.take(width as u64));
        let mut number = 0;
        for n in 0..self.hessian.blocks.len() {
            if (self.stop)() {
                return Ok(None);
            }
            let strip = self.strips.get(self.rows.device, self.hessian, n)?;
            self.rows.make_good(&lost, &strip, &state)?;
            for column in (0..strip.width).step_by(width) {
                let place = if is_apart { 0 } else { number * room };
                let unit = View { offset: units.offset + place, bytes: room, ..units.clone() };
                let bytes = ALIGN * (width.div_ceil(STEP)) as u64;
                let factors = View { offset: importance.offset + number * bytes, bytes, ..importance.clone() };
                self.rows.targets(&state, &strip, column, &targets)?;
                self.rows.search(&targets, &factors, width as u64, &unit)?;
                if is_apart {
                    self.rows.take_apart(&unit, strip.start + column, width as u64, &state)?;
                    self.rows.round(&state, &strip, column, None)?;
                } else {
                    self.rows.values(&unit, width as u64, &values)?;
                    self.rows.round(&state, &strip, column, Some(&values))?;
                }
                number += 1;
            }
            self.rows.leave(&state, &strip, &lost)?;
            self.rows.device.pace()?;
        }
        [importance, lost, targets, values].into_iter().for_each(|view| self.rows.device.give(view));
        Ok(self.start(state)?.map(|start| (units, start)))
    }

    /// Products of the errors with H, and what they cost.
    fn start(&mut self, state: View) -> Result<Option<Start>, RunError> {
        let products = self.rows.take(self.rows.record.columns);
        for n in 0..self.hessian.blocks.len() {
            if (self.stop)() {
                return Ok(None);
            }
            let strip = self.strips.get(self.rows.device, self.hessian, n)?;
            self.rows.add_products(&state, &strip, n == 0, &products)?;
            self.rows.device.pace()?;
        }
        let costs = self.rows.take(2);
        self.rows.costs(&state, &products, &costs)?;
        Ok(Some(Start { state, products, costs }))
    }

    /// Sweeps at most so often, and returns the costs before and after each.
    fn descend(&mut self, start: &Start, sweeps: usize) -> Result<Option<Vec<f64>>, RunError> {
        let sum = |rows: &[[f32; 2]], i: usize| rows.iter().map(|row| f64::from(row[i])).sum::<f64>();
        self.rows.costs(&start.state, &start.products, &start.costs)?;
        let before = self.read_costs(start)?;
        let (mut costs, mut moves) = (vec![sum(&before, 0)], sum(&before, 1));
        for _ in 0..sweeps {
            for n in 0..self.hessian.blocks.len() {
                if (self.stop)() {
                    return Ok(None);
                }
                let strip = self.strips.get(self.rows.device, self.hessian, n)?;
                self.rows.descend(&start.state, &strip, &start.products)?;
                self.rows.subtract_products(&start.state, &strip, &start.products)?;
                self.rows.device.pace()?;
            }
            self.rows.costs(&start.state, &start.products, &start.costs)?;
            let after = self.read_costs(start)?;
            costs.push(sum(&after, 0));
            // Counted as floats, of a few thousand at most.
            let last = std::mem::replace(&mut moves, sum(&after, 1));
            if last == moves {
                break;
            }
        }
        Ok(Some(costs))
    }

    fn read_costs(&mut self, start: &Start) -> Result<Vec<[f32; 2]>, RunError> {
        let view = View { bytes: 8 * self.rows.rows, ..start.costs.clone() };
        self.rows.device.read(&view)
    }

    /// How much the columns of each block of the format count when feedback comes to it, each from where a binding may begin.
    fn importance(&mut self) -> Result<View, RunError> {
        let (width, is_apart) = (self.rows.format.block_weights, self.rows.layout.is_some());
        let mut all = Vec::new();
        for block in &self.hessian.blocks {
            for first in (0..block.width).step_by(width) {
                all.extend(self.hessian.importance_left(block, first..first + width, is_apart));
                all.resize(all.len().next_multiple_of(STEP), 0.0);
            }
        }
        let view = self.rows.device.take(size_of_val(&all[..]) as u64);
        self.rows.device.write(&view, &all)?;
        Ok(view)
    }

    /// Bytes from the blocks of all rows to the next ones.
    fn unit_bytes(&self) -> u64 {
        self.rows.bytes(self.rows.format.block_weights as u64).next_multiple_of(ALIGN)
    }

    /// Reads the blocks of all rows: what feedback found in those where it is better.
    fn blocks(&mut self, blocks: &View, units: &View, better: &[bool], out: &mut [u8]) -> Result<(), RunError> {
        let own = View { bytes: out.len() as u64, ..blocks.clone() };
        out.copy_from_slice(&self.rows.device.read::<u8>(&own)?);
        let (each, block) = (self.unit_bytes() as usize, self.rows.format.block_bytes);
        let row_bytes = out.len() / better.len();
        let all = View { bytes: (each * row_bytes / block) as u64, ..units.clone() };
        let found = self.rows.device.read::<u8>(&all)?;
        let rows = out.chunks_exact_mut(row_bytes).zip(better).enumerate();
        for (row, (out, _)) in rows.filter(|(_, (_, better))| **better) {
            for (out, unit) in out.chunks_exact_mut(block).zip(found.chunks_exact(each)) {
                out.copy_from_slice(&unit[row * block..][..block]);
            }
        }
        Ok(())
    }
}
