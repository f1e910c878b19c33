//! The metadata of a family, as llama.cpp's converter writes it (`TextModel.set_gguf_parameters` in
//! `conversion/base.py` of llama.cpp): which settings become which keys, in its order.

use super::Config;
use super::rope::Rope;
use crate::checkpoint::OpenError;
use crate::gguf::{self, Array, Metadata, Value, ValueType};

/// The keys of a model to be, each under its family's name.
pub struct Keys {
    family: &'static str,
    pairs: Metadata,
    /// What a person should know about what was left out, each in a sentence.
    pub notes: Vec<String>,
}

impl Keys {
    pub(super) fn new(family: &'static str) -> Self {
        Self { family, pairs: Metadata::new(), notes: Vec::new() }
    }

    pub(super) fn finish(self) -> (Metadata, Vec<String>) {
        (self.pairs, self.notes)
    }

    /// Sets a key that is not the family's. One that is there keeps its place.
    pub fn set_general(&mut self, key: &str, value: impl Into<Value>) {
        gguf::set(&mut self.pairs, key, value.into());
    }

    /// Sets a key of the family.
    pub fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.set_general(&format!("{}.{key}", self.family), value);
    }

    /// A whole number; settings are no larger than fits.
    pub fn whole(&mut self, key: &str, n: u64) {
        self.set(key, n as u32);
    }

    /// A number.
    pub fn number(&mut self, key: &str, x: f64) {
        self.set(key, x as f32);
    }

    /// A list of yes or no, one a layer.
    pub fn flags(&mut self, key: &str, flags: impl IntoIterator<Item = bool>) {
        self.set(key, Array::new(ValueType::Bool, flags));
    }

    /// The type of the weights, which the recipe says in the end.
    pub fn file_type(&mut self) {
        self.set_general("general.file_type", 0u32);
    }

    /// A setting under one of these names, where it is there.
    pub fn whole_from(&mut self, config: &Config<'_>, key: &str, names: &[&'static str]) -> Result<(), OpenError> {
        if let Some(n) = config.size(names)? {
            self.whole(key, n);
        }
        Ok(())
    }

    /// A setting under one of these names, where it is there.
    pub fn number_from(&mut self, config: &Config<'_>, key: &str, names: &[&'static str]) -> Result<(), OpenError> {
        if let Some(x) = config.number(names)? {
            self.number(key, x);
        }
        Ok(())
    }

    /// A setting that may be 0, where it is there.
    pub fn count_from(&mut self, config: &Config<'_>, key: &str, name: &'static str) -> Result<(), OpenError> {
        if let Some(n) = config.count(name)? {
            self.whole(key, n);
        }
        Ok(())
    }

    /// What most families have, by all the names that configurations give it.
    pub fn common(&mut self, config: &Config<'_>) -> Result<(), OpenError> {
        self.whole("block_count", config.layers()?);
        self.whole_from(config, "context_length", CONTEXT)?;
        self.whole("embedding_length", config.required(HIDDEN)?);
        self.whole_from(config, "feed_forward_length", FEED_FORWARD)?;
        self.whole("attention.head_count", config.required(HEADS)?);
        self.whole_from(config, "attention.head_count_kv", KV_HEADS)?;
        if config.flag("is_causal") == Some(false) {
            self.set("attention.causal", false);
        }
        Rope::read(config).write(config, self)?;
        self.number_from(config, "attention.layer_norm_rms_epsilon", RMS_EPSILON)?;
        self.number_from(config, "attention.layer_norm_epsilon", EPSILON)?;
        self.experts(config)?;
        if let Some(size) = config.size(&["head_dim"])? {
            self.whole("attention.key_length", size);
            self.whole("attention.value_length", size);
        }
        self.file_type();
        Ok(())
    }

    /// How an embedder makes one vector of many, where the folder says so: the settings of sentence-transformers.
    pub fn pooling(&mut self, config: &Config<'_>) -> Result<(), OpenError> {
        let pooling = &config.documents.pooling;
        let chosen =
            |(setting, mode, _): &&(&str, &str, u32)| pooling[*setting] == true || pooling["pooling_mode"] == *mode;
        match POOLING.iter().find(chosen) {
            Some((_, _, kind)) => self.whole("pooling_type", u64::from(*kind)),
            None if pooling.is_null() => {}
            None => {
                return Err(config.refuse(format!("its folder asks for a pooling {pooling} that llama.cpp has not")));
            }
        }
        let chosen = |(_, mode, _): &&(&str, &str, u32)| config.text("classifier_pooling") == Some(*mode);
        if let Some((_, _, kind)) = POOLING.iter().find(chosen) {
            self.whole("classifier.pooling_type", u64::from(*kind));
        }
        Ok(())
    }

    fn experts(&mut self, config: &Config<'_>) -> Result<(), OpenError> {
        self.whole_from(config, "expert_count", EXPERTS)?;
        self.whole_from(config, "expert_used_count", EXPERTS_USED)?;
        self.whole_from(config, "expert_group_count", &["n_group"])?;
        self.whole_from(config, "expert_group_used_count", &["topk_group"])?;
        let Some((key, found)) = GATING.iter().find_map(|key| Some((key, config.text(key)?))) else { return Ok(()) };
        let Some(kind) = GATING_KINDS.iter().find(|(name, _)| *name == found) else {
            let known = GATING_KINDS.map(|(name, _)| name).join(", ");
            return Err(config.refuse(format!("its {key} is {found:?}; this version of Tuck knows {known}")));
        };
        self.set("expert_gating_func", kind.1);
        Ok(())
    }
}

pub(super) const CONTEXT: &[&str] =
    &["max_position_embeddings", "n_ctx", "n_positions", "max_length", "max_sequence_length", "model_max_length"];
pub(super) const HIDDEN: &[&str] = &["hidden_size", "n_embd", "dim"];
const FEED_FORWARD: &[&str] =
    &["prefix_dense_intermediate_size", "dense_intermediate_size", "intermediate_size", "n_inner", "hidden_dim"];
pub(super) const HEADS: &[&str] = &["num_attention_heads", "n_head", "n_heads"];
const KV_HEADS: &[&str] = &["num_key_value_heads", "n_kv_heads"];
const RMS_EPSILON: &[&str] = &["rms_norm_eps", "norm_eps"];
const EPSILON: &[&str] = &["layer_norm_eps", "layer_norm_epsilon", "norm_epsilon"];
const EXPERTS: &[&str] = &["num_local_experts", "num_experts", "n_routed_experts"];
const EXPERTS_USED: &[&str] = &["num_experts_per_tok", "num_experts_per_token", "top_k_experts"];
const GATING: &[&str] = &[
    "score_function",
    "scoring_func",
    "score_func",
    "moe_router_activation",
    "moe_router_activation_func",
    "expert_selection_fn",
];

/// Settings of sentence-transformers, older and newer, and `enum llama_pooling_type` of llama.cpp.
const POOLING: [(&str, &str, u32); 3] = [
    ("pooling_mode_mean_tokens", "mean", 1),
    ("pooling_mode_cls_token", "cls", 2),
    ("pooling_mode_lasttoken", "lasttoken", 3),
];

/// `enum llama_expert_gating_func_type` of llama.cpp.
const GATING_KINDS: [(&str, u32); 3] = [("softmax", 1), ("sigmoid", 2), ("sqrtsoftplus", 4)];
