//! Gram matrices of a recipe on their way to error feedback.

use super::read::BLOCK;
use crate::arch::Tensor;
use crate::cpu::forward::times;
use crate::engine::command::Computing;
use crate::engine::device::Devices;
use crate::engine::worker::{Context, Stop};
use crate::feedback::{self, BAND, Fisher, Hessian};
use crate::gpu::feedback::Runner;
use crate::imatrix::Gram;
use crate::quant::{FormatRef, Parts};
use crate::recipe::{Plan, Recipe};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// What is added to the diagonal of a Gram matrix, in units of its mean, so that errors do not go where the text knows little:
/// on other text as much as this loses least, of .003 to .4 (`benches/RESULTS.md`).
const DAMPING: f64 = 0.3;

/// The same for a token embedding that makes logits: its rows are also what the model reads, where all columns count alike.
const EMBEDDING_DAMPING: f64 = 0.05;

/// Sweeps of coordinate descent. More gain little.
const SWEEPS: usize = 8;

/// What is added to the diagonal of the Fisher matrix of a matrix's outputs, in units of its mean.
const FISHER_DAMPING: f64 = 0.1;

/// Sweeps of descent across rows.
const SWEEPS_ACROSS: usize = 12;

/// The most weights of a matrix that goes through descent across rows, for which all of it is in memory, and the most rows.
const MOST_ACROSS: [u64; 2] = [64 << 20, 8192];

/// Weights that are in memory at a time, as floats: bands enough for many threads, and rows enough for a GPU.
const WEIGHTS: [u64; 2] = [16 << 20, 64 << 20];

/// What chooses blocks: a GPU, or the processor.
#[derive(Clone, Default)]
pub(super) struct Chooser(Option<Arc<Mutex<Runner>>>);

impl Chooser {
    /// On the chosen device, where a plan asks for Gram matrices.
    pub(super) fn open<'p>(
        devices: &mut Devices,
        computing: &Computing,
        plans: impl IntoIterator<Item = &'p Plan>,
    ) -> Result<Self, Stop> {
        let needed = plans.into_iter().any(|plan| plan.recipe.gram.is_some());
        let runner = if needed { devices.feedback(computing)? } else { None };
        Ok(Self(runner.map(|runner| Arc::new(Mutex::new(runner)))))
    }

    /// Whether the processor has time for something else meanwhile.
    pub(super) fn is_gpu(&self) -> bool {
        self.0.is_some()
    }
}

/// Of which matrix, and of which of its experts.
type Key = (String, u64);

/// The Hessians of a file of Gram matrices, the last of which stays in memory for matrices with the same input.
pub(super) struct Hessians<'a> {
    gram: Arc<Gram>,
    sequence: Option<Arc<Gram>>,
    chooser: Chooser,
    context: &'a Context<'a>,
    last: Mutex<Option<(Key, Arc<Ready>)>>,
}

/// What is known of the inputs of a matrix.
pub(super) struct Inputs {
    /// The mean of x·xᵀ.
    pub(super) means: Vec<f32>,
    /// How many tokens it is over.
    pub(super) tokens: u64,
    /// What rows are shifted by.
    pub(super) shift: Option<Vec<f32>>,
    /// The mean of δ·δᵀ, δ the gradient by a matrix's outputs, of those matrices with these inputs for which it is known.
    pub(super) fishers: BTreeMap<String, Vec<f32>>,
}

/// The same made ready.
pub(super) struct Ready {
    hessian: Arc<Hessian>,
    shift: Option<Vec<f32>>,
    fishers: BTreeMap<String, Fisher>,
}

impl Ready {
    /// What errors cost under these inputs.
    pub(super) fn hessian(&self) -> &Arc<Hessian> {
        &self.hessian
    }
}

impl<'a> Hessians<'a> {
    pub(super) fn new(recipe: &Recipe, context: &'a Context<'a>) -> Option<Self> {
        let sequence = recipe.sequence.clone();
        let chooser = Chooser::default();
        recipe.gram.clone().map(|gram| Self { gram, sequence, chooser, context, last: Mutex::default() })
    }

    /// The same with blocks chosen there.
    pub(super) fn on(self, chooser: Chooser) -> Self {
        Self { chooser, ..self }
    }

    /// What a file knows of an expert of a tensor, made ready.
    pub(super) fn of(&self, tensor: &Tensor, expert: u64) -> Result<Arc<Ready>, Stop> {
        let owner = self.owner(&tensor.name);
        let key = (owner.to_owned(), expert);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, ready)) = last.as_ref().filter(|(known, _)| *known == key) {
            return Ok(Arc::clone(ready));
        }
        // There is never more than one, beside that which a GPU still chooses by.
        *last = None;
        let sequence = self.sequence.as_ref().and_then(|gram| Some((gram, gram.owner(&tensor.name)?)));
        let inputs = match sequence {
            Some((gram, owner)) => Inputs {
                means: gram.expert(owner, expert).map_err(Stop::Failed)?,
                tokens: gram.counts(owner).map_err(Stop::Failed)?[expert as usize],
                shift: gram.shift(owner).map_err(Stop::Failed)?,
                fishers: gram.fishers(owner).map_err(Stop::Failed)?,
            },
            None => {
                let tokens = self.gram.counts(owner).map_err(Stop::Failed)?.iter().sum();
                let means = self.means(owner, expert, tensor.columns())?;
                Inputs { means, tokens, shift: None, fishers: BTreeMap::new() }
            }
        };
        let ready = self.ready(tensor, expert, inputs)?;
        *last = Some((key, Arc::clone(&ready)));
        Ok(ready)
    }

    /// The matrix that stands for all with the same input.
    fn owner<'n>(&'n self, name: &'n str) -> &'n str {
        self.gram.owner(name).unwrap_or(name)
    }

    /// Whether there is something for a tensor.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.gram.owner(name).is_some()
    }

    /// What is asked for next, of a tensor that is a single matrix, is this.
    pub(super) fn know(&self, tensor: &Tensor, inputs: Inputs) -> Result<(), Stop> {
        let ready = self.ready(tensor, 0, inputs)?;
        let key = (self.owner(&tensor.name).to_owned(), 0);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((key, ready));
        Ok(())
    }

    fn ready(&self, tensor: &Tensor, expert: u64, inputs: Inputs) -> Result<Arc<Ready>, Stop> {
        let Inputs { mut means, tokens, shift, fishers } = inputs;
        without_chance(&mut means, tensor.columns() as usize, tokens);
        let damping = if tensor.name == "token_embd.weight" { EMBEDDING_DAMPING } else { DAMPING };
        let stop = || self.context.is_cancelled();
        let hessian = Hessian::new(&means, tensor.columns() as usize, damping, &stop).ok_or(Stop::Cancelled)?;
        let hessian = hessian.map_err(|error| {
            let of = if experts(tensor).end > 1 { format!(", expert {expert},") } else { String::new() };
            Stop::Failed(self.gram.refuse(format!(
                "its Gram matrix for the tensor {}{of} {error}; make the file again with tuck calibrate --gram",
                tensor.name
            )))
        })?;
        let fisher = |(name, means): (String, Vec<f32>)| {
            let outputs = means.len().isqrt();
            let refused = |error| Stop::Failed(format!("the Fisher matrix of the tensor {name} {error}"));
            Fisher::new(&means, outputs, FISHER_DAMPING).map_err(refused).map(|fisher| (name, fisher))
        };
        let fishers = fishers.into_iter().map(fisher).collect::<Result<_, Stop>>()?;
        Ok(Arc::new(Ready { hessian: Arc::new(hessian), shift, fishers }))
    }

    /// The Gram matrix of an expert. What fewer tokens reached than there are columns is filled up with the mean of all.
    fn means(&self, owner: &str, expert: u64, columns: u64) -> Result<Vec<f32>, Stop> {
        let mut own = self.gram.expert(owner, expert).map_err(Stop::Failed)?;
        let counts = self.gram.counts(owner).map_err(Stop::Failed)?;
        let all: u64 = counts.iter().sum();
        let share = counts[expert as usize] as f32 / columns as f32;
        if counts.len() == 1 || share >= 1.0 || all == 0 {
            return Ok(own);
        }
        own.par_iter_mut().for_each(|own| *own *= share);
        for (other, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            if self.context.is_cancelled() {
                return Err(Stop::Cancelled);
            }
            let weight = (1.0 - share) * (*count as f64 / all as f64) as f32;
            let means = self.gram.expert(owner, other as u64).map_err(Stop::Failed)?;
            own.par_iter_mut().zip(means).for_each(|(own, mean)| *own += weight * mean);
        }
        Ok(own)
    }

    /// The weights of an expert of a tensor, in stretches of whole bands of rows; all of them, where rows do not descend alone.
    pub(super) fn stretches(
        &self,
        tensor: &Tensor,
        expert: u64,
        ready: &Ready,
    ) -> impl Iterator<Item = Range<u64>> + use<> {
        let matrix: u64 = tensor.shape.iter().take(2).product();
        let band = tensor.columns() * BAND as u64;
        let most = match ready.fishers.contains_key(&tensor.name) {
            true => matrix.next_multiple_of(band),
            false => WEIGHTS[usize::from(self.chooser.is_gpu())],
        };
        let (end, step) = ((expert + 1) * matrix, (most / band).max(1) * band);
        (expert * matrix..end).step_by(step as usize).map(move |first| first..end.min(first + step))
    }

    /// The blocks of rows of a tensor's expert, given as they are stored.
    pub(super) fn quantize(
        &self,
        tensor: &Tensor,
        ready: &Ready,
        (from, stored): (FormatRef, &[u8]),
        to: FormatRef,
        out: &mut [u8],
    ) -> Result<(), Stop> {
        let mut weights = vec![0.0f32; stored.len() / from.block_bytes * from.block_weights];
        let pieces = weights.par_chunks_mut(BLOCK as usize).zip(stored.par_chunks(from.bytes(BLOCK) as usize));
        pieces.for_each(|(weights, stored)| (from.dequantize)(stored, weights));
        if let Some(shift) = &ready.shift {
            let more = times(&weights, ready.hessian.columns(), shift);
            weights.iter_mut().zip(more).for_each(|(weight, more)| *weight += more);
        }
        let stop = || self.context.is_cancelled();
        let found = match &self.chooser.0 {
            None => feedback::quantize(&weights, &ready.hessian, to, SWEEPS, &stop, out),
            Some(runner) => {
                let mut runner = runner.lock().unwrap_or_else(PoisonError::into_inner);
                runner.quantize(&weights, &ready.hessian, to, SWEEPS, &stop, out).map_err(|error| {
                    let Stop::Failed(message) = Stop::from(error) else { return Stop::Cancelled };
                    Stop::Failed(format!("the tensor {}: {message}", tensor.name))
                })?
            }
        };
        found.ok_or(Stop::Cancelled)?;
        if let Some(fisher) = ready.fishers.get(&tensor.name) {
            let pair = (&*ready.hessian, fisher);
            feedback::descend_across(&weights, pair, to, SWEEPS_ACROSS, &stop, out).ok_or(Stop::Cancelled)?;
        }
        Ok(())
    }
}

/// Whether all rows of a tensor are to descend together in this format, where it is known how they do.
pub(super) fn descends_across(tensor: &Tensor, format: FormatRef) -> bool {
    let [weights, rows] = MOST_ACROSS;
    let is_small = tensor.shape.len() == 2 && tensor.weights() <= weights && tensor.shape[1] <= rows;
    is_small && Parts::of(format).is_some()
}

/// Takes from the means of products what is likely to be chance: of few tokens, columns seem to go together that do not. The
/// squares of the diagonal are kept, as in other estimates of covariance that shrink towards it (O. Ledoit and M. Wolf, 2004).
fn without_chance(means: &mut [f32], columns: usize, tokens: u64) {
    let kept = tokens as f32 / (tokens as f32 + columns as f32);
    means.par_chunks_mut(columns).enumerate().for_each(|(row, means)| {
        let square = means[row];
        means.iter_mut().for_each(|mean| *mean *= kept);
        means[row] = square;
    });
}

/// The experts of a tensor; one, where it is a single matrix.
pub(super) fn experts(tensor: &Tensor) -> Range<u64> {
    0..tensor.shape.iter().skip(2).product()
}
