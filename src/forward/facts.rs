//! What a model's tensors do not tell about its forward pass: settings of its metadata, and a few facts of its family.

use super::{Activation, Norm, Pairs, Rope};
use crate::arch::Hparams;
use crate::gguf::Value;
use crate::model::Model;
use std::sync::Arc;

/// Why a model cannot be run.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unsupported(pub String);

/// Families whose heads rotate by neighbours (`LLAMA_ROPE_TYPE_NORM` of llama.cpp); in the others halves do.
const NEIGHBOURS: &[&str] = &[
    "llama",
    "mistral3",
    "arcee",
    "internlm2",
    "minicpm",
    "granite",
    "granitemoe",
    "smollm3",
    "deepseek2",
    "command-r",
    "cohere2",
    "glm4",
];

/// Families whose MLP is not gated by SiLU.
const ACTIVATIONS: &[(&str, Activation)] = &[
    ("gpt2", Activation::Gelu),
    ("gptneox", Activation::Gelu),
    ("falcon", Activation::Gelu),
    ("phi2", Activation::Gelu),
    ("starcoder2", Activation::Gelu),
    ("bloom", Activation::Gelu),
    ("gemma", Activation::Gelu),
    ("gemma2", Activation::Gelu),
    ("gemma3", Activation::Gelu),
    ("arcee", Activation::SquaredRelu),
    ("nemotron", Activation::SquaredRelu),
];

/// Families of which one layer in so many sees all of the text, the last of each group.
const WINDOWS: &[(&str, u64)] = &[("gemma2", 2), ("gemma3", 6), ("cohere2", 4), ("exaone4", 4), ("gpt-oss", 2)];

/// What a forward pass needs beside tensors.
#[derive(Clone, Debug)]
pub struct Facts {
    /// How rows are normalised.
    pub norm: Norm,
    /// Rotation of positions, where there is one.
    pub rope: Option<Rope>,
    /// The same in layers with a sliding window.
    pub rope_in_window: Option<Rope>,
    /// Between the halves of an MLP.
    pub activation: Activation,
    /// Of the token embedding.
    pub embedding_scale: f32,
    /// Of what a block adds to the residual stream.
    pub residual_scale: f32,
    /// Of the logits.
    pub logit_scale: f32,
    /// Of products of queries and keys.
    pub attention_scale: f32,
    /// Bounds those.
    pub attention_softcap: Option<f32>,
    /// Bounds the logits.
    pub logit_softcap: Option<f32>,
    /// Whether attention and MLP read the same row.
    pub parallel: bool,
    window: Option<usize>,
    window_every: u64,
}

/// Reads settings of the family by their keys.
struct Settings<'a> {
    model: &'a Model,
    architecture: &'a str,
}

impl Settings<'_> {
    fn value(&self, key: &str) -> Option<&Value> {
        self.model.value(&format!("{}.{key}", self.architecture))
    }

    fn float(&self, key: &str) -> Option<f32> {
        match self.value(key)? {
            Value::F32(v) => Some(*v),
            Value::F64(v) => Some(*v as f32),
            _ => None,
        }
    }
}

impl Facts {
    /// Of a model. `factors` is its tensor `rope_freqs.weight`, if it has one.
    pub fn of(model: &Model, factors: Option<&[f32]>) -> Result<Self, Unsupported> {
        let hparams = &model.hparams;
        let architecture = hparams.architecture.as_str();
        let settings = Settings { model, architecture };
        let refuse = |what: &str| Err(Unsupported(format!("{}: {what}", model.path.display())));
        if hparams.arch.is_none() {
            return refuse(&format!("the family {architecture} cannot be run; it can be packed"));
        }
        if hparams.experts > 0 || hparams.kv_rank > 0 {
            return refuse("models with experts or latent attention cannot be run by this version of Tuck");
        }
        let norm = match (
            settings.float("attention.layer_norm_rms_epsilon"),
            settings.float("attention.layer_norm_epsilon"),
        ) {
            (Some(epsilon), _) => Norm::Rms { epsilon },
            (None, Some(epsilon)) => Norm::Layer { epsilon },
            (None, None) => return refuse("its metadata has no epsilon of its norms"),
        };
        let scale_of = |key: &str| settings.float(key).filter(|scale| *scale != 0.0);
        let logit_scale = match (scale_of("logit_scale"), architecture) {
            // Granite divides by it, Command R multiplies.
            (Some(scale), "granite" | "granitemoe" | "minicpm") => 1.0 / scale,
            (Some(scale), _) => scale,
            (None, _) => 1.0,
        };
        let gemma = ["gemma", "gemma2", "gemma3"].contains(&architecture);
        let embedding_scale = match scale_of("embedding_scale") {
            Some(scale) => scale,
            None if gemma => (hparams.hidden as f32).sqrt(),
            None => 1.0,
        };
        let rotates = settings.value("rope.freq_base").is_some() || settings.value("rope.dimension_count").is_some();
        let rope = |base: f32, scaled: bool| rotation(&settings, hparams, base, scaled, factors);
        let base = settings.float("rope.freq_base").unwrap_or(10_000.0);
        let every = WINDOWS.iter().find(|(name, _)| *name == architecture).map(|(_, every)| *every);
        Ok(Self {
            norm,
            rope: rotates.then(|| rope(base, true)).transpose()?,
            // Of Gemma 3 only, layers with a window have a base of their own and no scaling.
            rope_in_window: match settings.float("rope.freq_base_swa") {
                Some(base) if rotates => Some(rope(base, false)?),
                _ if rotates && architecture == "gemma3" => Some(rope(10_000.0, false)?),
                _ if rotates => Some(rope(base, true)?),
                _ => None,
            },
            activation: ACTIVATIONS
                .iter()
                .find(|(name, _)| *name == architecture)
                .map_or(Activation::Silu, |(_, activation)| *activation),
            embedding_scale,
            residual_scale: scale_of("residual_scale").unwrap_or(1.0),
            logit_scale,
            attention_scale: scale_of("attention.scale").unwrap_or(1.0 / (hparams.key_head as f32).sqrt()),
            attention_softcap: scale_of("attn_logit_softcapping"),
            logit_softcap: scale_of("final_logit_softcapping"),
            parallel: settings.value("use_parallel_residual") == Some(&Value::Bool(true)),
            window: every.and(Some(hparams.window as usize)).filter(|window| *window > 0),
            window_every: every.unwrap_or(1),
        })
    }

    /// How many tokens back a layer sees, if not all.
    pub fn window(&self, layer: u64) -> Option<usize> {
        self.window.filter(|_| layer % self.window_every != self.window_every - 1)
    }
}

/// The rotation of a model: `base^(-2 i / dims)` for each pair, stretched as its scaling says.
fn rotation(
    settings: &Settings<'_>,
    hparams: &Hparams,
    base: f32,
    scaled: bool,
    factors: Option<&[f32]>,
) -> Result<Rope, Unsupported> {
    let dims = hparams.rope_dims;
    let pairs = if NEIGHBOURS.contains(&settings.architecture) { Pairs::Neighbours } else { Pairs::Halves };
    let kind = settings.value("rope.scaling.type").and_then(Value::as_str).filter(|_| scaled).unwrap_or("none");
    let scale = match (kind, settings.float("rope.scaling.factor")) {
        ("none", _) | (_, None) => 1.0,
        ("linear", Some(factor)) => 1.0 / factor,
        (other, _) => {
            let path = settings.model.path.display();
            return Err(Unsupported(format!(
                "{path}: its positions are scaled by {other}, which this version of Tuck cannot run"
            )));
        }
    };
    if let Some(factors) = factors.filter(|factors| factors.len() as u64 != dims / 2) {
        return Err(Unsupported(format!(
            "{}: rope_freqs.weight has {} factors, and {} were expected",
            settings.model.path.display(),
            factors.len(),
            dims / 2
        )));
    }
    let frequency = |i: u64| {
        let factor = factors.map_or(1.0, |factors| factors[i as usize]);
        scale * base.powf(-((2 * i) as f32) / dims as f32) / factor
    };
    Ok(Rope { pairs, frequencies: Arc::from_iter((0..dims / 2).map(frequency)), magnitude: 1.0 })
}
