//! Error feedback and coordinate descent on a GPU: [`crate::feedback`] is the twin.
//!
//! All rows of a stretch go together. What couples the columns beyond a block of them are products of matrices, by the kernels
//! of the forward pass in single precision; within the block four rows are a workgroup. Of each row a record stays on the
//! device with its errors and what its blocks store, apart ([`record`]); blocks are searched by the same kernels that pack.
//!
//! A device gives the same bytes on each run, in whatever memory. They are those of the processor but where sums, rounded
//! otherwise, make the other of two blocks the better one that are as good as each other.

mod choose;
mod prune;
mod record;
mod rows;
mod strips;

pub(super) use record::choices;

use super::forward::Multiply;
use super::forward::device::{Device, View};
use super::forward::plan::usual_budget;
use super::{Adapter, Checks};
use crate::feedback::{Costs, Hessian, Stopped, supports, tame};
use crate::graph::RunError;
use crate::quant::{F32, FormatRef, Parts};
use choose::Chooser;
use rayon::prelude::*;
use record::Record;
use rows::Rows;
use std::collections::HashMap;
use std::sync::Arc;
use strips::Strips;

/// Chooses blocks on a device.
pub struct Runner {
    device: Device,
    how: Multiply,
    budget: u64,
    /// Of the Hessian that was asked for last.
    strips: Option<Strips>,
    /// Of what rows were quantized last, for memory is kept for as many: their number, and how long they are.
    last: (usize, FormatRef),
    /// By the name of a format: where the numbers of a block lie, and what is in each 16 bits of it.
    layouts: HashMap<&'static str, [View; 2]>,
}

impl Runner {
    /// On a device, in so many bytes of its memory; without, in most of what is free of it.
    pub fn new(adapter: &Adapter, memory: Option<u64>) -> Result<Self, RunError> {
        Self::with(adapter, memory, Multiply::best(adapter).single(), Checks::Off)
    }

    /// The same with a way to multiply that the device has, in single precision, and with or without bounds checks.
    pub fn with(adapter: &Adapter, memory: Option<u64>, how: Multiply, checks: Checks) -> Result<Self, RunError> {
        let device = Device::new(adapter, wgpu::Features::empty(), checks)?;
        let budget = memory.unwrap_or_else(|| usual_budget(adapter));
        Ok(Self { device, how: how.single(), budget, strips: None, last: (0, &F32), layouts: HashMap::new() })
    }

    /// The device and how it multiplies.
    pub fn name(&self) -> String {
        format!("{}, {}", self.device.open.name, self.how)
    }

    /// Quantizes whole rows of `hessian.columns()` weights, as [`crate::feedback::quantize`] does. None where it was stopped.
    pub fn quantize(
        &mut self,
        weights: &[f32],
        hessian: &Arc<Hessian>,
        format: FormatRef,
        sweeps: usize,
        stop: Stopped<'_>,
        out: &mut [u8],
    ) -> Result<Option<Costs>, RunError> {
        let columns = hessian.columns();
        assert!(supports(format) && format.divides(columns as u64) && weights.len().is_multiple_of(columns));
        let row_bytes = format.bytes(columns as u64) as usize;
        assert_eq!(weights.len() / columns * row_bytes, out.len());
        let rows = self.load(hessian, format, weights.len() / columns)?;
        if self.last != (rows, format) {
            self.device.submit()?;
            self.device.trim();
            self.last = (rows, format);
        }
        let mut sum = Costs::default();
        for (weights, out) in weights.chunks(rows * columns).zip(out.chunks_mut(rows * row_bytes)) {
            match self.some(weights, hessian, format, sweeps, stop, out)? {
                Some(costs) => sum.add(&costs),
                None => return Ok(None),
            }
        }
        Ok(Some(sum))
    }

    /// Puts the Hessian on the device if another is there, and says how many of so many rows go together.
    fn load(&mut self, hessian: &Arc<Hessian>, format: FormatRef, rows: usize) -> Result<usize, RunError> {
        if !self.strips.as_ref().is_some_and(|strips| strips.are_of(hessian)) {
            self.strips.take().into_iter().for_each(|strips| strips.free(&mut self.device));
            self.device.submit()?;
            self.device.trim();
            self.last = (0, &F32);
            self.strips = Some(Strips::new(&mut self.device, hessian, self.budget / 2)?);
        }
        let [all, largest] = strips::bytes(hessian);
        let there = if all > self.budget / 2 { largest } else { all };
        let row = bytes_of_a_row(format, hessian.columns() as u64);
        let stride = Record::new(format, hessian.columns() as u64).stride;
        let most = (self.budget.saturating_sub(there) / row).min(self.device.binding_limit / (4 * stride)) as usize;
        if most == 0 || largest > self.device.binding_limit {
            return Err(RunError::OutOfMemory {
                device: self.device.open.name.clone(),
                bytes: there + row,
                reason: format!(
                    "a row of {} columns and their Gram matrix need that, of {} that may be used, {} of them in one buffer; \
                     allow more with --device-memory",
                    hessian.columns(),
                    self.budget,
                    self.device.binding_limit
                ),
            });
        }
        // Parts of much the same size.
        Ok(rows.div_ceil(rows.div_ceil(most).max(1)).max(1))
    }

    fn layout(&mut self, format: FormatRef) -> Option<[View; 2]> {
        let parts = Parts::of(format)?;
        let device = &mut self.device;
        let found = self.layouts.entry(format.name).or_insert_with(|| {
            let layout = parts.layout();
            [layout.places, layout.halves].map(|table| device.upload("layout", bytemuck::cast_slice(&table)))
        });
        Some(found.clone())
    }

    /// As many rows as fit.
    fn some(
        &mut self,
        weights: &[f32],
        hessian: &Hessian,
        format: FormatRef,
        sweeps: usize,
        stop: Stopped<'_>,
        out: &mut [u8],
    ) -> Result<Option<Costs>, RunError> {
        let columns = hessian.columns() as u64;
        let layout = self.layout(format);
        let tamed: Vec<f32> = weights.par_iter().copied().map(tame).collect();
        let view = self.device.take(4 * tamed.len() as u64);
        self.device.write(&view, &tamed)?;
        drop(tamed);
        let rows = Rows {
            device: &mut self.device,
            how: self.how,
            format,
            record: Record::new(format, columns),
            rows: weights.len() as u64 / columns,
            weights: view.clone(),
            layout,
        };
        let strips = self.strips.as_ref().expect("they were loaded");
        let costs = Chooser { rows, strips, hessian, stop }.choose(sweeps, out)?;
        self.device.give(view);
        Ok(costs)
    }
}

/// Bytes on the device for each row: weights, two records, two products, blocks, and what is worked on.
fn bytes_of_a_row(format: FormatRef, columns: u64) -> u64 {
    let record = Record::new(format, columns);
    let values = if Parts::of(format).is_some() { 0 } else { columns };
    4 * (3 * columns + 2 * record.stride + values + 512) + 3 * format.bytes(columns) + 64
}
