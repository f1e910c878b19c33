//! Model families: how the tensors and settings of a checkpoint become those of a GGUF file.
//!
//! One file a family, each a table; [`ARCHS`] lists them. A family says which Hugging Face tensor becomes which GGUF
//! tensor, with the shape it must have in terms of the hyper-parameters, so a checkpoint whose config and tensors
//! disagree is refused before anything is computed.

mod hparams;
mod llama;
mod map;
mod qwen2;
mod qwen3;
mod rope;

pub use hparams::{Config, Hparams};
pub use map::{Rows, Source, Tensor, map_gguf, map_huggingface};

use crate::checkpoint::OpenError;
use crate::gguf::Metadata;

/// A family of models that share tensor names and hyper-parameters.
pub struct Arch {
    /// `general.architecture` in a GGUF file.
    pub name: &'static str,
    /// For people: `Llama`, `Qwen 3`.
    pub title: &'static str,
    /// The `architectures` entries of `config.json` it covers.
    pub architectures: &'static [&'static str],
    /// What stands in for settings that `config.json` leaves out.
    pub defaults: Defaults,
    /// Tensors of a layer; `{}` of the names is the layer's index.
    pub layer: &'static [Rule],
    /// Keys beyond the common ones, after `general.file_type`.
    pub extra_metadata: fn(&Config<'_>, &Hparams, &mut Metadata) -> Result<(), OpenError>,
}

/// The values transformers' config classes fill in for absent settings.
pub struct Defaults {
    /// `head_dim`, where it is absent.
    pub head_dim: HeadDim,
    /// `rms_norm_eps`.
    pub rms_norm_eps: f64,
    /// `rope_theta`.
    pub rope_theta: f64,
    /// `max_position_embeddings`.
    pub context: u64,
}

/// The size of an attention head where the config does not give it.
pub enum HeadDim {
    /// hidden size / heads, written into the file.
    Derived,
    /// hidden size / heads, left out of the file.
    DerivedUnwritten,
    /// A constant of the family.
    Fixed(u64),
}

/// A dimension of a tensor in terms of the hyper-parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dim {
    /// Width of the residual stream.
    Hidden,
    /// Width of the MLP.
    FeedForward,
    /// Query heads times head size.
    Query,
    /// Key-value heads times head size.
    KeyValue,
    /// One head.
    Head,
    /// Tokens.
    Vocabulary,
}

/// One tensor's way from a checkpoint into a GGUF file.
pub struct Rule {
    /// Name in the checkpoint.
    pub huggingface: &'static str,
    /// Name in the GGUF file.
    pub gguf: &'static str,
    /// Columns first.
    pub shape: &'static [Dim],
    /// Whether rows are put into llama.cpp's rope order, and for which heads.
    pub rope_heads: Option<Dim>,
    /// Whether a model can be without it.
    pub optional: bool,
}

impl Rule {
    const fn new(huggingface: &'static str, gguf: &'static str, shape: &'static [Dim]) -> Self {
        Self { huggingface, gguf, shape, rope_heads: None, optional: false }
    }

    const fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// llama.cpp rotates neighbouring rows where Hugging Face rotates halves of a head; see `Rows::Rope`.
    const fn rope(mut self, heads: Dim) -> Self {
        self.rope_heads = Some(heads);
        self
    }
}

/// Tensors outside the layers, the same in every family so far.
static OUTSIDE: &[Rule] = &[
    Rule::new("model.embed_tokens.weight", "token_embd.weight", &[Dim::Hidden, Dim::Vocabulary]),
    Rule::new("model.norm.weight", "output_norm.weight", &[Dim::Hidden]),
    Rule::new("lm_head.weight", "output.weight", &[Dim::Hidden, Dim::Vocabulary]).optional(),
];

/// Every family Tuck opens.
pub static ARCHS: &[&Arch] = &[&llama::LLAMA, &qwen2::QWEN2, &qwen3::QWEN3];

/// What an error says is supported.
pub fn supported() -> String {
    ARCHS.iter().flat_map(|arch| arch.architectures).copied().collect::<Vec<_>>().join(", ")
}
