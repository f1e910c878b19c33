//! A model's tensors in memory, as they are stored or as a recipe makes them.

use crate::arch::Tensor;
use crate::cpu::forward::{Matrices, Matrix};
use crate::engine::jobs::read::fill;
use crate::engine::meter::Meter;
use crate::engine::worker::Stop;
use crate::forward::Program;
use crate::imatrix;
use crate::model::Model;
use crate::quant::{Format, Importance, Search};
use crate::recipe::{Plan, PlannedTensor};
use rayon::prelude::*;

/// Rows are quantized by so many weights a thread.
const TASK: usize = 1 << 16;

/// Where a model's tensors come from.
pub(super) struct Weights<'a> {
    pub(super) model: &'a Model,
    /// What they would be packed as.
    plan: Option<Plan>,
}

impl<'a> Weights<'a> {
    pub(super) fn new(model: &'a Model, plan: Option<Plan>) -> Self {
        Self { model, plan }
    }

    /// Bytes that are read for all tensors.
    pub(super) fn bytes(&self) -> u64 {
        self.model.tensors.iter().map(stored_bytes).sum()
    }

    /// Whether a tensor is computed with in another format than it is stored in.
    pub(super) fn changes(&self, place: usize) -> bool {
        self.plan.as_ref().is_some_and(|plan| plan.tensors[place].format != self.model.tensors[place].stored_format())
    }

    /// The place of a tensor in the model's list.
    pub(super) fn find(&self, name: &str) -> Result<usize, Stop> {
        let place = self.model.tensors.iter().position(|tensor| tensor.name == name);
        place.ok_or_else(|| Stop::Failed(format!("{} has no tensor {name}", self.model.path.display())))
    }

    /// The tensors of a program.
    pub(super) fn of(&self, program: &Program, meter: Option<&Meter<'_, '_>>) -> Result<Matrices, Stop> {
        let mut matrices = Matrices::new();
        for name in program.tensors() {
            matrices.insert(name.to_owned(), self.matrix(name)?);
            if let Some(meter) = meter {
                meter.advance(stored_bytes(&self.model.tensors[self.find(name)?]), name)?;
            }
        }
        Ok(matrices)
    }

    /// One tensor.
    pub(super) fn matrix(&self, name: &str) -> Result<Matrix, Stop> {
        let place = self.find(name)?;
        let tensor = &self.model.tensors[place];
        let mut bytes = vec![0; stored_bytes(tensor) as usize];
        fill(self.model, tensor, 0, &mut bytes)?;
        let stored = Matrix { format: tensor.stored_format(), shape: tensor.shape.clone(), bytes };
        match &self.plan {
            Some(plan) if plan.tensors[place].format != stored.format => Ok(packed(plan, place, tensor, &stored)),
            _ => Ok(stored),
        }
    }

    /// Rows of a tensor, as floats.
    pub(super) fn rows(&self, name: &str, rows: &[u32]) -> Result<Vec<f32>, Stop> {
        let place = self.find(name)?;
        let tensor = &self.model.tensors[place];
        if let Some(row) = rows.iter().find(|row| u64::from(**row) >= tensor.shape.get(1).copied().unwrap_or(1)) {
            let path = self.model.path.display();
            return Err(Stop::Failed(format!("{path}: the text has the token {row}, and {name} has no such row")));
        }
        let (columns, stored) = (tensor.columns() as usize, tensor.stored_format());
        let mut floats = vec![0.0; rows.len() * columns];
        let each = floats.par_chunks_mut(columns).zip(rows);
        each.try_for_each_init(Vec::new, |bytes, (floats, row)| {
            bytes.resize(stored.bytes(columns as u64) as usize, 0);
            fill(self.model, tensor, u64::from(*row) * columns as u64, bytes)?;
            (stored.dequantize)(bytes, floats);
            if let Some(plan) = self.plan.as_ref().filter(|plan| plan.tensors[place].format != stored) {
                let planned = &plan.tensors[place];
                let mut blocks = vec![0; planned.format.bytes(columns as u64) as usize];
                quantize(plan, tensor, planned, floats, 0, &mut blocks);
                (planned.format.dequantize)(&blocks, floats);
            }
            Ok::<(), Stop>(())
        })?;
        Ok(floats)
    }
}

/// Bytes of a tensor as it is stored.
pub(super) fn stored_bytes(tensor: &Tensor) -> u64 {
    tensor.stored_format().bytes(tensor.weights())
}

/// What packing makes of a tensor.
fn packed(plan: &Plan, place: usize, tensor: &Tensor, stored: &Matrix) -> Matrix {
    let planned = &plan.tensors[place];
    let columns = tensor.columns() as usize;
    let rows = (TASK / columns).max(1);
    let bytes = |format: &Format| format.bytes((rows * columns) as u64) as usize;
    let mut blocks = vec![0; planned.bytes as usize];
    let tasks = blocks.par_chunks_mut(bytes(planned.format)).zip(stored.bytes.par_chunks(bytes(stored.format)));
    tasks.enumerate().for_each_init(Vec::new, |floats, (task, (blocks, stored_blocks))| {
        let weights = stored_blocks.len() / stored.format.block_bytes * stored.format.block_weights;
        floats.resize(weights, 0.0f32);
        (stored.format.dequantize)(stored_blocks, floats);
        quantize(plan, tensor, planned, floats, task * rows, blocks);
    });
    Matrix { format: planned.format, shape: tensor.shape.clone(), bytes: blocks }
}

/// Quantizes whole rows, the first of which has that number.
fn quantize(plan: &Plan, tensor: &Tensor, planned: &PlannedTensor, floats: &[f32], row: usize, blocks: &mut [u8]) {
    let effort = plan.recipe.effort;
    let columns = tensor.columns() as usize;
    let Some(all) = plan.importance(tensor, planned) else {
        return (planned.format.quantize)(floats, Search { importance: None, effort }, blocks);
    };
    // Each expert has factors of its own.
    let rows_each = tensor.shape.get(1).map_or(1, |rows| *rows as usize);
    let each = floats.chunks(columns).zip(blocks.chunks_mut(planned.format.bytes(columns as u64) as usize));
    for (n, (floats, blocks)) in each.enumerate() {
        let expert = (row + n) / rows_each;
        let factors: Vec<f32> = imatrix::factors(&all[expert * columns..][..columns]).collect();
        let importance = Some(Importance { columns: &factors, first: 0 });
        (planned.format.quantize)(floats, Search { importance, effort }, blocks);
    }
}
