//! What a model's tensors do not tell about its forward pass: settings of its metadata, and a few facts of its family.

use super::rope::Rotations;
use super::{Activation, Gating, Norm, Rope};
use crate::cache::Cache;
use crate::gguf::Value;
use crate::model::Model;

/// Why a model cannot be run.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unsupported(pub String);

/// What a family's tensors and settings leave open, with what most families have.
struct Family {
    name: &'static str,
    /// Of an MLP.
    activation: Activation,
    /// Of so many layers the last sees all of the text, and the others what is in a window; 0 where all see everything.
    windows: u64,
    /// Whether shares of experts sum to 1, where no setting says so.
    normed: bool,
    /// Which norm is before the MLP.
    mlp_norm: &'static str,
}

impl Family {
    const fn new(name: &'static str) -> Self {
        Self { name, activation: Activation::Silu, windows: 0, normed: true, mlp_norm: "ffn_norm" }
    }

    const fn with(mut self, activation: Activation) -> Self {
        self.activation = activation;
        self
    }

    const fn windows(mut self, every: u64) -> Self {
        self.windows = every;
        self
    }

    /// Shares of experts stay as the router gives them.
    const fn plain_shares(mut self) -> Self {
        self.normed = false;
        self
    }

    /// What other families call the norm after attention is the one before the MLP.
    const fn post_norm_first(mut self) -> Self {
        self.mlp_norm = "post_attention_norm";
        self
    }
}

/// The families that can be run, as `src/models` of llama.cpp runs them.
const FAMILIES: &[Family] = &[
    Family::new("arcee").with(Activation::SquaredRelu),
    Family::new("bloom").with(Activation::Gelu),
    Family::new("cohere2").windows(4),
    Family::new("command-r"),
    Family::new("deepseek2").plain_shares(),
    Family::new("exaone4").windows(4),
    Family::new("falcon").with(Activation::Gelu),
    Family::new("gemma").with(Activation::Gelu),
    Family::new("gemma2").with(Activation::Gelu).windows(2),
    Family::new("gemma3").with(Activation::Gelu).windows(6),
    Family::new("glm4"),
    Family::new("glm4moe").post_norm_first().plain_shares(),
    Family::new("gpt-oss").windows(2).post_norm_first().plain_shares(),
    Family::new("gpt2").with(Activation::Gelu),
    Family::new("gptneox").with(Activation::Gelu),
    Family::new("granite"),
    Family::new("granitemoe"),
    Family::new("internlm2"),
    Family::new("llama"),
    Family::new("minicpm"),
    Family::new("mistral3"),
    Family::new("nemotron").with(Activation::SquaredRelu),
    Family::new("olmo"),
    Family::new("olmo2").windows(4),
    Family::new("olmoe").plain_shares(),
    Family::new("phi2").with(Activation::Gelu),
    Family::new("phi3"),
    Family::new("qwen2"),
    Family::new("qwen2moe").plain_shares(),
    Family::new("qwen3"),
    Family::new("qwen3moe"),
    Family::new("smollm3"),
    Family::new("stablelm"),
    Family::new("starcoder2").with(Activation::Gelu),
];

/// How experts are chosen.
#[derive(Clone, Debug)]
pub(super) struct Routing {
    pub(super) used: usize,
    pub(super) gating: Gating,
    pub(super) groups: [usize; 2],
    pub(super) normed: bool,
    pub(super) scale: f32,
    pub(super) activation: Activation,
}

/// What a forward pass needs beside tensors.
#[derive(Clone, Debug)]
pub struct Facts {
    /// How rows are normalised.
    pub(super) norm: Norm,
    /// Whether norms have no factors.
    pub(super) bare_norms: bool,
    /// Which norm is before the MLP.
    pub(super) mlp_norm: &'static str,
    rotations: Rotations,
    /// Of an MLP.
    pub(super) activation: Activation,
    /// Of MLPs of experts.
    pub(super) routing: Routing,
    /// Of the token embedding.
    pub(super) embedding_scale: f32,
    /// Of what a block adds to the residual stream.
    pub(super) residual_scale: f32,
    /// Of the logits.
    pub(super) logit_scale: f32,
    /// Of products of queries and keys.
    pub(super) attention_scale: f32,
    /// Bounds those.
    pub(super) attention_softcap: Option<f32>,
    /// Bounds the logits.
    pub(super) logit_softcap: Option<f32>,
    /// Bounds queries, keys and values.
    pub(super) clamp: Option<f32>,
    /// The most that a score falls with distance, where positions count in that way.
    pub(super) alibi: Option<f32>,
    /// How queries grow with their position, and every how many tokens.
    pub(super) temperature: Option<(f32, usize)>,
    /// Whether attention and MLP read the same rows even where each has its norm.
    pub(super) parallel: bool,
    windows: Windows,
    /// How keys and values are kept.
    pub(super) cache: Cache,
}

/// Which layers see a window of the text.
#[derive(Clone, Debug)]
struct Windows {
    tokens: usize,
    /// Of each layer.
    layers: Vec<bool>,
}

/// Settings of the family by their keys.
pub(super) struct Settings<'a> {
    pub(super) model: &'a Model,
    pub(super) architecture: &'a str,
}

impl Settings<'_> {
    pub(super) fn value(&self, key: &str) -> Option<&Value> {
        self.model.value(&format!("{}.{key}", self.architecture))
    }

    pub(super) fn float(&self, key: &str) -> Option<f32> {
        match self.value(key)? {
            Value::F32(v) => Some(*v),
            Value::F64(v) => Some(*v as f32),
            _ => None,
        }
    }

    /// A number that means nothing where it is 0.
    pub(super) fn nonzero(&self, key: &str) -> Option<f32> {
        self.float(key).filter(|number| *number != 0.0)
    }

    pub(super) fn whole(&self, key: &str) -> Option<u64> {
        self.value(key).and_then(Value::as_u64)
    }

    fn flag(&self, key: &str) -> Option<bool> {
        match self.value(key)? {
            Value::Bool(flag) => Some(*flag),
            _ => None,
        }
    }

    pub(super) fn refuse(&self, problem: &str) -> Unsupported {
        Unsupported(format!("{}: {problem}", self.model.path.display()))
    }
}

impl Facts {
    /// Of a model. `factors` is the tensor that [`super::factors`] names, if there is one.
    pub fn of(model: &Model, factors: Option<&[f32]>) -> Result<Self, Unsupported> {
        let hparams = &model.hparams;
        let architecture = hparams.architecture.as_str();
        let settings = Settings { model, architecture };
        let Some(family) = FAMILIES.iter().find(|family| family.name == architecture) else {
            return Err(settings.refuse(&format!(
                "models of the family {architecture} cannot be run by this version of Tuck; they can be packed and verified"
            )));
        };
        if settings.value("rope.dimension_sections").is_some() {
            return Err(settings.refuse("its positions have several parts, of pictures, which cannot be run"));
        }
        let epsilons =
            ["attention.layer_norm_rms_epsilon", "attention.layer_norm_epsilon"].map(|key| settings.float(key));
        // Nemotron's files have both.
        let has_bias = model.tensors.iter().any(|tensor| tensor.name == "output_norm.bias");
        let norm = match epsilons {
            [Some(epsilon), other] if other.is_none() || !has_bias => Norm::Rms { epsilon },
            [_, Some(epsilon)] => Norm::Layer { epsilon },
            _ => return Err(settings.refuse("its metadata has no epsilon of its norms")),
        };
        let scale = |key: &str| settings.nonzero(key);
        let logit_scale = match (scale("logit_scale"), architecture) {
            // Granite divides by it, Command R multiplies.
            (Some(scale), "granite" | "granitemoe" | "minicpm") => 1.0 / scale,
            (Some(scale), _) => scale,
            (None, "minicpm") => return Err(settings.refuse("it has no minicpm.logit_scale; convert the model again")),
            (None, _) => 1.0,
        };
        let gemma = ["gemma", "gemma2", "gemma3"].contains(&architecture);
        let rotations = Rotations::of(&settings, factors)?;
        let head = match (architecture, hparams.layers) {
            // The 27B models of Gemma 2 and 3 are the only ones that scale by their width.
            ("gemma2", 46) | ("gemma3", 62) => hparams.hidden / hparams.heads.first(),
            ("gpt-oss", _) => hparams.rope_dims,
            _ if hparams.kv_rank > 0 => hparams.mla_key_head,
            _ => hparams.key_head,
        };
        let every = settings.whole("rope.scaling.original_context_length").unwrap_or(hparams.context);
        let temperature = scale("attention.temperature_scale").map(|scale| (scale, every.max(1) as usize));
        Ok(Self {
            norm,
            bare_norms: architecture == "olmo",
            mlp_norm: family.mlp_norm,
            activation: family.activation,
            routing: routing(&settings, family)?,
            embedding_scale: scale("embedding_scale").unwrap_or(if gemma {
                (hparams.hidden as f32).sqrt()
            } else {
                1.0
            }),
            residual_scale: scale("residual_scale").unwrap_or(1.0),
            logit_scale,
            attention_scale: scale("attention.scale").unwrap_or(rotations.score_scale / (head as f32).sqrt()),
            attention_softcap: scale("attn_logit_softcapping"),
            logit_softcap: scale("final_logit_softcapping"),
            clamp: scale("attention.clamp_kqv"),
            alibi: (architecture == "bloom").then_some(8.0),
            temperature,
            parallel: architecture == "gptneox" && settings.flag("use_parallel_residual") == Some(true),
            windows: Windows::of(&settings, family),
            rotations,
            cache: Cache::default(),
        })
    }

    /// The same with keys and values kept in another way than they are computed.
    pub fn with_cache(self, cache: Cache) -> Self {
        Self { cache, ..self }
    }

    /// How many tokens back a layer sees, if not all.
    pub(super) fn window(&self, layer: u64) -> Option<usize> {
        let is_windowed = self.windows.layers.get(layer as usize).copied().unwrap_or(false);
        is_windowed.then_some(self.windows.tokens)
    }

    /// How queries and keys of a layer rotate, if they do.
    pub(super) fn rope(&self, layer: u64) -> Option<&Rope> {
        let has_windows = self.windows.layers.contains(&true);
        self.rotations.at(layer, self.window(layer).is_some(), has_windows)
    }
}

impl Windows {
    fn of(settings: &Settings<'_>, family: &Family) -> Self {
        let hparams = &settings.model.hparams;
        let every = settings.whole("attention.sliding_window_pattern").unwrap_or(family.windows);
        let listed = settings.value("attention.sliding_window_pattern").and_then(Value::as_array);
        let is_windowed = |layer: u64| match listed {
            Some(list) => matches!(list.values.get(layer as usize), Some(Value::Bool(true))),
            None => every == 0 || layer % every != every - 1,
        };
        // Of EXAONE 4, llama.cpp gives windows to the model of 64 layers alone.
        let is_left_out = family.name == "exaone4" && hparams.layers != 64;
        let any = family.windows > 0 && hparams.window > 0 && !is_left_out;
        let layers = if any { super::layers(settings.model) } else { 0 };
        Self { tokens: hparams.window as usize, layers: (0..layers).map(is_windowed).collect() }
    }
}

fn routing(settings: &Settings<'_>, family: &Family) -> Result<Routing, Unsupported> {
    let gpt_oss = family.name == "gpt-oss";
    // `llama_expert_gating_func_type` of llama.cpp; GLM 4 MoE has sigmoids where nothing is said.
    let gating = match settings.whole("expert_gating_func").unwrap_or(0) {
        0 if family.name == "glm4moe" => Gating::Sigmoid,
        0 | 1 if gpt_oss => Gating::SoftmaxOfChosen,
        0 | 1 => Gating::Softmax,
        2 => Gating::Sigmoid,
        3 => Gating::SoftmaxOfChosen,
        other => return Err(settings.refuse(&format!("its experts are gated in the way {other}, which is not known"))),
    };
    let whole = |key: &str| settings.whole(key).map_or(1, |number| number.max(1) as usize);
    Ok(Routing {
        used: settings.model.hparams.experts_used as usize,
        gating,
        groups: [whole("expert_group_count"), whole("expert_group_used_count")],
        normed: settings.flag("expert_weights_norm").unwrap_or(family.normed),
        scale: settings.nonzero("expert_weights_scale").unwrap_or(1.0),
        activation: if gpt_oss { Activation::ClampedSwiglu } else { family.activation },
    })
}
