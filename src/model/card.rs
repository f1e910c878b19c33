//! What a person wants to know about a model at a glance.

use crate::arch::{Hparams, Tensor};
use crate::checkpoint::Kind;
use crate::gguf::Value;
use std::path::Path;

/// A model at a glance.
#[derive(Clone, Debug)]
pub struct Card {
    /// `general.name`, or the file's name.
    pub name: String,
    /// The family, for people: `Llama`; none where Tuck does not know it.
    pub family: Option<&'static str>,
    /// `general.architecture`.
    pub architecture: String,
    /// What was opened.
    pub kind: Kind,
    /// Number of weights.
    pub parameters: u64,
    /// Transformer layers.
    pub layers: u64,
    /// Width of the residual stream.
    pub hidden: u64,
    /// Query heads.
    pub heads: u64,
    /// Key-value heads.
    pub kv_heads: u64,
    /// Longest context, in tokens.
    pub context: u64,
    /// Tokens.
    pub vocabulary: u64,
    /// Whether the output shares the token embedding.
    pub tied: bool,
    /// What weights are stored as with their bytes, most bytes first.
    pub precision: Vec<(String, u64)>,
    /// Bytes of all stored weights.
    pub bytes: u64,
}

impl Card {
    pub(super) fn new(
        path: &Path,
        kind: Kind,
        hparams: &Hparams,
        tensors: &[Tensor],
        metadata: &[(String, Value)],
    ) -> Self {
        let mut precision: Vec<(String, u64)> = Vec::new();
        for part in tensors.iter().flat_map(Tensor::parts) {
            match precision.iter_mut().find(|(name, _)| name == part.precision()) {
                Some((_, bytes)) => *bytes += part.bytes(),
                None => precision.push((part.precision().to_owned(), part.bytes())),
            }
        }
        precision.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        let named = metadata.iter().find(|(key, _)| key == "general.name").and_then(|(_, value)| value.as_str());
        let file = || path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        Self {
            name: named.map_or_else(file, str::to_owned),
            family: hparams.arch.map(|arch| arch.title),
            architecture: hparams.architecture.clone(),
            kind,
            parameters: tensors.iter().map(Tensor::weights).sum(),
            layers: hparams.layers,
            hidden: hparams.hidden,
            heads: hparams.heads.first(),
            kv_heads: hparams.kv_heads.first(),
            context: hparams.context,
            vocabulary: hparams.vocabulary,
            tied: !tensors.iter().any(|t| t.name == "output.weight"),
            bytes: precision.iter().map(|(_, bytes)| bytes).sum(),
            precision,
        }
    }

    /// The family and its name in GGUF files: `Llama (llama)`.
    pub fn family_label(&self) -> String {
        format!("{} ({})", self.family.unwrap_or("unknown"), self.architecture)
    }

    /// The stored precision in a word: `BF16`, or `Q4_1, Q8_0 and 1 more`.
    pub fn precision_label(&self) -> String {
        let names: Vec<&str> = self.precision.iter().map(|(name, _)| name.as_str()).collect();
        match names.as_slice() {
            [] => "none".to_owned(),
            [one] => (*one).to_owned(),
            [first, second] => format!("{first} and {second}"),
            [first, second, rest @ ..] => format!("{first}, {second} and {} more", rest.len()),
        }
    }
}
