//! The metadata of a family, as llama.cpp's converter writes it (`TextModel.set_gguf_parameters` in
//! `conversion/base.py` of llama.cpp): which settings become which keys, in its order.

use super::Config;
use super::rope::Rope;
use crate::checkpoint::OpenError;
use crate::gguf::{Array, Metadata, Value, ValueType};

/// The keys of a model to be, each under its family's name.
pub struct Keys {
    family: &'static str,
    pairs: Metadata,
    /// What a person should know about what was left out, each in a sentence.
    pub cautions: Vec<String>,
}

impl Keys {
    pub(super) fn new(family: &'static str) -> Self {
        Self { family, pairs: Metadata::new(), cautions: Vec::new() }
    }

    pub(super) fn finish(self) -> (Metadata, Vec<String>) {
        (self.pairs, self.cautions)
    }

    /// Sets a key that is not the family's. One that is there keeps its place.
    pub fn set_general(&mut self, key: &str, value: impl Into<Value>) {
        let value = value.into();
        match self.pairs.iter_mut().find(|(known, _)| known == key) {
            Some((_, old)) => *old = value,
            None => self.pairs.push((key.to_owned(), value)),
        }
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

    /// What most families have, by all the names that configurations give it.
    pub fn common(&mut self, config: &Config<'_>) -> Result<(), OpenError> {
        self.whole("block_count", layers(config)?);
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

/// The number of layers.
pub(super) fn layers(config: &Config<'_>) -> Result<u64, OpenError> {
    config.required(&["num_hidden_layers", "n_layers", "n_layer", "num_layers"])
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

/// `enum llama_expert_gating_func_type` of llama.cpp.
const GATING_KINDS: [(&str, u32); 3] = [("softmax", 1), ("sigmoid", 2), ("sqrtsoftplus", 4)];
