//! How fast a model speaks: what a token reads of each memory, and what it computes.

use super::graph::Layout;
use super::machine::{Machine, Pool};
use super::place::Spread;
use super::settings::Settings;
use super::subject::{Layer, Mixer, Part, Parts, Subject, is_of_experts};

/// Bytes a second that a GPU borrows weights with from main memory: half of what 16 lanes of PCIe 4.0 carry.
const PCIE: f64 = 16e9;

/// Data-center accelerators have so much arithmetic that llama.cpp's kernels reach a smaller part of it.
const MUCH_ARITHMETIC: f64 = 250e12;

/// Tokens a second of one sequence, at half of the context.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speed {
    /// While a prompt is read.
    pub prompt: f64,
    /// While an answer is generated.
    pub generation: f64,
}

/// What one token costs in a layer or the output.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Work {
    /// Bytes that are read besides those of experts.
    bytes: f64,
    /// Bytes of the experts that a token sees.
    expert_bytes: f64,
    /// Bytes of all experts.
    all_expert_bytes: f64,
    /// Operations besides those of experts.
    operations: f64,
    /// Operations of the experts that a token sees.
    expert_operations: f64,
}

/// What one token costs: each layer, and the output.
#[derive(Clone, Debug)]
pub(super) struct Costs {
    layers: Vec<Work>,
    output: Work,
}

impl Costs {
    /// Weights are read once and multiplied with once, an operation each for product and sum; of experts those that the
    /// token sees; of the cache what is filled; attention multiplies each query head with each cell it sees, twice.
    pub(super) fn new(subject: &Subject, settings: &Settings) -> Self {
        let filled = (settings.context / settings.sequences.max(1) / 2).max(1);
        let seen = subject.experts_used.min(subject.experts) as f64 / subject.experts.max(1) as f64;
        let layers =
            subject.layers.iter().map(|layer| Work::of_layer(layer, subject, settings, seen, filled)).collect();
        let tied = !subject.outside.has("output.weight");
        let is_output = |name: &str| name.starts_with("output") || tied && name == "token_embd.weight";
        let mut output = Work::default();
        subject.outside.iter().filter(|(name, _)| is_output(name)).for_each(|(_, part)| output.add(part, None));
        Self { layers, output }
    }

    /// Tokens a second; none where a device's speed is not known.
    pub(super) fn speed(
        &self,
        machine: &Machine,
        spread: &Spread,
        layout: &Layout,
        settings: &Settings,
    ) -> Option<Speed> {
        let device = |at: usize| at.checked_sub(1).map_or(&machine.host, |gpu| &machine.gpus[gpu].pool);
        let (mut generation, mut prompt) = (0.0, 0.0);
        let places = layout.layers.iter().zip(&layout.experts).zip(&self.layers);
        let output = ((&layout.output, &layout.output), &self.output);
        for ((home, experts), work) in places.chain([output]) {
            let backend = layout.backends[*home];
            generation += backend.efficiency.layer_seconds;
            for (at, bytes, operations, stored) in [
                (*home, work.bytes, work.operations, work.bytes),
                (*experts, work.expert_bytes, work.expert_operations, work.all_expert_bytes),
            ] {
                if bytes + operations == 0.0 {
                    continue;
                }
                generation += bytes / (device(at).bandwidth * layout.backends[at].efficiency.bandwidth);
                let mut seconds = operations / arithmetic(device(at), layout, at);
                if at == 0 && !spread.gpus.is_empty() {
                    let borrowed = stored / PCIE / settings.step().max(1) as f64;
                    seconds = seconds.min(operations / arithmetic(device(1), layout, 1) + borrowed);
                }
                prompt += seconds;
            }
        }
        let speed = Speed { prompt: 1.0 / prompt, generation: 1.0 / generation };
        (speed.prompt.is_finite() && speed.generation.is_finite() && speed.prompt > 0.0 && speed.generation > 0.0)
            .then_some(speed)
    }
}

/// Operations a second that llama.cpp reaches on a device.
fn arithmetic(pool: &Pool, layout: &Layout, at: usize) -> f64 {
    let efficiency = layout.backends[at].efficiency.arithmetic;
    let reached = pool.flops * efficiency;
    if pool.flops > MUCH_ARITHMETIC {
        reached.min(MUCH_ARITHMETIC * efficiency + (pool.flops - MUCH_ARITHMETIC) * 0.1)
    } else {
        reached
    }
}

impl Work {
    fn of_layer(layer: &Layer, subject: &Subject, settings: &Settings, seen: f64, filled: u64) -> Self {
        let mut work = Self::default();
        add_parts(&mut work, &layer.parts, seen);
        let kept = layer.kept(subject, settings);
        let cells = settings.cells();
        match layer.mixer {
            Mixer::Attention { heads, key, value, window, .. } => {
                let visible = window.map_or(filled, |window| filled.min(window));
                let capacity = window.map_or(cells, |window| settings.windowed_cells(window));
                let share = visible as f64 / (capacity * settings.sequences.max(1)) as f64;
                work.bytes += (kept.keys + kept.values) as f64 * share.min(1.0);
                work.operations += 2.0 * (heads * (key + value) * visible) as f64;
            }
            Mixer::Latent { heads, rank, rope, .. } => {
                work.bytes += kept.keys as f64 * filled as f64 / (cells * settings.sequences.max(1)) as f64;
                work.operations += 2.0 * (heads * (2 * rank + rope) * filled) as f64;
            }
            Mixer::Convolution { .. } | Mixer::StateSpace { .. } | Mixer::None => {
                work.bytes += 2.0 * kept.recurrent as f64 / settings.sequences.max(1) as f64;
            }
        }
        work
    }

    /// Adds a tensor, of which a token sees a share where it is one of experts.
    fn add(&mut self, part: &Part, seen: Option<f64>) {
        let (bytes, operations) = (part.bytes as f64, 2.0 * part.weights() as f64);
        match seen {
            None => {
                self.bytes += bytes;
                self.operations += operations;
            }
            Some(share) => {
                self.expert_bytes += bytes * share;
                self.all_expert_bytes += bytes;
                self.expert_operations += operations * share;
            }
        }
    }
}

fn add_parts(work: &mut Work, parts: &Parts, seen: f64) {
    parts.iter().for_each(|(name, part)| work.add(part, is_of_experts(name).then_some(seen)));
}
