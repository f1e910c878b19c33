//! LoRA adapters: merged into a model, or made a GGUF file of their own.

use super::{Card, Model, general, header_len};
use crate::arch::{Adapted, Arch, Config, Hparams, Source, Target, Tensor, export_adapter, map_adapter};
use crate::checkpoint::{Adapter, Documents, Kind, OpenError, SourceFile};
use crate::gguf::{self, Array, Header, Value, ValueType};
use crate::quant::{F32, FormatRef};
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// An adapter that is to be merged into a model, and how strongly.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterChoice {
    /// Its folder.
    pub path: PathBuf,
    /// What its own scale is multiplied by.
    pub scale: f32,
}

/// An adapter that was merged.
#[derive(Clone, Debug, PartialEq)]
pub struct Merged {
    /// What was chosen.
    pub choice: AdapterChoice,
    /// Its name.
    pub name: String,
    /// What it is, in a sentence without an end.
    pub about: String,
    /// Tensors that it changes.
    pub tensors: usize,
}

impl AdapterChoice {
    /// Reads `DIR` or `DIR=SCALE`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let split = text.rsplit_once('=').and_then(|(path, scale)| Some((path, scale.parse::<f32>().ok()?)));
        let (path, scale) = split.unwrap_or((text, 1.0));
        match scale.is_finite() && !path.is_empty() {
            true => Ok(Self { path: path.into(), scale }),
            false => Err(format!("{text:?} is not of the form DIR or DIR=SCALE, such as ./my-adapter=0.5")),
        }
    }
}

impl Model {
    /// Opens a model and merges adapters into it. Reads headers and documents, no weights.
    pub fn open_with(path: &Path, adapters: &[AdapterChoice]) -> Result<Self, OpenError> {
        let mut model = Self::open(path)?;
        adapters.iter().try_for_each(|choice| model.merge(choice))?;
        Ok(model)
    }

    fn merge(&mut self, choice: &AdapterChoice) -> Result<(), OpenError> {
        let adapter = Adapter::open(&choice.path, self.files.len())?;
        let Some(arch) = self.hparams.arch else {
            return Err(adapter.refuse(format!(
                "it cannot be merged into {}, whose family {} is unknown to this version of Tuck",
                self.path.display(),
                self.hparams.architecture
            )));
        };
        if !adapter.settings.invocation.is_empty() {
            return Err(adapter.refuse(
                "it works only after its invocation tokens (alora_invocation_tokens), so it cannot be merged; make a GGUF \
                 adapter of it (tuck adapter)",
            ));
        }
        let mut files = self.files.clone();
        files.push(adapter.file.clone());
        let Adapted { addends, replaced, notes } = map_adapter(&adapter, &files, arch, &self.hparams)?;
        let tensors = addends.len() + replaced.len();
        for (name, Target { addends, .. }) in addends {
            let of_choice = addends.into_iter().map(|mut addend| {
                addend.scale *= choice.scale;
                addend
            });
            match self.tensors.iter_mut().find(|tensor| tensor.name == name).map(|tensor| &mut tensor.source) {
                Some(Source::Stored { format, addends, .. }) => {
                    *format = &F32;
                    addends.extend(of_choice);
                }
                _ => return Err(adapter.refuse(self.lacks(&name))),
            }
        }
        for tensor in replaced {
            self.replace(&adapter, arch, tensor)?;
        }
        self.files = files;
        self.notes.extend(notes);
        self.notes.extend(adapter.settings.changed_base.as_ref().map(|initial| {
            format!(
                "the adapter {} was begun with {initial}, which changes the base model too: unless it was converted when it \
                 was saved, it goes with that changed model only",
                adapter.name()
            )
        }));
        let (name, about) = (adapter.name(), adapter.describe());
        self.adapters.push(Merged { choice: choice.clone(), name, about, tensors });
        self.header_len = header_len(&self.metadata, &self.tensors);
        self.card = Card::new(&self.path, self.kind, &self.hparams, &self.tensors, &self.metadata);
        Ok(())
    }

    fn lacks(&self, name: &str) -> String {
        match name {
            "output.weight" => {
                "it changes the output (lm_head), which this model shares with the token embedding, so it \
                                cannot be merged; save the model untied with transformers first"
                    .to_owned()
            }
            name => format!(
                "it changes {name}, which {} does not have; it was made for another model, or for a newer conversion of \
                 this one",
                self.path.display()
            ),
        }
    }

    /// Puts a tensor in the place of its namesake. An output of its own parts a model from its token embedding.
    fn replace(&mut self, adapter: &Adapter, arch: &Arch, tensor: Tensor) -> Result<(), OpenError> {
        match self.tensors.iter_mut().find(|own| own.name == tensor.name) {
            Some(own) if !own.addends().is_empty() => Err(adapter.refuse(format!(
                "it replaces {}, which an adapter before it changes; name it first, or leave one out",
                tensor.name
            ))),
            Some(own) => {
                own.source = tensor.source;
                own.stored_name = tensor.stored_name;
                Ok(())
            }
            None if tensor.name == "output.weight" && !arch.drops_tied_output => {
                let at = self.tensors.partition_point(|own| (own.layer(), &own.name) < (None, &tensor.name));
                self.tensors.insert(at, tensor);
                Ok(())
            }
            None => Err(adapter.refuse(self.lacks(&tensor.name))),
        }
    }

    /// An adapter as a GGUF file of its own, for the model at `base`, of which the configuration is enough. Its matrices
    /// become `format`.
    pub fn open_adapter(path: &Path, base: &Path, format: FormatRef) -> Result<Self, OpenError> {
        let adapter = Adapter::open(path, 0)?;
        let hparams = hparams_of(base)?;
        let Some(arch) = hparams.arch else {
            let problem = format!("its family, {}, is unknown to this version of Tuck", hparams.architecture);
            return Err(OpenError::new(base, problem));
        };
        let files = vec![adapter.file.clone()];
        let adapted = map_adapter(&adapter, &files, arch, &hparams)?;
        let (tensors, alpha) = export_adapter(&adapter, &adapted, format)?;
        let changed = adapted.addends.values().map(|target| target.shape.iter().product::<u64>()).sum();
        let (mut metadata, unread) = general::adapter_metadata(&adapter.documents()?, arch.name, changed);
        metadata.push(("adapter.lora.alpha".to_owned(), Value::F32(alpha)));
        if !adapter.settings.invocation.is_empty() {
            let values = adapter.settings.invocation.iter().map(|token| Value::U32(*token)).collect();
            let tokens = Value::Array(Array { item: ValueType::U32, values });
            metadata.push(("adapter.alora.invocation_tokens".to_owned(), tokens));
        }
        metadata.push(("general.quantization_version".to_owned(), Value::U32(2)));
        Ok(Self {
            path: path.to_owned(),
            kind: Kind::Adapter,
            card: Card::new(path, Kind::Adapter, &hparams, &tensors, &metadata),
            notes: adapted.notes.into_iter().chain(unread).collect(),
            question: None,
            adapters: Vec::new(),
            header_len: header_len(&metadata, &tensors),
            alignment: gguf::DEFAULT_ALIGNMENT,
            files,
            tensors,
            metadata,
            hparams,
        })
    }
}

impl Model {
    /// A file of factors that are added to the matrices of this model, as llama.cpp's `--lora` does: `lora_a` and `lora_b` of each,
    /// whose product counts `alpha` by its rank.
    pub fn error_adapter(&self, tensors: Vec<Tensor>, alpha: f32) -> Self {
        let metadata: Vec<(String, Value)> = [
            ("general.architecture", Value::from(self.hparams.architecture.as_str())),
            ("general.type", "adapter".into()),
            ("adapter.type", "lora".into()),
            ("general.name", format!("{} quantization error", self.card.name).as_str().into()),
            ("adapter.lora.alpha", Value::F32(alpha)),
            ("general.quantization_version", Value::U32(2)),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into();
        Self {
            path: self.path.clone(),
            kind: Kind::Adapter,
            card: Card::new(&self.path, Kind::Adapter, &self.hparams, &tensors, &metadata),
            notes: Vec::new(),
            question: None,
            adapters: Vec::new(),
            header_len: header_len(&metadata, &tensors),
            alignment: gguf::DEFAULT_ALIGNMENT,
            files: Vec::new(),
            tensors,
            metadata,
            hparams: self.hparams.clone(),
        }
    }
}

/// The hyper-parameters of a folder with a `config.json`, or of a GGUF file.
fn hparams_of(base: &Path) -> Result<Hparams, OpenError> {
    if base.is_dir() {
        let documents = Documents::read(base)?;
        if !documents.config.is_object() {
            let problem = "there is no config.json with settings in it; choose the folder of the adapter's model";
            return Err(OpenError::new(base, problem));
        }
        let (arch, config) = Config::read(&documents)?;
        let (keys, _) = arch.metadata(&config)?;
        return Hparams::of(arch, &config, &keys);
    }
    let file = SourceFile::open(base)?;
    let header = gguf::read_header(BufReader::new(file.reader()), file.bytes);
    let Header { metadata, .. } = header.map_err(|error| OpenError::new(base, error.to_string()))?;
    Hparams::read(base, &metadata)
}
