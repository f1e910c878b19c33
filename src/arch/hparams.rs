//! Hyper-parameters: what a model's metadata says about the sizes of its tensors and of its memory.
//!
//! They are read from GGUF metadata only, for a model of Hugging Face's kind has the metadata of the file it becomes.

use super::config::MAX_SETTING;
use super::{ARCHS, Arch, Config};
use crate::checkpoint::OpenError;
use crate::gguf::Value;
use std::path::Path;

/// The key of an encoder's kinds of tokens.
const TOKEN_TYPES: &str = "tokenizer.ggml.token_type_count";

/// A setting that may differ from layer to layer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PerLayer {
    /// One for all layers, or one for each.
    values: Vec<u64>,
}

impl PerLayer {
    /// Of a layer; 0 where nothing is said.
    pub fn at(&self, layer: u64) -> u64 {
        let value = if self.values.len() == 1 { self.values.first() } else { self.values.get(layer as usize) };
        value.copied().unwrap_or(0)
    }

    /// Of the first layer.
    pub fn first(&self) -> u64 {
        self.at(0)
    }
}

impl From<u64> for PerLayer {
    fn from(value: u64) -> Self {
        Self { values: vec![value] }
    }
}

/// The settings that decide shapes and sizes. What a model does not have is 0.
#[derive(Clone, Default)]
pub struct Hparams {
    /// `general.architecture`.
    pub architecture: String,
    /// The family, where Tuck knows it.
    pub arch: Option<&'static Arch>,
    /// Transformer layers.
    pub layers: u64,
    /// Longest context the model was made for, in tokens.
    pub context: u64,
    /// Width of the residual stream.
    pub hidden: u64,
    /// Tokens.
    pub vocabulary: u64,
    /// Width of the MLP.
    pub feed_forward: PerLayer,
    /// Query heads.
    pub heads: PerLayer,
    /// Key-value heads.
    pub kv_heads: PerLayer,
    /// Size of a query or key head.
    pub key_head: u64,
    /// Size of a value head.
    pub value_head: u64,
    /// How much of a head rotates with the position.
    pub rope_dims: u64,
    /// Tokens that a layer with a sliding window sees.
    pub window: u64,
    /// Experts of a layer.
    pub experts: u64,
    /// Experts that a token sees.
    pub experts_used: u64,
    /// Width of an expert.
    pub expert_feed_forward: u64,
    /// Width of what every token sees beside its experts.
    pub shared_feed_forward: u64,
    /// Layers at the start whose MLP has no experts.
    pub leading_dense: u64,
    /// Of so many layers, the second has experts; all of them where it is 0.
    pub moe_every: u64,
    /// Layers at the end that predict further tokens.
    pub prediction_layers: u64,
    /// Width of the compressed queries of latent attention (MLA).
    pub query_rank: u64,
    /// Width of the compressed keys and values of latent attention.
    pub kv_rank: u64,
    /// Size of a key head of latent attention when it is decompressed.
    pub mla_key_head: u64,
    /// Size of a value head of latent attention when it is decompressed.
    pub mla_value_head: u64,
    /// Kinds of tokens, of an encoder.
    pub token_types: u64,
    /// Labels of a classifier; 1 where they have no names.
    pub labels: u64,
}

impl std::fmt::Debug for Hparams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} layers, hidden {}", self.architecture, self.layers, self.hidden)
    }
}

/// Metadata with the file it is from, so that refusals can name it.
struct Reader<'a> {
    path: &'a Path,
    metadata: &'a [(String, Value)],
    architecture: &'a str,
}

impl Reader<'_> {
    fn refuse(&self, problem: String) -> OpenError {
        OpenError::new(self.path, problem)
    }

    fn find(&self, key: &str) -> Option<(String, &Value)> {
        let key = format!("{}.{key}", self.architecture);
        self.metadata.iter().find(|(known, _)| *known == key).map(|(_, value)| (key, value))
    }

    fn whole(&self, key: &str, value: &Value) -> Result<u64, OpenError> {
        match value.as_u64() {
            Some(n) if n <= MAX_SETTING => Ok(n),
            _ => Err(self.refuse(format!("{key} is {value}; a whole number up to {MAX_SETTING} was expected"))),
        }
    }

    fn optional(&self, key: &str) -> Result<Option<u64>, OpenError> {
        self.find(key).map(|(key, value)| self.whole(&key, value)).transpose()
    }

    fn or_zero(&self, key: &str) -> Result<u64, OpenError> {
        Ok(self.optional(key)?.unwrap_or(0))
    }

    /// A number, or an array of one for each layer.
    fn per_layer(&self, key: &str) -> Result<Option<PerLayer>, OpenError> {
        let Some((key, value)) = self.find(key) else { return Ok(None) };
        let values = value.as_array().map_or(std::slice::from_ref(value), |array| &array.values);
        let values = values.iter().map(|value| self.whole(&key, value)).collect::<Result<_, _>>()?;
        Ok(Some(PerLayer { values }))
    }
}

impl Hparams {
    /// Those of a checkpoint whose family has these keys. Nothing of its tokenizer is in them yet, so how many tokens there
    /// are is asked of the configuration.
    pub fn of(arch: &Arch, config: &Config<'_>, keys: &[(String, Value)]) -> Result<Self, OpenError> {
        let mut metadata = vec![("general.architecture".to_owned(), arch.name.into())];
        metadata.extend_from_slice(keys);
        metadata.push((format!("{}.vocab_size", arch.name), Value::U64(config.required(&["vocab_size"])?)));
        metadata.push((TOKEN_TYPES.to_owned(), Value::U64(config.count("type_vocab_size")?.unwrap_or(1))));
        Self::read(config.path(), &metadata)
    }

    /// Reads them from the metadata of the GGUF file that `path` is or becomes.
    pub fn read(path: &Path, metadata: &[(String, Value)]) -> Result<Self, OpenError> {
        let find = |key: &str| metadata.iter().find(|(known, _)| known == key).map(|(_, value)| value);
        let Some(architecture) = find("general.architecture").and_then(Value::as_str) else {
            let problem = "its metadata has no general.architecture; it is no language model";
            return Err(OpenError::new(path, problem));
        };
        let arch = ARCHS.iter().copied().find(|arch| arch.name == architecture);
        let reader = Reader { path, metadata, architecture };
        // Nothing can be asked of a family that Tuck does not know.
        let required = |key: &str| match (reader.optional(key)?, arch) {
            (Some(0), Some(_)) => Err(reader.refuse(format!("{architecture}.{key} is 0"))),
            (None, Some(_)) => Err(reader.refuse(format!("its metadata has no {architecture}.{key}"))),
            (found, _) => Ok(found.unwrap_or(0)),
        };
        let hidden = required("embedding_length")?;
        let heads = match reader.per_layer("attention.head_count")? {
            Some(heads) => heads,
            None => required("attention.head_count")?.into(),
        };
        let kv_heads = reader.per_layer("attention.head_count_kv")?.unwrap_or_else(|| heads.clone());
        let key_head = match reader.optional("attention.key_length")? {
            Some(size) => size,
            None => hidden.checked_div(heads.first()).unwrap_or(0),
        };
        let tokens = find("tokenizer.ggml.tokens").and_then(Value::as_array).map(|tokens| tokens.values.len() as u64);
        let vocabulary = match reader.optional("vocab_size")?.or(tokens) {
            Some(vocabulary) => vocabulary,
            None if arch.is_some() => return Err(reader.refuse("its metadata has no tokenizer.ggml.tokens".to_owned())),
            None => 0,
        };
        let feed_forward = reader.per_layer("feed_forward_length")?.unwrap_or_default();
        let experts_used = reader.or_zero("expert_used_count")?;
        let expert_feed_forward = match reader.optional("expert_feed_forward_length")? {
            Some(width) => width,
            None => feed_forward.first().checked_div(experts_used).unwrap_or(0),
        };
        let shared_feed_forward = match reader.optional("expert_shared_feed_forward_length")? {
            Some(width) => width,
            None => reader.or_zero("expert_shared_count")? * expert_feed_forward,
        };
        let labels = reader.find("classifier.output_labels").and_then(|(_, value)| value.as_array());
        let hparams = Self {
            architecture: architecture.to_owned(),
            arch,
            layers: required("block_count")?,
            context: required("context_length")?,
            hidden,
            vocabulary,
            feed_forward,
            value_head: reader.optional("attention.value_length")?.unwrap_or(key_head),
            rope_dims: reader.optional("rope.dimension_count")?.unwrap_or(key_head),
            key_head,
            heads,
            kv_heads,
            window: reader.or_zero("attention.sliding_window")?,
            experts: reader.or_zero("expert_count")?,
            experts_used,
            expert_feed_forward,
            shared_feed_forward,
            leading_dense: reader.or_zero("leading_dense_block_count")?,
            moe_every: reader.or_zero("moe_every_n_layers")?,
            prediction_layers: reader.or_zero("nextn_predict_layers")?,
            query_rank: reader.or_zero("attention.q_lora_rank")?,
            kv_rank: reader.or_zero("attention.kv_lora_rank")?,
            mla_key_head: reader.or_zero("attention.key_length_mla")?,
            mla_value_head: reader.or_zero("attention.value_length_mla")?,
            token_types: find(TOKEN_TYPES).and_then(Value::as_u64).unwrap_or(0),
            labels: labels.map_or(1, |labels| labels.values.len() as u64),
        };
        hparams.check(&reader)?;
        Ok(hparams)
    }

    /// Refuses numbers that contradict each other.
    fn check(&self, reader: &Reader<'_>) -> Result<(), OpenError> {
        if self.arch.is_none() {
            return Ok(());
        }
        let (heads, kv_heads) = (self.heads.first(), self.kv_heads.first());
        if heads == 0 || kv_heads == 0 || !heads.is_multiple_of(kv_heads) {
            return Err(reader.refuse(format!(
                "its {heads} query heads (num_attention_heads) are no multiple of its key-value heads \
                 (num_key_value_heads {kv_heads})"
            )));
        }
        if self.key_head == 0 || !self.hidden.is_multiple_of(heads) && reader.find("attention.key_length").is_none() {
            return Err(reader.refuse(format!(
                "its width (hidden_size) {} is no multiple of its heads (num_attention_heads) {heads}, and it gives no size \
                 of a head (head_dim)",
                self.hidden
            )));
        }
        if !self.rope_dims.is_multiple_of(2) {
            return Err(
                reader.refuse(format!("{} weights of a head rotate; rope needs an even number", self.rope_dims))
            );
        }
        Ok(())
    }

    /// Whether a layer's MLP consists of experts.
    pub fn has_experts(&self, layer: u64) -> bool {
        self.experts > 0 && layer >= self.leading_dense && (self.moe_every == 0 || layer % self.moe_every == 1)
    }
}
