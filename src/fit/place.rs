//! What a model takes of each device.

use super::backend::{Backend, CPU};
use super::graph::{Care, Layout, compute_buffers};
use super::settings::Settings;
use super::subject::Subject;

/// How a model is spread over devices.
#[derive(Clone, Debug)]
pub struct Spread {
    /// The GPUs, each with the share of layers it gets; llama.cpp takes their free memory (`--tensor-split`).
    pub gpus: Vec<(&'static Backend, f64)>,
    /// `-ngl`: how many layers go to GPUs, the output as one more. The last come first.
    pub gpu_layers: u64,
    /// `-ot exps=CPU`: whether experts stay in main memory.
    pub experts_on_host: bool,
}

impl Spread {
    /// Everything in main memory.
    pub fn host() -> Self {
        Self { gpus: Vec::new(), gpu_layers: 0, experts_on_host: false }
    }
}

/// What is taken of one device, in bytes. [`NAMES`] says what each is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Tensors.
    pub weights: u64,
    /// Cached keys.
    pub keys: u64,
    /// Cached values.
    pub values: u64,
    /// States of recurrent layers.
    pub recurrent: u64,
    /// What is computed of one step.
    pub compute: u64,
    /// Logits that a program can read.
    pub output: u64,
    /// The projector of a model that sees or hears.
    pub projector: u64,
    /// The backend's own.
    pub overhead: u64,
}

/// The terms, in the order of [`Terms::list`]: a name, and how it comes about.
pub static NAMES: [(&str, &str); 8] = [
    ("weights", "every tensor at its size in the file, padded to 32 bytes; a tied output counts once"),
    (
        "keys",
        "cells x KV heads x key size, in the type of cached keys, of each layer; windowed layers have fewer cells",
    ),
    ("values", "cells x KV heads x value size, in the type of cached values, of each layer; latent attention has none"),
    ("recurrent", "states of layers without a cache, in f32, for each sequence"),
    ("compute", "the graph of one step of ubatch tokens over a full cache, as ggml's allocator places it"),
    ("output", "vocabulary x sequences x 4 bytes: the logits that are handed back"),
    ("projector", "the file of the vision or audio encoder, loaded beside the model"),
    ("backend", "the GPU backend's own context and kernels; an estimate"),
];

impl Terms {
    /// All, in the order of [`NAMES`].
    pub fn list(&self) -> [u64; 8] {
        let Self { weights, keys, values, recurrent, compute, output, projector, overhead } = *self;
        [weights, keys, values, recurrent, compute, output, projector, overhead]
    }

    /// Their sum.
    pub fn total(&self) -> u64 {
        self.list().iter().sum()
    }

    /// Cache and state.
    pub fn kept(&self) -> u64 {
        self.keys + self.values + self.recurrent
    }
}

impl std::iter::Sum for Terms {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |a, b| Self {
            weights: a.weights + b.weights,
            keys: a.keys + b.keys,
            values: a.values + b.values,
            recurrent: a.recurrent + b.recurrent,
            compute: a.compute + b.compute,
            output: a.output + b.output,
            projector: a.projector + b.projector,
            overhead: a.overhead + b.overhead,
        })
    }
}

/// What is taken of each device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Main memory.
    pub host: Terms,
    /// Each GPU.
    pub gpus: Vec<Terms>,
}

impl Placement {
    /// Of all devices together.
    pub fn total(&self) -> Terms {
        self.gpus.iter().copied().chain([self.host]).sum()
    }
}

impl Subject {
    /// Layers that can go to a GPU: all, and the output as one more.
    pub fn placeable(&self) -> u64 {
        self.layers.len() as u64 + self.idle_layers + 1
    }

    /// Spreads the model. Embeddings stay in main memory, as llama.cpp keeps them.
    pub fn place(&self, settings: &Settings, spread: &Spread) -> Placement {
        self.place_with(settings, spread, Care::Exact)
    }

    pub(super) fn place_with(&self, settings: &Settings, spread: &Spread, care: Care) -> Placement {
        let layout = self.layout(spread);
        let mut placement = self.place_stored(settings, &layout);
        let terms = std::iter::once(&mut placement.host).chain(&mut placement.gpus);
        for (terms, bytes) in terms.zip(compute_buffers(self, settings, &layout, care)) {
            terms.compute = bytes;
        }
        placement
    }

    /// All but the compute buffers.
    pub(super) fn place_stored(&self, settings: &Settings, layout: &Layout) -> Placement {
        let mut terms = vec![Terms::default(); layout.backends.len()];
        for ((layer, home), experts) in self.layers.iter().zip(&layout.layers).zip(&layout.experts) {
            let (all, of_experts) = (layer.parts.bytes(), layer.parts.expert_bytes());
            let kept = layer.kept(self, settings);
            let terms_of = &mut terms[*home];
            terms_of.weights += all - of_experts;
            terms_of.keys += kept.keys;
            terms_of.values += kept.values;
            terms_of.recurrent += kept.recurrent;
            terms[*experts].weights += of_experts;
        }
        let (output, rest) = self.outside.split(|name| name.starts_with("output"));
        terms[layout.output].weights += output + self.idle.bytes();
        terms[0].weights += rest;
        if layout.output > 0 && !self.outside.has("output.weight") {
            // A tied output is loaded a second time, for the embeddings stay in main memory.
            terms[layout.output].weights += self.outside.get("token_embd.weight").map_or(0, |part| part.bytes);
        }
        terms[usize::from(layout.output > 0)].projector = self.projector;
        terms[0].output = 4 * self.vocabulary * settings.sequences;
        for (terms, backend) in terms.iter_mut().zip(&layout.backends) {
            terms.overhead = backend.overhead;
        }
        Placement { host: terms[0], gpus: terms[1..].to_vec() }
    }

    /// The device of each layer and of the output: 0 for main memory, then the GPUs.
    pub fn devices(&self, spread: &Spread) -> Vec<usize> {
        let layout = self.layout(spread);
        // Layers that are loaded and not run are beside the output.
        let idle = std::iter::repeat_n(layout.output, self.idle_layers as usize);
        layout.layers.into_iter().chain(idle).chain([layout.output]).collect()
    }

    /// Which device each layer is on: `llama_model_base::load_tensors` in `llama-model.cpp`.
    pub(super) fn layout(&self, spread: &Spread) -> Layout {
        let placeable = self.placeable();
        let wanted = spread.gpu_layers.min(placeable);
        let first = placeable - wanted;
        let total: f64 = spread.gpus.iter().map(|(_, share)| share).sum();
        let device = |layer: u64| {
            if layer < first || spread.gpus.is_empty() {
                return 0;
            }
            let at = (layer - first) as f64 / wanted as f64;
            let mut end = 0.0;
            let before = spread.gpus.iter().take_while(|(_, share)| {
                end += share / total;
                end <= at
            });
            before.count().min(spread.gpus.len() - 1) + 1
        };
        let layers: Vec<usize> = (0..self.layers.len() as u64).map(device).collect();
        let experts = layers.iter().map(|home| if spread.experts_on_host { 0 } else { *home }).collect();
        let backends = std::iter::once(&CPU).chain(spread.gpus.iter().map(|(backend, _)| *backend)).collect();
        Layout { backends, layers, experts, output: device(placeable - 1) }
    }
}
