//! Leaving out weights on a GPU: [`crate::prune`] is the twin. What goes by a score alone is the same, weight by weight; what
//! makes good is rounded otherwise, as with error feedback.

use super::Runner;
use super::record::Record;
use super::rows::Rows;
use crate::feedback::{Hessian, Stopped, tame};
use crate::gpu::forward::device::{Device, Reads, View, Work};
use crate::gpu::forward::kernels::Variant;
use crate::graph::{ALIGN, RunError};
use crate::prune::{Limit, Pattern, Scope};
use crate::quant::{F32, Q8_0};
use rayon::prelude::*;
use std::sync::Arc;

/// Columns that are worked on at a time: a block of a Hessian.
const MOST: u64 = 256;

impl Runner {
    /// Sets weights of whole rows of so many columns to 0 by their size, or by their size times the factor of their column. A
    /// stretch of rows that fits the device is what [`Scope::Layer`] compares.
    pub fn sparsify(
        &mut self,
        weights: &mut [f32],
        columns: usize,
        factors: Option<&[f32]>,
        pattern: Pattern,
        scope: Scope,
    ) -> Result<(), RunError> {
        let ones = vec![1.0; columns];
        let factors = factors.unwrap_or(&ones);
        let row = 4 * columns as u64;
        let most = (self.budget.min(self.device.binding_limit) / (3 * row)).max(1) as usize;
        let known = self.device.upload("factors", bytemuck::cast_slice(factors));
        for weights in weights.chunks_mut(most * columns) {
            let rows = (weights.len() / columns) as u64;
            let view = self.device.upload("weights", bytemuck::cast_slice(weights));
            match pattern {
                Pattern::Groups { kept, of } => {
                    let before = self.device.upload("weights", bytemuck::cast_slice(weights));
                    groups(&mut self.device, (&before, &view), &known, [rows, columns as u64], [kept, of])?;
                }
                Pattern::Share(_) => {
                    let limits = limits(&mut self.device, &view, &known, factors, rows, pattern, scope)?;
                    zero(&mut self.device, &limits, &view, &known, [rows, columns as u64])?;
                }
            }
            weights.copy_from_slice(&self.device.read::<f32>(&view)?);
        }
        Ok(())
    }

    /// Prunes whole rows in place, as [`crate::prune::sparsegpt`] does. Groups have to divide 256 columns. None where it was
    /// stopped.
    pub fn sparsegpt(
        &mut self,
        weights: &mut [f32],
        hessian: &Arc<Hessian>,
        pattern: Pattern,
        scope: Scope,
        stop: Stopped<'_>,
    ) -> Result<Option<()>, RunError> {
        let columns = hessian.columns();
        let rows = self.load(hessian, &Q8_0, weights.len() / columns)?;
        let inverses = hessian.blocks.iter().flat_map(|block| block.inverse.iter().step_by(block.width + 1));
        let factors: Vec<f32> = inverses.map(|u| 1.0 / u).collect();
        let known = self.device.upload("factors", bytemuck::cast_slice(&factors));
        for weights in weights.chunks_mut(rows * columns) {
            weights.par_iter_mut().for_each(|weight| *weight = tame(*weight));
            if self.some_pruned(weights, hessian, (&factors, &known), pattern, scope, stop)?.is_none() {
                return Ok(None);
            }
        }
        Ok(Some(()))
    }

    fn some_pruned(
        &mut self,
        weights: &mut [f32],
        hessian: &Hessian,
        (factors, known): (&[f32], &View),
        pattern: Pattern,
        scope: Scope,
        stop: Stopped<'_>,
    ) -> Result<Option<()>, RunError> {
        let columns = hessian.columns() as u64;
        let rows = weights.len() as u64 / columns;
        let view = self.device.upload("weights", bytemuck::cast_slice(weights));
        let record = Record { columns, stride: 2 * columns + MOST };
        let own =
            Rows { device: &mut self.device, how: self.how, format: &F32, record, rows, weights: view, layout: None };
        let mut own = own;
        let (state, lost) = (own.take(2 * columns + MOST), own.take(columns));
        let strips = self.strips.as_ref().expect("they were loaded");
        for n in 0..hessian.blocks.len() {
            if stop() {
                return Ok(None);
            }
            let strip = strips.get(own.device, hessian, n)?;
            own.make_good(&lost, &strip, &state)?;
            let (start, width) = (strip.start, strip.width);
            let [kept, of] = match pattern {
                Pattern::Groups { kept, of } => [kept, of],
                Pattern::Share(_) => [0, 0],
            };
            let mut marks = None;
            if of == 0 {
                let factors = &factors[start as usize..][..width as usize];
                let own_factors = own.device.upload("factors", bytemuck::cast_slice(factors));
                let targets = own.take(width);
                own.targets_of(&state, &strip, &targets)?;
                let device = &mut *own.device;
                let limits = limits(device, &targets, &own_factors, factors, rows, pattern, scope)?;
                zero(device, &limits, &targets, &own_factors, [rows, width])?;
                marks = Some(targets);
            }
            let inverse = strip.inverse();
            let weights = own.weights.clone();
            let reads =
                Reads { input: Some(&weights), third: Some(&inverse), fourth: Some(known), fifth: marks.as_ref() };
            let params = [rows, columns, record.stride, start, width, kept as u64, of as u64].map(|n| n as u32);
            let work = Work::Groups(rows.div_ceil(4), 4 * width * width);
            own.device.call(Variant::of("prune_columns"), reads, &state, params, work)?;
            own.leave(&state, &strip, &lost)?;
            own.device.pace()?;
            marks.into_iter().for_each(|view| own.device.give(view));
        }
        let found = own.device.read::<f32>(&View { bytes: 4 * rows * record.stride, ..state.clone() })?;
        let values = found.par_chunks(record.stride as usize).zip(weights.par_chunks_mut(columns as usize));
        values.for_each(|(state, weights)| weights.copy_from_slice(&state[(columns + MOST) as usize..]));
        [state, lost].into_iter().for_each(|view| own.device.give(view));
        Ok(Some(()))
    }
}

/// What goes of each row; where all are compared, the processor finds it.
fn limits(
    device: &mut Device,
    numbers: &View,
    known: &View,
    factors: &[f32],
    rows: u64,
    pattern: Pattern,
    scope: Scope,
) -> Result<View, RunError> {
    let width = factors.len();
    if scope == Scope::Row {
        let to = device.take((8 * rows).next_multiple_of(ALIGN));
        let reads = Reads { input: Some(numbers), third: Some(known), ..Reads::default() };
        let params = [rows as u32, width as u32, pattern.count(width) as u32];
        device.call(Variant::of("limits"), reads, &to, params, Work::Groups(rows, 32 * width as u64))?;
        return Ok(to);
    }
    let there = device.read::<f32>(&View { bytes: 4 * rows * width as u64, ..numbers.clone() })?;
    let scores = crate::prune::scores(&there, width, Some(factors));
    let limits = Limit::of_rows(&scores, width, pattern, scope);
    let words: Vec<u32> = limits.iter().flat_map(|limit| [limit.bound, limit.equals]).collect();
    Ok(device.upload("limits", bytemuck::cast_slice(&words)))
}

/// Sets to 0 what goes.
fn zero(
    device: &mut Device,
    limits: &View,
    numbers: &View,
    known: &View,
    [rows, width]: [u64; 2],
) -> Result<(), RunError> {
    let reads = Reads { input: Some(limits), third: Some(known), ..Reads::default() };
    let params = [rows as u32, width as u32];
    device.call(Variant::of("sparsify"), reads, numbers, params, Work::Groups(rows, 8 * width))
}

/// Sets to 0 all but some of so many neighbours.
fn groups(
    device: &mut Device,
    (before, numbers): (&View, &View),
    known: &View,
    [rows, width]: [u64; 2],
    [kept, of]: [usize; 2],
) -> Result<(), RunError> {
    let count = rows * width.div_ceil(of as u64);
    let reads = Reads { input: Some(before), third: Some(known), ..Reads::default() };
    let params = [count, width, kept as u64, of as u64].map(|n| n as u32);
    device.call(Variant::of("sparsify_groups"), reads, numbers, params, Work::Each(count, (of * of) as u64))
}
