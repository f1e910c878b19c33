//! From stored tensors to the tensors of a GGUF file, checked against the family's table.

use super::{Arch, Dim, Hparams, OUTSIDE, Rule};
use crate::checkpoint::{Checkpoint, OpenError, StoredTensor};
use crate::quant::{F32, FormatRef};
use std::collections::{HashMap, HashSet};

/// The order of rows on the way from the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// As stored.
    Stored,
    /// Hugging Face stores a head's rows as two halves that rotate with each other; llama.cpp wants the rows of a pair
    /// side by side: row `2 j + t` of a head comes from row `t head_dim / 2 + j`.
    Rope {
        /// Rows of a head.
        head_dim: u64,
    },
}

/// Where a tensor's weights come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A range of a file.
    Stored {
        /// Index into the checkpoint's files.
        file: usize,
        /// First byte.
        offset: u64,
        /// Precision or block format in the file.
        format: FormatRef,
        /// Order of rows.
        rows: Rows,
    },
    /// Computed from the settings, in F32.
    Computed(Vec<f32>),
}

/// A tensor of the GGUF file to be.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// Its GGUF name.
    pub name: String,
    /// Its name in the checkpoint, for messages.
    pub stored_name: String,
    /// Columns first.
    pub shape: Vec<u64>,
    /// Its format where no recipe changes it: norms, biases and other 1-D tensors of a Hugging Face checkpoint are
    /// F32, as llama.cpp requires; everything else keeps its precision.
    pub format: FormatRef,
    /// Where its weights come from.
    pub source: Source,
}

impl Tensor {
    /// Number of weights.
    pub fn weights(&self) -> u64 {
        self.shape.iter().product()
    }

    /// Weights in a row.
    pub fn columns(&self) -> u64 {
        self.shape[0]
    }

    /// The format its weights have before any recipe.
    pub fn stored_format(&self) -> FormatRef {
        match &self.source {
            Source::Stored { format, .. } => format,
            Source::Computed(_) => &F32,
        }
    }

    /// The layer it belongs to, from its name.
    pub fn layer(&self) -> Option<u64> {
        layer_of(&self.name)
    }
}

fn layer_of(name: &str) -> Option<u64> {
    name.strip_prefix("blk.")?.split('.').next()?.parse().ok()
}

/// Tensors that checkpoints carry and no runtime wants.
const DROPPED: &[&str] = &[".rotary_emb.inv_freq", ".attention.masked_bias", ".attention.bias"];

/// Maps the tensors of a Hugging Face checkpoint, in the order of llama-quantize: by layer, then by name.
pub fn map_huggingface(
    checkpoint: &Checkpoint,
    hparams: &Hparams,
    tied: Option<bool>,
) -> Result<Vec<Tensor>, OpenError> {
    let arch = hparams.arch;
    let rules: HashMap<&str, &Rule> = OUTSIDE.iter().chain(arch.layer).map(|rule| (rule.huggingface, rule)).collect();
    let mut tensors = Vec::with_capacity(checkpoint.tensors.len() + 1);
    for stored in &checkpoint.tensors {
        if DROPPED.iter().any(|ending| stored.name.ends_with(ending)) {
            continue;
        }
        let path = &checkpoint.files[stored.file].path;
        let (pattern, layer) = split_layer(&stored.name, "model.layers.");
        let rule = rules.get(pattern.as_str()).filter(|_| layer.is_none_or(|n| n < hparams.layers));
        let Some(rule) = rule else {
            return Err(OpenError::new(path, unknown(&stored.name, arch, hparams)));
        };
        check_shape(path, stored, rule, hparams)?;
        tensors.push(mapped(stored, rule, layer, hparams));
    }
    if let Some(factors) = &hparams.rope_factors {
        tensors.push(Tensor {
            name: "rope_freqs.weight".to_owned(),
            stored_name: "(computed from rope_scaling)".to_owned(),
            shape: vec![factors.len() as u64],
            format: &F32,
            source: Source::Computed(factors.clone()),
        });
    }
    require_all(checkpoint, hparams, tied, &tensors)?;
    sort(&mut tensors);
    Ok(tensors)
}

/// Maps the tensors of a GGUF file: names and formats stay, order becomes that of llama-quantize.
pub fn map_gguf(checkpoint: &Checkpoint, hparams: &Hparams) -> Result<Vec<Tensor>, OpenError> {
    let rules: HashMap<&str, &Rule> = OUTSIDE.iter().chain(hparams.arch.layer).map(|rule| (rule.gguf, rule)).collect();
    let mut tensors = Vec::with_capacity(checkpoint.tensors.len());
    for stored in &checkpoint.tensors {
        let path = &checkpoint.files[stored.file].path;
        let (pattern, layer) = split_layer(&stored.name, "blk.");
        if stored.name != "rope_freqs.weight" {
            let rule = rules.get(pattern.as_str()).filter(|_| layer.is_none_or(|n| n < hparams.layers));
            let Some(rule) = rule else {
                return Err(OpenError::new(path, unknown(&stored.name, hparams.arch, hparams)));
            };
            check_shape(path, stored, rule, hparams)?;
        }
        tensors.push(Tensor {
            name: stored.name.clone(),
            stored_name: stored.name.clone(),
            shape: stored.shape.clone(),
            format: stored.format,
            source: Source::Stored {
                file: stored.file,
                offset: stored.offset,
                format: stored.format,
                rows: Rows::Stored,
            },
        });
    }
    require_all(checkpoint, hparams, None, &tensors)?;
    sort(&mut tensors);
    Ok(tensors)
}

fn sort(tensors: &mut [Tensor]) {
    tensors.sort_by(|a, b| (a.layer(), &a.name).cmp(&(b.layer(), &b.name)));
}

/// Splits `prefix3.rest` into `prefix{}.rest` and 3.
fn split_layer(name: &str, prefix: &str) -> (String, Option<u64>) {
    let split = name.strip_prefix(prefix).and_then(|rest| rest.split_once('.'));
    match split.and_then(|(digits, rest)| Some((digits.parse().ok()?, rest))) {
        Some((layer, rest)) => (format!("{prefix}{{}}.{rest}"), Some(layer)),
        None => (name.to_owned(), None),
    }
}

fn unknown(name: &str, arch: &Arch, hparams: &Hparams) -> String {
    let kinds = OUTSIDE.iter().chain(arch.layer).map(|rule| rule.huggingface).collect::<Vec<_>>().join(", ");
    format!(
        "the tensor {name} is not one that a {} model of {} layers has; known are {kinds}; the config may belong to \
         another model",
        arch.title, hparams.layers
    )
}

fn check_shape(path: &std::path::Path, stored: &StoredTensor, rule: &Rule, hparams: &Hparams) -> Result<(), OpenError> {
    let expected: Vec<u64> = rule.shape.iter().map(|dim| hparams.size(*dim)).collect();
    if stored.shape == expected {
        return Ok(());
    }
    let show = |shape: &[u64]| shape.iter().rev().map(u64::to_string).collect::<Vec<_>>().join(" x ");
    Err(OpenError::new(
        path,
        format!(
            "the tensor {} has the shape {}, and by the model's settings it should be {} ({}); config and weights do not \
             belong together, so download both again",
            stored.name,
            if stored.shape.is_empty() { "of a single number".to_owned() } else { show(&stored.shape) },
            show(&expected),
            rule.shape.iter().rev().map(|dim| format!("{dim:?}")).collect::<Vec<_>>().join(" x "),
        ),
    ))
}

fn mapped(stored: &StoredTensor, rule: &Rule, layer: Option<u64>, hparams: &Hparams) -> Tensor {
    let name = match layer {
        Some(layer) => rule.gguf.replace("{}", &layer.to_string()),
        None => rule.gguf.to_owned(),
    };
    let rows = match rule.rope_heads {
        Some(Dim::Query | Dim::KeyValue) => Rows::Rope { head_dim: hparams.head_dim },
        _ => Rows::Stored,
    };
    let format = if stored.shape.len() < 2 || !name.ends_with(".weight") { &F32 } else { stored.format };
    Tensor {
        name,
        stored_name: stored.name.clone(),
        shape: stored.shape.clone(),
        format,
        source: Source::Stored { file: stored.file, offset: stored.offset, format: stored.format, rows },
    }
}

/// Every tensor that the family needs has to be there, in every layer.
fn require_all(
    checkpoint: &Checkpoint,
    hparams: &Hparams,
    tied: Option<bool>,
    tensors: &[Tensor],
) -> Result<(), OpenError> {
    let names: HashSet<&str> = tensors.iter().map(|t| t.name.as_str()).collect();
    let missing = |rule: &Rule, name: String| {
        OpenError::new(
            &checkpoint.path,
            format!(
                "the tensor {name} ({} in a Hugging Face checkpoint) is missing; the model has {} tensors, and a {} model of \
                 {} layers needs it, so download the missing file",
                rule.huggingface,
                names.len(),
                hparams.arch.title,
                hparams.layers
            ),
        )
    };
    for rule in OUTSIDE {
        let needed = !rule.optional || (rule.gguf == "output.weight" && tied == Some(false));
        if needed && !names.contains(rule.gguf) {
            return Err(missing(rule, rule.gguf.to_owned()));
        }
    }
    // The first gap ends the loop, so a hostile layer count costs nothing.
    for layer in 0..hparams.layers {
        for rule in hparams.arch.layer.iter().filter(|rule| !rule.optional) {
            let name = rule.gguf.replace("{}", &layer.to_string());
            if !names.contains(name.as_str()) {
                return Err(missing(rule, name));
            }
        }
    }
    Ok(())
}
