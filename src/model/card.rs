//! What a person wants to know about a model at a glance.

use crate::arch::{Hparams, Source, Tensor};
use crate::checkpoint::Kind;
use crate::gguf::Value;
use crate::quant::{FORMATS, FormatRef};
use std::path::Path;

/// A model at a glance.
#[derive(Clone, Debug)]
pub struct Card {
    /// `general.name`, or the file's name.
    pub name: String,
    /// The family, for people: `Llama`.
    pub family: &'static str,
    /// `general.architecture`.
    pub architecture: &'static str,
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
    /// Formats of the stored weights with their bytes, most bytes first.
    pub precision: Vec<(FormatRef, u64)>,
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
        let stored = |t: &Tensor| match &t.source {
            Source::Stored { format, .. } => Some((*format, format.bytes(t.weights()))),
            Source::Computed(_) => None,
        };
        let mut precision: Vec<(FormatRef, u64)> = FORMATS
            .iter()
            .map(|format| {
                (*format, tensors.iter().filter_map(stored).filter(|(f, _)| f == format).map(|(_, bytes)| bytes).sum())
            })
            .filter(|(_, bytes)| *bytes > 0)
            .collect();
        precision.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        let named = metadata.iter().find(|(key, _)| key == "general.name").and_then(|(_, value)| value.as_str());
        let file = || path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        Self {
            name: named.map_or_else(file, str::to_owned),
            family: hparams.arch.title,
            architecture: hparams.arch.name,
            kind,
            parameters: tensors.iter().map(Tensor::weights).sum(),
            layers: hparams.layers,
            hidden: hparams.hidden,
            heads: hparams.heads,
            kv_heads: hparams.kv_heads,
            context: hparams.context,
            vocabulary: hparams.vocabulary,
            tied: !tensors.iter().any(|t| t.name == "output.weight"),
            bytes: precision.iter().map(|(_, bytes)| bytes).sum(),
            precision,
        }
    }

    /// The stored precision in a word: `BF16`, or `Q4_1, Q8_0 and 1 more`.
    pub fn precision_label(&self) -> String {
        let names: Vec<&str> = self.precision.iter().map(|(format, _)| format.name).collect();
        match names.as_slice() {
            [] => "none".to_owned(),
            [one] => (*one).to_owned(),
            [first, second] => format!("{first} and {second}"),
            [first, second, rest @ ..] => format!("{first}, {second} and {} more", rest.len()),
        }
    }
}
