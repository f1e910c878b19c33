//! What fits where: the memory and speed of a model on a machine, before anything is written.

mod backend;
mod cache;
mod facts;
mod family;
mod graph;
mod machine;
mod settings;
mod subject;

pub use backend::{Backend, CPU, CUDA, METAL, Scratch, VULKAN};
pub use cache::Kept;
pub use machine::{Memory, this_machine};
pub use settings::{CACHE_TYPES, CELLS, Settings};
pub use subject::{Layer, Mixer, Part, Parts, Subject};

/// Bytes that places in a buffer are multiples of (`TENSOR_ALIGNMENT` in `ggml-impl.h`).
const ALIGNMENT: u64 = 32;

impl Subject {
    /// What all layers keep of earlier tokens.
    pub fn kept(&self, settings: &Settings) -> Kept {
        self.layers.iter().map(|layer| layer.kept(self, settings)).sum()
    }

    /// The compute buffer where everything is on the processor.
    pub fn compute(&self, settings: &Settings) -> u64 {
        graph::compute_buffers(self, settings, &graph::Layout::host(self.layers.len()))[0]
    }

    /// Logits of one token for each sequence, in f32, in main memory.
    pub fn output(&self, settings: &Settings) -> u64 {
        4 * self.vocabulary * settings.sequences
    }
}
