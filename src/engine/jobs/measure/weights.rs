//! A model's tensors in memory, as they are stored or as a recipe makes them.

use crate::arch::Tensor;
use crate::cpu::forward::{Matrices, Matrix};
use crate::engine::jobs::feedback::{Chooser, Hessians, Inputs, experts};
use crate::engine::jobs::read::fill;
use crate::engine::meter::Meter;
use crate::engine::worker::{Context, Stop};
use crate::forward::Program;
use crate::imatrix;
use crate::lowrank;
use crate::model::Model;
use crate::quant::{F32, Format, FormatRef, Importance, Search};
use crate::recipe::{Plan, PlannedTensor};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Rows are quantized by so many weights a thread.
const TASK: usize = 1 << 16;

/// Where a model's tensors come from.
pub(super) struct Weights<'a> {
    pub(super) model: &'a Model,
    /// What they would be packed as.
    plan: Option<Plan>,
    /// What the plan's error feedback needs.
    hessians: Option<Hessians<'a>>,
    /// A matrix whose rows were looked up and whose blocks error feedback chose, which takes long, and its place.
    looked_up: Mutex<Option<(usize, Arc<Matrix>)>>,
    /// What an adapter adds to matrices.
    additions: Option<Arc<Additions>>,
}

/// A product that is added to a matrix, by the matrix's name.
pub(super) type Additions = BTreeMap<String, Addition>;

/// `scale * b a`, added to a matrix, of one expert after another.
pub(super) struct Addition {
    pub(super) rank: usize,
    /// `rank` rows for each expert.
    pub(super) a: Vec<f32>,
    /// Rows of `rank` numbers.
    pub(super) b: Vec<f32>,
    pub(super) scale: f32,
    /// Whether it takes the place of the matrix.
    pub(super) is_all: bool,
}

impl Addition {
    fn add_to(&self, matrix: &Matrix) -> Matrix {
        let columns = matrix.shape[0] as usize;
        let zeros = || vec![0.0; matrix.shape.iter().product::<u64>() as usize];
        let mut sum = if self.is_all { zeros() } else { matrix.floats() };
        let experts = self.a.len() / (self.rank * columns);
        let (weights, b) = (sum.len() / experts, self.b.len() / experts);
        let each = sum.chunks_mut(weights).zip(self.a.chunks(self.rank * columns)).zip(self.b.chunks(b));
        each.for_each(|((weights, a), b)| lowrank::add(weights, columns, (a, b), self.scale));
        Matrix { format: &F32, shape: matrix.shape.clone(), bytes: bytemuck::cast_slice(&sum).to_vec() }
    }
}

impl<'a> Weights<'a> {
    pub(super) fn new(model: &'a Model, plan: Option<Plan>, context: &'a Context<'a>) -> Self {
        let hessians = plan.as_ref().and_then(|plan| Hessians::new(&plan.recipe, context));
        Self { model, plan, hessians, looked_up: Mutex::default(), additions: None }
    }

    /// The same with blocks chosen there.
    pub(super) fn on(self, chooser: Chooser) -> Self {
        Self { hessians: self.hessians.map(|hessians| hessians.on(chooser)), ..self }
    }

    /// The same with what an adapter adds.
    pub(super) fn adding(self, additions: Arc<Additions>) -> Self {
        Self { additions: Some(additions), ..self }
    }

    /// What a tensor is computed with, but for what is added to it.
    pub(super) fn format(&self, name: &str) -> Result<FormatRef, Stop> {
        let place = self.find(name)?;
        let stored = self.model.tensors[place].stored_format();
        Ok(self.plan.as_ref().map_or(stored, |plan| plan.tensors[place].format))
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
        let matrix = self.quantized(name)?;
        let added = self.additions.as_ref().and_then(|additions| additions.get(name));
        Ok(match added {
            Some(added) => added.add_to(&matrix),
            None => matrix,
        })
    }

    fn quantized(&self, name: &str) -> Result<Matrix, Stop> {
        let place = self.find(name)?;
        if let Some((_, known)) = self.looked_up().as_ref().filter(|(known, _)| *known == place) {
            return Ok(Matrix::clone(known));
        }
        let tensor = &self.model.tensors[place];
        let mut bytes = vec![0; stored_bytes(tensor) as usize];
        fill(self.model, tensor, 0, &mut bytes)?;
        let stored = Matrix { format: tensor.stored_format(), shape: tensor.shape.clone(), bytes };
        match (&self.plan, &self.hessians) {
            (Some(plan), Some(hessians)) if plan.feeds_back(tensor, &plan.tensors[place]) => {
                corrected(hessians, &plan.tensors[place], tensor, &stored)
            }
            (Some(plan), _) if plan.tensors[place].format != stored.format => Ok(packed(plan, place, tensor, &stored)),
            _ => Ok(stored),
        }
    }

    /// The inputs of a matrix, for it and those that share them until another is asked for.
    pub(super) fn know(&self, name: &str, inputs: Inputs) -> Result<(), Stop> {
        let tensor = &self.model.tensors[self.find(name)?];
        match &self.hessians {
            Some(hessians) => hessians.know(tensor, inputs),
            None => Ok(()),
        }
    }

    fn looked_up(&self) -> MutexGuard<'_, Option<(usize, Arc<Matrix>)>> {
        self.looked_up.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A matrix whose rows are to be looked up, if its blocks are chosen by error feedback.
    fn corrected(&self, place: usize) -> Result<Option<Arc<Matrix>>, Stop> {
        let tensor = &self.model.tensors[place];
        if !self.plan.as_ref().is_some_and(|plan| plan.feeds_back(tensor, &plan.tensors[place])) {
            return Ok(None);
        }
        let matrix = Arc::new(self.matrix(&tensor.name)?);
        *self.looked_up() = Some((place, Arc::clone(&matrix)));
        Ok(Some(matrix))
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
        let corrected = self.corrected(place)?;
        let mut floats = vec![0.0; rows.len() * columns];
        let each = floats.par_chunks_mut(columns).zip(rows);
        each.try_for_each_init(Vec::new, |bytes, (floats, row)| {
            if let Some(Matrix { format, bytes, .. }) = corrected.as_deref() {
                let row_bytes = format.bytes(columns as u64) as usize;
                (format.dequantize)(&bytes[*row as usize * row_bytes..][..row_bytes], floats);
                return Ok(());
            }
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

/// What error feedback makes of a tensor.
fn corrected(
    hessians: &Hessians<'_>,
    planned: &PlannedTensor,
    tensor: &Tensor,
    stored: &Matrix,
) -> Result<Matrix, Stop> {
    let mut bytes = vec![0; planned.bytes as usize];
    let place = |format: &Format, weights: &Range<u64>| {
        format.bytes(weights.start) as usize..format.bytes(weights.end) as usize
    };
    for expert in experts(tensor) {
        let hessian = hessians.of(tensor, expert)?;
        for weights in hessians.stretches(tensor, expert, &hessian) {
            let from = &stored.bytes[place(stored.format, &weights)];
            let to = &mut bytes[place(planned.format, &weights)];
            hessians.quantize(tensor, &hessian, (stored.format, from), planned.format, to)?;
        }
    }
    Ok(Matrix { format: planned.format, shape: tensor.shape.clone(), bytes })
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
