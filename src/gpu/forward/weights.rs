//! Tensors on a device.

use super::attention::slopes;
use super::device::{Device, View};
use crate::forward::{Matrices, Matrix, Op, Program};
use crate::graph::RunError;
use crate::quant::FormatRef;
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of a buffer of weights, where the device would take more.
const PIECE: u64 = 1 << 30;

/// The tensors of programs, on a device. They stay there until this is dropped.
#[derive(Default)]
pub struct Weights {
    matrices: HashMap<String, Stored>,
    vectors: HashMap<String, View>,
    /// Bytes they take, and those of all buffers of their device.
    bytes: u64,
    all: Arc<AtomicU64>,
}

impl Drop for Weights {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A matrix as it is stored, or several below each other, in buffers of whole rows.
pub(super) struct Stored {
    pub(super) format: FormatRef,
    /// Numbers in a row.
    pub(super) inputs: u64,
    /// Rows of each matrix.
    pub(super) outputs: u64,
    pieces: Vec<(Range<u64>, View)>,
}

/// Rows of a matrix that are in one buffer.
pub(super) struct Band<'a> {
    pub(super) view: &'a View,
    /// The first of them, in the buffer and in what was asked for.
    pub(super) row: u64,
    pub(super) out: u64,
    pub(super) rows: u64,
}

impl Weights {
    /// Puts the tensors of a program there that are not yet.
    pub(super) fn load(&mut self, device: &mut Device, program: &Program, all: &Matrices) -> Result<(), RunError> {
        let before = device.allocated();
        self.all = device.allocated.clone();
        let multiplied: HashSet<&str> = program.matrices().map(String::as_str).collect();
        for name in program.tensors() {
            match multiplied.contains(name) {
                true if !self.matrices.contains_key(name) => {
                    self.matrices.insert(name.to_owned(), Stored::new(device, name, &all[name]));
                }
                false if !self.vectors.contains_key(name) => {
                    let numbers = [before_sinks(program, name), all[name].floats()].concat();
                    let view = device.upload(name, bytemuck::cast_slice(&numbers));
                    self.vectors.insert(name.to_owned(), view);
                }
                _ => {}
            }
        }
        self.bytes += device.allocated() - before;
        device.open.check(self.bytes)
    }

    /// One matrix by itself.
    pub(super) fn of_one(device: &mut Device, name: &str, matrix: &Matrix) -> Result<Self, RunError> {
        let before = device.allocated();
        let matrices = HashMap::from([(name.to_owned(), Stored::new(device, name, matrix))]);
        let bytes = device.allocated() - before;
        let own = Self { matrices, vectors: HashMap::new(), bytes, all: device.allocated.clone() };
        device.open.check(bytes)?;
        Ok(own)
    }

    /// Changes a matrix with that of the same name in others. Both count the bytes of what they came with.
    pub fn exchange(&mut self, name: &str, others: &mut Self) {
        if let (Some(own), Some(other)) = (self.matrices.get_mut(name), others.matrices.get_mut(name)) {
            std::mem::swap(own, other);
        }
    }

    /// A matrix. It is there: the program was loaded.
    pub(super) fn matrix(&self, name: &str) -> &Stored {
        &self.matrices[name]
    }

    /// What is added or multiplied, as floats.
    pub(super) fn vector(&self, name: &Option<String>) -> Option<&View> {
        name.as_ref().map(|name| &self.vectors[name])
    }
}

/// Sinks of attention lie behind the slopes of its heads.
fn before_sinks(program: &Program, name: &str) -> Vec<f32> {
    let slopes = program.steps.iter().find_map(|step| match &step.op {
        Op::Attention(how) if how.sinks.as_deref() == Some(name) => Some(slopes(how)),
        _ => None,
    });
    slopes.unwrap_or_default()
}

impl Stored {
    fn new(device: &mut Device, name: &str, matrix: &Matrix) -> Self {
        let (inputs, outputs) = (matrix.shape[0], matrix.shape.get(1).copied().unwrap_or(1));
        let row = matrix.format.bytes(inputs);
        let rows = matrix.bytes.len() as u64 / row;
        let step = (device.binding_limit.min(PIECE) / row).max(1);
        let pieces = (0..rows).step_by(step as usize).map(|first| {
            let last = rows.min(first + step);
            let bytes = &matrix.bytes[(first * row) as usize..(last * row) as usize];
            (first..last, device.upload(name, bytes))
        });
        Self { pieces: pieces.collect(), format: matrix.format, inputs, outputs }
    }

    /// How many matrices there are.
    pub(super) fn count(&self) -> u64 {
        self.pieces.last().map_or(0, |(rows, _)| rows.end) / self.outputs
    }

    /// The rows of a matrix, buffer by buffer.
    pub(super) fn bands(&self, number: u64) -> impl Iterator<Item = Band<'_>> {
        let wanted = number * self.outputs..(number + 1) * self.outputs;
        self.pieces.iter().filter_map(move |(rows, view)| {
            let (first, last) = (rows.start.max(wanted.start), rows.end.min(wanted.end));
            let band = Band { view, row: first - rows.start.min(first), out: first - wanted.start.min(first), rows: 0 };
            (first < last).then(|| Band { rows: last - first, ..band })
        })
    }
}
