//! A model as far as its memory goes: the tensors of each layer, and what a layer keeps of the tokens before.

use super::backend::CPU;
use super::facts::Facts;
use super::family::{Family, Rotary, Windows};
use crate::arch::Hparams;
use crate::gguf::Value;
use crate::model::Model;
use crate::quant::FormatRef;
use crate::recipe::Plan;
use std::hash::{DefaultHasher, Hash, Hasher};

/// How a layer looks back at earlier tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mixer {
    /// Softmax attention; keys and values of every token are cached.
    Attention {
        /// Query heads.
        heads: u64,
        /// Key-value heads.
        kv_heads: u64,
        /// Size of a key head.
        key: u64,
        /// Size of a value head.
        value: u64,
        /// Tokens it sees, where it does not see all.
        window: Option<u64>,
    },
    /// Multi-head latent attention (MLA): one compressed row is cached, from which keys and values come.
    Latent {
        /// Query heads.
        heads: u64,
        /// Width of the compressed row.
        rank: u64,
        /// Width of the part that turns with the position.
        rope: u64,
        /// Size of a key head without that part.
        nope: u64,
        /// Size of a value head.
        value: u64,
    },
    /// A short convolution (LFM2), which keeps the last tokens but one of its width.
    Convolution {
        /// Tokens it spans.
        width: u64,
    },
    /// A state-space layer (Mamba): the last tokens of its convolution, and a state.
    StateSpace {
        /// Tokens that its convolution spans.
        width: u64,
        /// Width of the inner stream.
        inner: u64,
        /// Numbers of state for each of the inner stream.
        state: u64,
        /// Heads.
        heads: u64,
        /// Groups of heads with the same projections.
        groups: u64,
    },
    /// It does not.
    None,
}

/// llama.cpp loads no more experts of a layer (`LLAMA_MAX_EXPERTS`).
const MAX_EXPERTS: u64 = 512;

/// A tensor.
#[derive(Clone, Debug)]
pub struct Part {
    /// Columns first.
    pub shape: Vec<u64>,
    /// How it is stored.
    pub format: FormatRef,
    /// Its length.
    pub bytes: u64,
}

impl Part {
    /// Number of weights.
    pub(super) fn weights(&self) -> u64 {
        self.shape.iter().product()
    }

    fn padded(&self) -> u64 {
        self.bytes.next_multiple_of(CPU.alignment)
    }

    /// Rows of each matrix.
    pub(super) fn rows(&self) -> u64 {
        self.shape.get(1).copied().unwrap_or(1)
    }
}

/// Tensors by name; so few of a layer that a list is the fastest.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    named: Vec<(String, Part)>,
    bytes: u64,
    expert_bytes: u64,
}

impl Parts {
    fn insert(&mut self, name: String, part: Part) {
        let bytes = part.padded();
        self.bytes += bytes;
        if is_of_experts(&name) {
            self.expert_bytes += bytes;
        }
        self.named.push((name, part));
    }

    pub(super) fn get(&self, name: &str) -> Option<&Part> {
        self.iter().find(|(of, _)| *of == name).map(|(_, part)| part)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// `NAME.weight`.
    pub(super) fn weight(&self, name: &str) -> Option<&Part> {
        self.ending(name, ".weight")
    }

    /// Whether there is `NAME.bias`.
    pub(super) fn has_bias(&self, name: &str) -> bool {
        self.ending(name, ".bias").is_some()
    }

    fn ending(&self, name: &str, end: &str) -> Option<&Part> {
        let is_it = |of: &str| of.strip_suffix(end).is_some_and(|of| of == name);
        self.iter().find(|(of, _)| is_it(of)).map(|(_, part)| part)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Part)> {
        self.named.iter().map(|(name, part)| (name.as_str(), part))
    }

    /// Bytes of all, each padded as in memory.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes of those whose name is chosen, and of the others.
    pub(super) fn split(&self, chosen: impl Fn(&str) -> bool) -> (u64, u64) {
        let of_chosen = self.iter().filter(|(name, _)| chosen(name)).map(|(_, part)| part.padded()).sum();
        (of_chosen, self.bytes - of_chosen)
    }

    /// Bytes of the stacks of experts among them.
    pub fn expert_bytes(&self) -> u64 {
        self.expert_bytes
    }

    /// A number that layers with tensors of the same names and `facts` share.
    fn digest<F: Hash>(&self, facts: impl Fn(&Part) -> F) -> u64 {
        let one = |(name, part): (&str, &Part)| {
            let mut hasher = DefaultHasher::new();
            (name, facts(part)).hash(&mut hasher);
            hasher.finish()
        };
        // Whatever their order.
        self.iter().map(one).fold(0, u64::wrapping_add)
    }
}

/// Whether a tensor is a stack of experts.
pub(super) fn is_of_experts(name: &str) -> bool {
    name.contains("_exps.")
}

/// A layer.
#[derive(Clone, Debug)]
pub struct Layer {
    /// How it looks back.
    pub mixer: Mixer,
    /// Its tensors, without `blk.N.`.
    pub parts: Parts,
    /// Whether queries and keys turn with the position.
    pub(super) rotary: bool,
    /// The same for layers that compute the same.
    pub(super) kind: u64,
    /// The same for layers whose tensors have the same lengths.
    pub(super) stored: u64,
}

/// A model to be run.
#[derive(Clone, Debug)]
pub struct Subject {
    /// `general.architecture`.
    pub architecture: String,
    /// Its layers that are run.
    pub layers: Vec<Layer>,
    /// Tensors outside of them.
    pub outside: Parts,
    /// Tensors of layers that are loaded but not run: those that predict further tokens.
    pub idle: Parts,
    pub(super) idle_layers: u64,
    /// Width of the residual stream.
    pub hidden: u64,
    /// Tokens of the vocabulary.
    pub vocabulary: u64,
    /// Longest context the model was made for.
    pub trained_context: u64,
    /// Experts that a token sees.
    pub experts_used: u64,
    /// Experts of a layer.
    pub experts: u64,
    /// Bytes of the projector file (`--mmproj`) that is loaded beside the model.
    pub projector: u64,
    pub(super) expert_groups: u64,
    pub(super) expert_groups_used: u64,
    pub(super) scales_experts: bool,
    /// Norms subtract the mean, so they are `GGML_OP_NORM`, which takes nobody's place.
    pub(super) layer_norm: bool,
    pub(super) family: Family,
    /// Numbers of a token's position.
    pub(super) positions: u64,
    pub(super) scales_residual: bool,
    pub(super) scales_logits: bool,
    pub(super) caps_scores: bool,
    pub(super) caps_logits: bool,
    pub(super) clamps: bool,
}

impl Subject {
    /// Of a model as a plan writes it.
    pub fn planned(model: &Model, plan: &Plan) -> Self {
        let parts = model.tensors.iter().zip(&plan.tensors).map(|(tensor, planned)| {
            let part = Part { shape: tensor.shape.clone(), format: planned.format, bytes: planned.bytes };
            (tensor.name.as_str(), part)
        });
        Self::new(&model.hparams, &model.metadata, parts)
    }

    /// Of a model as it is stored.
    pub fn stored(model: &Model) -> Self {
        let parts = model.tensors.iter().map(|tensor| {
            let format = tensor.stored_format();
            let part = Part { shape: tensor.shape.clone(), format, bytes: format.bytes(tensor.weights()) };
            (tensor.name.as_str(), part)
        });
        Self::new(&model.hparams, &model.metadata, parts)
    }

    /// With a projector file of so many bytes beside it.
    pub fn with_projector(self, bytes: u64) -> Self {
        Self { projector: bytes, ..self }
    }

    /// Of these tensors, by their GGUF names.
    pub fn new<'a>(
        hparams: &Hparams,
        metadata: &[(String, Value)],
        parts: impl IntoIterator<Item = (&'a str, Part)>,
    ) -> Self {
        let architecture = hparams.architecture.as_str();
        let facts = Facts::new(architecture, metadata);
        let family = Family::of(architecture);
        let parts: Vec<_> = parts.into_iter().collect();
        // However many layers a file claims, it has a tensor for each.
        let depth = hparams.layers.saturating_sub(hparams.prediction_layers).min(parts.len() as u64);
        let (mut outside, mut idle, mut layers) = (Parts::default(), Parts::default(), Vec::<Parts>::new());
        for (name, part) in parts {
            let split = name.strip_prefix("blk.").and_then(|rest| rest.split_once('.'));
            match split.and_then(|(digits, rest)| Some((digits.parse::<u64>().ok()?, rest))) {
                Some((layer, rest)) if layer < depth => {
                    if layers.len() as u64 <= layer {
                        layers.resize(layer as usize + 1, Parts::default());
                    }
                    layers[layer as usize].insert(rest.to_owned(), part);
                }
                Some(_) => idle.insert(name.to_owned(), part),
                None => outside.insert(name.to_owned(), part),
            }
        }
        let windows = windows(hparams, &facts, &family, layers.len() as u64);
        let any_window = windows.iter().any(Option::is_some);
        let layers = layers.into_iter().zip(windows).enumerate().map(|(at, (parts, window))| {
            let rotary = match family.rotary {
                Rotary::All => {
                    facts.flag("rope.scaling.finetuned").unwrap_or(true) || !architecture.contains("granite")
                }
                Rotary::Never => false,
                Rotary::Windowed => window.is_some() || !any_window,
                Rotary::AllButLastOf(n) => at as u64 % n != n - 1,
            };
            let mixer = mixer(hparams, &facts, &parts, at as u64, window);
            let mut hasher = DefaultHasher::new();
            (mixer, rotary, parts.digest(|part| part.shape.clone())).hash(&mut hasher);
            let stored = parts.digest(|part| part.bytes);
            Layer { mixer, parts, rotary, kind: hasher.finish(), stored }
        });
        Self {
            layers: layers.collect(),
            outside,
            idle,
            idle_layers: hparams.prediction_layers.min(hparams.layers),
            hidden: hparams.hidden,
            vocabulary: hparams.vocabulary,
            trained_context: hparams.context,
            experts_used: hparams.experts_used.min(MAX_EXPERTS),
            experts: hparams.experts,
            projector: 0,
            expert_groups: facts.whole("expert_group_count"),
            expert_groups_used: facts.whole("expert_group_used_count"),
            scales_experts: facts.number("expert_weights_scale").is_some_and(|scale| scale != 0.0 && scale != 1.0),
            layer_norm: facts.has("attention.layer_norm_epsilon"),
            family: Family {
                scales_embedding: family.scales_embedding || facts.has("embedding_scale"),
                normed_experts: facts.flag("expert_weights_norm").unwrap_or(family.normed_experts),
                ..family
            },
            positions: if facts.has("rope.dimension_sections") { 4 } else { 1 },
            scales_residual: facts.has("residual_scale"),
            scales_logits: facts.has("logit_scale"),
            caps_scores: facts.has("attn_logit_softcapping"),
            caps_logits: facts.has("final_logit_softcapping"),
            clamps: facts.has("attention.clamp_kqv"),
            architecture: architecture.to_owned(),
        }
    }

    /// Whether it has latent attention (MLA).
    pub fn is_latent(&self) -> bool {
        self.layers.iter().any(|layer| matches!(layer.mixer, Mixer::Latent { .. }))
    }

    /// Bytes of all weights in memory.
    pub fn weights(&self) -> u64 {
        self.layers.iter().map(|layer| &layer.parts).chain([&self.outside, &self.idle]).map(Parts::bytes).sum()
    }
}

/// The window of each layer, if it has one.
fn windows(hparams: &Hparams, facts: &Facts<'_>, family: &Family, depth: u64) -> Vec<Option<u64>> {
    let tokens = if hparams.window > 0 { hparams.window } else { family.window };
    let has_any = tokens > 0 && (family.windowed_depth == 0 || family.windowed_depth == depth);
    let listed = facts.flags("attention.sliding_window_pattern");
    let period = facts.whole("attention.sliding_window_pattern");
    let windowed = |layer: u64| match (family.windows, &listed) {
        (Windows::Never, _) => false,
        (Windows::Every, _) => true,
        (_, Some(list)) => list.get(layer as usize).copied().unwrap_or(false),
        (Windows::Listed, None) => false,
        (Windows::AllButLastOf(n), None) => {
            let n = if period > 0 { period } else { n };
            layer % n < n - 1
        }
        (Windows::AllButFirstOf(n), None) => !layer.is_multiple_of(if period > 0 { period } else { n }),
    };
    (0..depth).map(|layer| (has_any && windowed(layer)).then_some(tokens)).collect()
}

fn mixer(hparams: &Hparams, facts: &Facts<'_>, parts: &Parts, layer: u64, window: Option<u64>) -> Mixer {
    let (heads, kv_heads) = (hparams.heads.at(layer), hparams.kv_heads.at(layer));
    if parts.has("shortconv.conv.weight") {
        return Mixer::Convolution { width: facts.whole("shortconv.l_cache") };
    }
    if parts.has("ssm_in.weight") {
        let inner = facts.whole("ssm.inner_size");
        return Mixer::StateSpace {
            width: facts.whole("ssm.conv_kernel"),
            inner,
            state: facts.whole("ssm.state_size"),
            heads: facts.whole("ssm.time_step_rank"),
            groups: facts.whole("ssm.group_count"),
        };
    }
    if hparams.kv_rank > 0 && hparams.mla_key_head > 0 {
        return Mixer::Latent {
            heads,
            rank: hparams.kv_rank,
            rope: hparams.rope_dims,
            nope: hparams.mla_key_head.saturating_sub(hparams.rope_dims),
            value: hparams.mla_value_head,
        };
    }
    if kv_heads == 0 || !parts.has("attn_output.weight") {
        return Mixer::None;
    }
    let sized = |key: &str, usual: u64| match facts.whole(key) {
        size if size > 0 && window.is_some() => size,
        _ => usual,
    };
    Mixer::Attention {
        heads,
        kv_heads,
        key: sized("attention.key_length_swa", hparams.key_head),
        value: sized("attention.value_length_swa", hparams.value_head),
        window,
    }
}
