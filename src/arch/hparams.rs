//! Hyper-parameters: read from a `config.json` or from GGUF metadata, written as GGUF metadata.

use super::rope::{self, RopeScaling};
use super::{ARCHS, Arch, Dim, HeadDim, supported};
use crate::checkpoint::OpenError;
use crate::gguf::{Metadata, Value};
use serde_json::Value as Json;
use std::path::PathBuf;

/// No setting of a model is larger; a larger one is a damaged or hostile file.
const MAX_SETTING: u64 = 1 << 31;

/// The settings that decide shapes and sizes.
#[derive(Clone)]
pub struct Hparams {
    /// The family.
    pub arch: &'static Arch,
    /// Transformer layers.
    pub layers: u64,
    /// Longest context the model was made for, in tokens.
    pub context: u64,
    /// Width of the residual stream.
    pub hidden: u64,
    /// Width of the MLP.
    pub feed_forward: u64,
    /// Query heads.
    pub heads: u64,
    /// Key-value heads.
    pub kv_heads: u64,
    /// Size of a head.
    pub head_dim: u64,
    /// Tokens.
    pub vocabulary: u64,
    /// Experts of each layer's MLP; 0 where there is one MLP.
    pub experts: u64,
    /// Factors of llama3 rope scaling, head size / 2 of them, or none.
    pub rope_factors: Option<Vec<f32>>,
}

impl std::fmt::Debug for Hparams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} layers, hidden {}", self.arch.name, self.layers, self.hidden)
    }
}

impl Hparams {
    /// The size of a dimension.
    pub fn size(&self, dim: Dim) -> u64 {
        match dim {
            Dim::Hidden => self.hidden,
            Dim::FeedForward => self.feed_forward,
            Dim::Query => self.heads * self.head_dim,
            Dim::KeyValue => self.kv_heads * self.head_dim,
            Dim::Head => self.head_dim,
            Dim::Vocabulary => self.vocabulary,
        }
    }

    /// Reads them from a `config.json`, with the metadata keys they become (in the order of llama.cpp's converter).
    pub fn from_config(config: &Config<'_>) -> Result<(Self, Metadata), OpenError> {
        let arch = family(config)?;
        let hidden = config.required("hidden_size")?;
        let heads = config.required("num_attention_heads")?;
        let given = config.integer("head_dim")?;
        let head_dim = match (given, &arch.defaults.head_dim) {
            (Some(head_dim), _) => head_dim,
            (None, HeadDim::Fixed(head_dim)) => *head_dim,
            (None, _) if hidden % heads == 0 => hidden / heads,
            (None, _) => {
                return Err(config.refuse(format!(
                    "its hidden_size {hidden} is not a multiple of its num_attention_heads {heads}, and it gives no head_dim"
                )));
            }
        };
        if head_dim % 2 != 0 {
            return Err(config.refuse(format!("its head size is {head_dim}; rope needs an even one")));
        }
        let kv_heads = config.integer("num_key_value_heads")?.unwrap_or(heads);
        if heads % kv_heads != 0 {
            return Err(config.refuse(format!(
                "its num_attention_heads {heads} is not a multiple of its num_key_value_heads {kv_heads}"
            )));
        }
        let rope = RopeScaling::read(config, arch.defaults.rope_theta)?;
        let hparams = Self {
            arch,
            layers: config.required("num_hidden_layers")?,
            context: config.integer("max_position_embeddings")?.unwrap_or(arch.defaults.context),
            hidden,
            feed_forward: config.required("intermediate_size")?,
            heads,
            kv_heads,
            head_dim,
            vocabulary: config.required("vocab_size")?,
            experts: 0,
            rope_factors: rope.factors(head_dim),
        };
        let eps = config.float("rms_norm_eps")?.unwrap_or(arch.defaults.rms_norm_eps);
        let write_head_dim = given.is_some() || !matches!(arch.defaults.head_dim, HeadDim::DerivedUnwritten);
        let mut metadata = hparams.metadata(&rope, eps, write_head_dim);
        metadata.push(("general.file_type".to_owned(), Value::U32(0)));
        (arch.extra_metadata)(config, &hparams, &mut metadata)?;
        Ok((hparams, metadata))
    }

    fn metadata(&self, rope: &RopeScaling, rms_norm_eps: f64, write_head_dim: bool) -> Metadata {
        let u32 = |value: u64| Value::U32(value as u32);
        let mut keys = vec![
            ("block_count", u32(self.layers)),
            ("context_length", u32(self.context)),
            ("embedding_length", u32(self.hidden)),
            ("feed_forward_length", u32(self.feed_forward)),
            ("attention.head_count", u32(self.heads)),
            ("attention.head_count_kv", u32(self.kv_heads)),
        ];
        keys.extend(rope.metadata());
        keys.push(("attention.layer_norm_rms_epsilon", Value::F32(rms_norm_eps as f32)));
        if write_head_dim {
            keys.push(("attention.key_length", u32(self.head_dim)));
            keys.push(("attention.value_length", u32(self.head_dim)));
        }
        keys.into_iter().map(|(key, value)| (format!("{}.{key}", self.arch.name), value)).collect()
    }

    /// Reads them from the metadata of a GGUF file.
    pub fn from_metadata(path: &std::path::Path, metadata: &[(String, Value)]) -> Result<Self, OpenError> {
        let refuse = |problem: String| OpenError::new(path, problem);
        let find = |key: &str| metadata.iter().find(|(k, _)| k == key).map(|(_, value)| value);
        let name = find("general.architecture").and_then(Value::as_str);
        let name =
            name.ok_or_else(|| refuse("its metadata has no general.architecture; it is no language model".into()))?;
        let arch = ARCHS.iter().find(|arch| arch.name == name).ok_or_else(|| {
            let known = ARCHS.iter().map(|arch| arch.name).collect::<Vec<_>>().join(", ");
            refuse(format!("its architecture is {name}; this version of Tuck knows {known}"))
        })?;
        let optional = |key: &str| -> Result<Option<u64>, OpenError> {
            let key = format!("{name}.{key}");
            match find(&key) {
                None => Ok(None),
                Some(value) => match value.as_u64() {
                    Some(n) if (1..=MAX_SETTING).contains(&n) => Ok(Some(n)),
                    _ => Err(refuse(format!("{key} is {value}; a whole number from 1 to {MAX_SETTING} was expected"))),
                },
            }
        };
        let required = |key: &str| optional(key)?.ok_or_else(|| refuse(format!("its metadata has no {name}.{key}")));
        let hidden = required("embedding_length")?;
        let heads = required("attention.head_count")?;
        let tokens = find("tokenizer.ggml.tokens").and_then(Value::as_array).map(|tokens| tokens.values.len() as u64);
        let vocabulary = match optional("vocab_size")?.or(tokens) {
            Some(vocabulary) => vocabulary,
            None => return Err(refuse("its metadata has no tokenizer.ggml.tokens".into())),
        };
        Ok(Self {
            arch,
            layers: required("block_count")?,
            context: required("context_length")?,
            hidden,
            feed_forward: required("feed_forward_length")?,
            heads,
            kv_heads: optional("attention.head_count_kv")?.unwrap_or(heads),
            head_dim: optional("attention.key_length")?.unwrap_or(hidden / heads),
            vocabulary,
            experts: optional("expert_count")?.unwrap_or(0),
            rope_factors: None,
        })
    }
}

fn family(config: &Config<'_>) -> Result<&'static Arch, OpenError> {
    let named: Vec<&str> =
        config.json["architectures"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    ARCHS.iter().copied().find(|arch| named.iter().any(|name| arch.architectures.contains(name))).ok_or_else(|| {
        let model_type = config.json["model_type"].as_str().unwrap_or("not given");
        config.refuse(format!(
            "its architectures are {named:?} (model_type {model_type}); this version of Tuck knows {}",
            supported()
        ))
    })
}

/// A `config.json` with its path, so that refusals can name it.
pub struct Config<'a> {
    /// The file.
    pub path: PathBuf,
    /// Its content, an object.
    pub json: &'a Json,
}

impl Config<'_> {
    /// A refusal that names the file.
    pub fn refuse(&self, problem: String) -> OpenError {
        OpenError::new(&self.path, problem)
    }

    /// A whole number from 1 up, or nothing where the key is absent or null.
    pub fn integer(&self, key: &str) -> Result<Option<u64>, OpenError> {
        match &self.json[key] {
            Json::Null => Ok(None),
            value => {
                match value.as_u64() {
                    Some(n) if (1..=MAX_SETTING).contains(&n) => Ok(Some(n)),
                    _ => Err(self
                        .refuse(format!("its {key} is {value}; a whole number from 1 to {MAX_SETTING} was expected"))),
                }
            }
        }
    }

    /// A whole number that has to be there.
    pub fn required(&self, key: &str) -> Result<u64, OpenError> {
        self.integer(key)?.ok_or_else(|| self.refuse(format!("it has no {key}, which this family of models needs")))
    }

    /// A number, or nothing where the key is absent or null.
    pub fn float(&self, key: &str) -> Result<Option<f64>, OpenError> {
        rope::number(self, self.json, key)
    }
}
