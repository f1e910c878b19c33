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
mod map;
mod names;
mod parts;
mod rope;
mod rule;
mod source;
mod view;

mod llama;
mod qwen2;
mod qwen3;

pub use crate::checkpoint::Position;
pub use config::{Config, Fill};
pub use gguf::map_gguf;
pub use hparams::{Hparams, PerLayer};
pub use keys::Keys;
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
pub static ARCHS: &[&Arch] = &[&llama::LLAMA, &qwen2::QWEN2, &qwen3::QWEN3];

/// What an error says is supported.
pub fn supported() -> String {
    let classes = ARCHS.iter().flat_map(|arch| arch.classes);
    classes.flat_map(|class| class.architectures).copied().collect::<Vec<_>>().join(", ")
}
