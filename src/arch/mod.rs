//! Model families: how the tensors and settings of a checkpoint become those of a GGUF file.
//!
//! One file a family, each a table; [`ARCHS`] lists them. A family says which Hugging Face tensor becomes which GGUF
//! tensor, with the shape it must have in terms of the hyper-parameters, so a checkpoint whose config and tensors
//! disagree is refused before anything is computed.
//!
//! ```text
//! config.json ──> Config (with the family's defaults) ──> Keys: metadata ──> Hparams ──> sizes of dimensions
//! stored tensors ──> Names ──> Rules of the family ──> Tensors, each a list of Views of stored tensors
//! ```
//!
//! [`parts`] has the rules that many families share, and [`arrange`] the ways in which the order of weights changes.

mod arrange;
mod config;
mod gguf;
mod hparams;
mod keys;
mod lora;
mod map;
mod names;
mod parts;
mod rope;
mod rule;
mod source;
mod view;

mod arcee;
mod bert;
mod bloom;
mod cohere2;
mod command_r;
mod deepseek2;
mod exaone4;
mod falcon;
mod gemma;
mod gemma2;
mod gemma3;
mod gemma_embedding;
mod glm4;
mod glm4moe;
mod gpt2;
mod gpt_oss;
mod gptneox;
mod granite;
mod granitemoe;
mod internlm2;
mod llama;
mod minicpm;
mod mistral3;
mod modern_bert;
mod nemotron;
mod nomic_bert;
mod olmo;
mod olmo2;
mod olmoe;
mod phi2;
mod phi3;
mod qwen2;
mod qwen2moe;
mod qwen3;
mod qwen3moe;
mod smollm3;
mod stablelm;
mod starcoder2;

pub use crate::checkpoint::Position;
pub use config::{Config, Fill};
pub use gguf::map_gguf;
pub use hparams::{Hparams, PerLayer};
pub use keys::Keys;
pub use lora::{Adapted, Addend, Target, export_adapter, map_adapter};
pub use map::{Computed, Mapped, map_huggingface};
pub use rope::Rope;
pub use rule::{Arrange, Dim, Kind, Rule};
pub use source::{Coding, Part, Source, Tensor};
pub use view::{Axis, View};

use crate::checkpoint::OpenError;
use crate::gguf::Metadata;

/// A family of models that share the tensors of their GGUF files.
pub struct Arch {
    /// `general.architecture` in a GGUF file.
    pub name: &'static str,
    /// For people: `Llama`, `Qwen 3`.
    pub title: &'static str,
    /// The kinds of checkpoints that become this.
    pub classes: &'static [Class],
    /// What the list of layers is called in a checkpoint.
    pub layers: &'static str,
    /// Tensors outside the layers.
    pub outside: &'static [&'static [Rule]],
    /// Tensors of each layer.
    pub layer: &'static [&'static [Rule]],
    /// Parts of names of tensors that the family's checkpoints have and its GGUF files do without.
    pub dropped: &'static [&'static str],
    /// Whether an output that equals the token embedding is left out even where it is stored.
    pub drops_tied_output: bool,
    /// Writes the metadata.
    pub keys: fn(&Config<'_>, &mut Keys) -> Result<(), OpenError>,
    /// Tensors that are computed from the settings.
    pub computed: fn(&Config<'_>, &Hparams) -> Result<Vec<Computed>, OpenError>,
}

/// A kind of checkpoint: one of transformers' model classes, or several with the same configuration.
pub struct Class {
    /// Its `architectures` entries of `config.json`.
    pub architectures: &'static [&'static str],
    /// What transformers fills in for settings that `config.json` leaves out.
    pub defaults: &'static [(&'static str, Fill)],
    /// A setting that such a checkpoint has, and that is not 0.
    pub needs: Option<&'static str>,
}

impl Class {
    const fn new(architectures: &'static [&'static str], defaults: &'static [(&'static str, Fill)]) -> Self {
        Self { architectures, defaults, needs: None }
    }

    /// Only checkpoints that have this setting.
    const fn with(mut self, setting: &'static str) -> Self {
        self.needs = Some(setting);
        self
    }
}

impl Arch {
    /// What most families have in common. The name and the tensors of layers are each family's own.
    const BASE: Self = Self {
        name: "",
        title: "",
        classes: &[],
        layers: "layers",
        outside: &[parts::OUTSIDE],
        layer: &[],
        dropped: &[],
        drops_tied_output: false,
        keys: |config, keys| keys.common(config),
        computed: |_, _| Ok(Vec::new()),
    };

    /// The dimensions of its tensors, some more than once.
    pub fn dims(&self) -> impl Iterator<Item = Dim> {
        self.outside.iter().chain(self.layer).copied().flatten().flat_map(|rule| rule.shape).copied()
    }

    /// The metadata of a checkpoint, and what a person should know about what was left out of it.
    pub fn metadata(&self, config: &Config<'_>) -> Result<(Metadata, Vec<String>), OpenError> {
        let mut keys = Keys::new(self.name);
        (self.keys)(config, &mut keys)?;
        Ok(keys.finish())
    }
}

/// Every family Tuck opens.
pub static ARCHS: &[&Arch] = &[
    &arcee::ARCEE,
    &bert::BERT,
    &bloom::BLOOM,
    &cohere2::COHERE2,
    &command_r::COMMAND_R,
    &deepseek2::DEEPSEEK2,
    &exaone4::EXAONE4,
    &falcon::FALCON,
    &gemma::GEMMA,
    &gemma2::GEMMA2,
    &gemma3::GEMMA3,
    &gemma_embedding::GEMMA_EMBEDDING,
    &glm4::GLM4,
    &glm4moe::GLM4MOE,
    &gpt2::GPT2,
    &gpt_oss::GPT_OSS,
    &gptneox::GPTNEOX,
    &granite::GRANITE,
    &granitemoe::GRANITEMOE,
    &internlm2::INTERNLM2,
    &llama::LLAMA,
    &minicpm::MINICPM,
    &mistral3::MISTRAL3,
    &modern_bert::MODERN_BERT,
    &nemotron::NEMOTRON,
    &nomic_bert::NOMIC_BERT_MOE,
    &nomic_bert::NOMIC_BERT,
    &olmo::OLMO,
    &olmo2::OLMO2,
    &olmoe::OLMOE,
    &phi2::PHI2,
    &phi3::PHI3,
    &qwen2::QWEN2,
    &qwen2moe::QWEN2MOE,
    &qwen3::QWEN3,
    &qwen3moe::QWEN3MOE,
    &smollm3::SMOLLM3,
    &stablelm::STABLELM,
    &starcoder2::STARCODER2,
];

/// What an error says is supported.
fn supported() -> String {
    ARCHS.iter().map(|arch| arch.title).collect::<Vec<_>>().join(", ")
}
