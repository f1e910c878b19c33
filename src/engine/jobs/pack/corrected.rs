//! Tensors whose blocks are chosen by error feedback: they need whole rows, and a Gram matrix beside them, so they do not travel
//! with the chunks.

use super::output::Output;
use super::pipeline::nonfinite;
use crate::arch::Tensor;
use crate::engine::jobs::feedback::{Hessians, experts, stretches};
use crate::engine::jobs::read;
use crate::engine::meter::Meter;
use crate::engine::worker::{Context, Stop};
use crate::model::Model;
use crate::recipe::{Plan, PlannedTensor};

/// A tensor, and what it becomes in which files.
struct Task<'a> {
    place: usize,
    tensor: &'a Tensor,
    goals: Vec<(usize, PlannedTensor)>,
}

/// The tensors that plans choose so.
fn tasks<'a>(model: &'a Model, plans: &[Plan]) -> Vec<Task<'a>> {
    let first_files = plans.iter().scan(0, |first, plan| Some(std::mem::replace(first, *first + plan.files.len())));
    let first_files: Vec<usize> = first_files.collect();
    let task = |(place, tensor): (usize, &'a Tensor)| {
        let plans = plans.iter().zip(&first_files).filter(|(plan, _)| plan.feeds_back(tensor, &plan.tensors[place]));
        let goals = plans.map(|(plan, first)| (first + plan.tensors[place].file, plan.tensors[place])).collect();
        Task { place, tensor, goals }
    };
    model.tensors.iter().enumerate().map(task).filter(|task| !task.goals.is_empty()).collect()
}

/// Bytes that are read for them.
pub(super) fn bytes(model: &Model, plans: &[Plan]) -> u64 {
    tasks(model, plans).iter().map(|task| task.tensor.file_bytes(task.tensor.weights())).sum()
}

/// What packing needs beside a tensor.
pub(super) struct Packer<'a, 'c> {
    pub(super) model: &'a Model,
    pub(super) files: &'a [Output],
    pub(super) allow_nonfinite: bool,
    pub(super) meter: &'a Meter<'a, 'c>,
    pub(super) context: &'a Context<'c>,
}

impl Packer<'_, '_> {
    /// Packs the tensors that plans choose so.
    pub(super) fn run(&self, plans: &[Plan]) -> Result<(), Stop> {
        let mut tasks = tasks(self.model, plans);
        let found = plans.iter().find_map(|plan| Some((plan.recipe.gram.as_ref()?, &plan.recipe)));
        let Some((gram, hessians)) =
            found.and_then(|(gram, recipe)| Some((gram, Hessians::new(recipe, self.context)?)))
        else {
            return Ok(());
        };
        // Those with the same input come together, with one Hessian in memory.
        while let Some(first) = tasks.first() {
            let key = |tensor: &Tensor| (gram.owner(&tensor.name).map(str::to_owned), experts(tensor));
            let wanted = key(first.tensor);
            let (group, rest): (Vec<_>, _) = tasks.into_iter().partition(|task| key(task.tensor) == wanted);
            tasks = rest;
            for expert in wanted.1 {
                group.iter().try_for_each(|task| self.pack(task, expert, &hessians))?;
            }
        }
        Ok(())
    }

    fn pack(&self, task: &Task<'_>, expert: u64, hessians: &Hessians<'_>) -> Result<(), Stop> {
        let Task { place, tensor, goals } = task;
        let hessian = hessians.of(tensor, expert)?;
        let stored = tensor.stored_format();
        for weights in stretches(tensor, expert) {
            let count = weights.end - weights.start;
            let mut bytes = vec![0; stored.bytes(count) as usize];
            if let Some(index) = read::fill(self.model, tensor, weights.start, &mut bytes)? {
                nonfinite(self.model, *place, index, self.allow_nonfinite, self.context)?;
            }
            for (file, planned) in goals {
                let mut blocks = vec![0; planned.format.bytes(count) as usize];
                hessians.quantize(&hessian, (stored, &bytes), planned.format, &mut blocks)?;
                let position = planned.offset + planned.format.bytes(weights.start);
                self.files[*file].write(position, &blocks)?;
                self.files[*file].check(&format!("the tensor {}", tensor.name), position, &blocks)?;
            }
            self.meter.advance(tensor.file_bytes(weights.end) - tensor.file_bytes(weights.start), &tensor.name)?;
        }
        Ok(())
    }
}
