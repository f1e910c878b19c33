//! A checkpoint understood: the tensors and metadata of the GGUF file it becomes, and a card for people.

mod adapter;
mod card;
mod edit;
mod general;
mod identity;
pub mod lint;
mod readme;
mod setting;
mod special;
mod usual;
mod weights;

pub use adapter::{AdapterChoice, Merged};
pub use card::Card;
pub use edit::{EditError, PRE_TOKENIZER, Pruning};
pub use setting::Setting;
pub use usual::{CHAT_TEMPLATE, USUAL, Usual, UsualKind};
pub use weights::{ChangedWeights, Reshape, WeightsError};

use crate::arch::{self, Config, Hparams, Tensor};
use crate::checkpoint::{Checkpoint, Contents, Documents, Kind, OpenError, SourceFile};
use crate::gguf::{self, HeaderTensor, Metadata, Value};
use crate::tokenizer::{self, Family, Question};
use std::path::{Path, PathBuf};

/// A model, ready to be planned and packed. Its weights are still in its files.
#[derive(Clone, Debug)]
pub struct Model {
    /// What the user opened.
    pub path: PathBuf,
    /// What kind of thing that is.
    pub kind: Kind,
    /// The open files that tensors refer to.
    pub files: Vec<SourceFile>,
    /// Tensors of the GGUF file to be, by layer, then by name.
    pub tensors: Vec<Tensor>,
    /// Metadata of the GGUF file to be, in order.
    pub metadata: Metadata,
    /// The settings that decide shapes. Layers that were pruned since still count, for recipes choose by them.
    pub hparams: Hparams,
    /// For people.
    pub card: Card,
    /// What a person should know about how it was understood, each in a sentence.
    pub notes: Vec<String>,
    /// What a person has to decide before it is packed.
    pub question: Option<Question>,
    /// Adapters that were merged into it, in order.
    pub adapters: Vec<Merged>,
    /// Of the file to be, length of the header without padding, before a recipe says its own in the metadata.
    pub header_len: u64,
    /// Tensor data starts at multiples of this.
    pub alignment: u64,
}

impl Model {
    /// Opens and understands a folder or file. Reads headers and documents, no weights.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let checkpoint = Checkpoint::open(path)?;
        let kind = checkpoint.kind();
        let Understood { hparams, tensors, mut metadata, notes, question } = match &checkpoint.contents {
            Contents::HuggingFace(documents) => from_huggingface(&checkpoint, documents)?,
            Contents::Gguf(metadata) => {
                let hparams = Hparams::read(path, metadata)?;
                let (tensors, notes) = arch::map_gguf(&checkpoint, &hparams)?;
                Understood { hparams, tensors, metadata: metadata.clone(), notes, question: None }
            }
        };
        for key in ["general.quantization_version", "general.file_type"] {
            if !metadata.iter().any(|(k, _)| k == key) {
                metadata.push((key.to_owned(), Value::U32(0)));
            }
        }
        let header_len = header_len(&metadata, &tensors);
        let alignment =
            metadata.iter().find(|(key, _)| key == "general.alignment").and_then(|(_, value)| value.as_u64());
        let card = Card::new(path, kind, &hparams, &tensors, &metadata);
        Ok(Self {
            path: path.to_owned(),
            kind,
            files: checkpoint.files,
            tensors,
            metadata,
            hparams,
            card,
            notes,
            question,
            adapters: Vec::new(),
            header_len,
            alignment: alignment.unwrap_or(gguf::DEFAULT_ALIGNMENT),
        })
    }

    /// A file name for the packed model: its own name and the type, without characters that file systems refuse.
    pub fn default_file_name(&self, preset: &str) -> String {
        let plain = |c: char| if c.is_alphanumeric() || "._-".contains(c) { c } else { '-' };
        let name: String = self.card.name.chars().map(plain).take(120).collect();
        format!("{}-{preset}.gguf", if name.is_empty() { "model" } else { &name })
    }

    /// Metadata by key.
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.metadata.iter().find(|(k, _)| k == key).map(|(_, value)| value)
    }
}

/// The length of a header without padding.
fn header_len(metadata: &[(String, Value)], tensors: &[Tensor]) -> u64 {
    let listed: Vec<HeaderTensor<'_>> =
        tensors.iter().map(|t| HeaderTensor { name: &t.name, shape: &t.shape, format: t.format }).collect();
    gguf::encode_header(metadata, &listed, &vec![0; listed.len()]).len() as u64
}

/// What a checkpoint's documents and headers tell.
struct Understood {
    hparams: Hparams,
    tensors: Vec<Tensor>,
    metadata: Metadata,
    notes: Vec<String>,
    question: Option<Question>,
}

fn from_huggingface(checkpoint: &Checkpoint, documents: &Documents) -> Result<Understood, OpenError> {
    let (arch, config) = Config::read(documents)?;
    let (keys, mut notes) = arch.metadata(&config)?;
    let hparams = Hparams::of(arch, &config, &keys)?;
    let (tensors, left_out) = arch::map_huggingface(checkpoint, arch, &config, &hparams)?;
    notes.extend(left_out);
    let (mut metadata, unread) = general::metadata(documents, arch.name, &tensors);
    notes.extend(unread);
    metadata.extend(keys);
    metadata.push(("general.quantization_version".to_owned(), Value::U32(2)));
    let written = tokenizer::metadata(documents, hparams.vocabulary, &Family::of(arch.name))?;
    // A family may have said something of its tokens before.
    written.keys.into_iter().for_each(|(key, value)| gguf::set(&mut metadata, &key, value));
    notes.extend(written.notes);
    Ok(Understood { hparams, tensors, metadata, notes, question: written.question })
}
