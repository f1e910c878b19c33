//! Tensors whose blocks are chosen by error feedback: they need whole rows, and a Gram matrix beside them, so they do not travel
//! with the chunks.

use super::output::Output;
use super::pipeline::nonfinite;
use crate::arch::Tensor;
use crate::engine::jobs::feedback::{Chooser, Hessians, Ready, experts};
use crate::engine::jobs::read;
use crate::engine::meter::Meter;
use crate::engine::worker::{Context, Stop};
use crate::model::Model;
use crate::recipe::{Plan, PlannedTensor};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::scope;

/// Hessians that wait for a GPU. Of a layer's four that of the down projection is much the largest and takes as long as all
/// else, so with fewer the processor would stand still while the GPU packs it; with more there would be two of them in memory.
const AHEAD: usize = 2;

/// A tensor, and what it becomes in which files.
struct Task<'a> {
    place: usize,
    tensor: &'a Tensor,
    goals: Vec<(usize, PlannedTensor)>,
}

/// Tensors with the same input, and which of their experts.
type Step<'a> = (Arc<Vec<Task<'a>>>, u64);

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
    pub(super) fn run(&self, plans: &[Plan], chooser: Chooser) -> Result<(), Stop> {
        let is_gpu = chooser.is_gpu();
        let mut tasks = tasks(self.model, plans);
        let found = plans.iter().find_map(|plan| Some((plan.recipe.gram.as_ref()?, &plan.recipe)));
        let Some((gram, hessians)) =
            found.and_then(|(gram, recipe)| Some((gram, Hessians::new(recipe, self.context)?.on(chooser))))
        else {
            return Ok(());
        };
        // Those with the same input come together, with one Hessian in memory.
        let mut steps = Vec::new();
        while let Some(first) = tasks.first() {
            let key = |tensor: &Tensor| (gram.owner(&tensor.name).map(str::to_owned), experts(tensor));
            let wanted = key(first.tensor);
            let (group, rest): (Vec<_>, _) = tasks.into_iter().partition(|task| key(task.tensor) == wanted);
            tasks = rest;
            let group = Arc::new(group);
            steps.extend(wanted.1.map(|expert| (Arc::clone(&group), expert)));
        }
        let ready = |(group, expert): &Step<'_>| hessians.of(group[0].tensor, *expert);
        let pack = |(group, expert): &Step<'_>, ready: &Ready| {
            group.iter().try_for_each(|task| self.pack(task, *expert, ready, &hessians))
        };
        if !is_gpu {
            return steps.iter().try_for_each(|step| pack(step, &*ready(step)?));
        }
        // While a GPU uses one Hessian, the processor makes the next ones.
        let (send, receive) = sync_channel(AHEAD);
        let (steps, ready) = (&steps, &ready);
        scope(|scope| {
            scope.spawn(move || steps.iter().map(ready).try_for_each(|ready| send.send(ready)));
            // Also where a step fails the other thread is to end.
            let receive = receive;
            steps.iter().zip(&receive).try_for_each(|(step, ready)| pack(step, &*ready?))
        })
    }

    fn pack(&self, task: &Task<'_>, expert: u64, ready: &Ready, hessians: &Hessians<'_>) -> Result<(), Stop> {
        let Task { place, tensor, goals } = task;
        let stored = tensor.stored_format();
        for weights in hessians.stretches(tensor, expert, ready) {
            let count = weights.end - weights.start;
            let mut bytes = vec![0; stored.bytes(count) as usize];
            if let Some(index) = read::fill(self.model, tensor, weights.start, &mut bytes)? {
                nonfinite(self.model, *place, index, self.allow_nonfinite, self.context)?;
            }
            for (file, planned) in goals {
                let mut blocks = vec![0; planned.format.bytes(count) as usize];
                hessians.quantize(tensor, ready, (stored, &bytes), planned.format, &mut blocks)?;
                let position = planned.offset + planned.format.bytes(weights.start);
                self.files[*file].write(position, &blocks)?;
                self.files[*file].check(&format!("the tensor {}", tensor.name), position, &blocks)?;
            }
            self.meter.advance(tensor.file_bytes(weights.end) - tensor.file_bytes(weights.start), &tensor.name)?;
        }
        Ok(())
    }
}
