//! What lies on which device.

use super::tape::{Device, HOST};
use crate::fit::backend::Backend;

/// Steps of fewer tokens are computed where the weights are; for larger ones a GPU borrows weights from main memory
/// (`offload_op` of the backends).
const WORTH_BORROWING: u64 = 32;

/// Where the parts of a model lie. Embeddings are always on the processor.
#[derive(Clone, Debug)]
pub(in crate::fit) struct Layout {
    /// The processor first.
    pub(in crate::fit) backends: Vec<&'static Backend>,
    /// Of each layer.
    pub(in crate::fit) layers: Vec<Device>,
    /// Of the experts of each layer, where they lie elsewhere.
    pub(in crate::fit) experts: Vec<Device>,
    /// Of the output.
    pub(in crate::fit) output: Device,
}

/// Steps that are under way at once where several GPUs have the whole model (`GGML_SCHED_MAX_COPIES`).
const PIPELINED: usize = 4;

impl Layout {
    /// How many copies there are of what goes from one device to another. Where all is on several GPUs, each step begins
    /// before the one before has ended (`pipeline_parallel` in `llama-context.cpp`).
    pub(super) fn copies(&self) -> usize {
        let is_on_gpus = |homes: &[Device]| homes.iter().all(|home| *home != HOST);
        let is_whole = is_on_gpus(&self.layers) && is_on_gpus(&self.experts) && self.output != HOST;
        if self.backends.len() > 2 && is_whole { PIPELINED } else { 1 }
    }

    /// Where something is computed whose weights lie on `home`.
    pub(super) fn computes(&self, home: Device, tokens: u64) -> Device {
        match home == HOST && self.backends.len() > 1 && tokens >= WORTH_BORROWING {
            true => HOST + 1,
            false => home,
        }
    }
}
