//! Changes to a model before it is packed: layers left out, settings replaced. No weights are read.

use super::{Card, Model, Setting, header_len};
use crate::arch::{Arch, Dim, Hparams, Tensor};
use crate::gguf::{Array, Value};
use crate::tokenizer;
use std::collections::BTreeSet;

/// A list with as many entries as there are parts of a rotation, not layers.
const ROPE_SECTIONS: &str = "rope.dimension_sections";

/// The key that says how text is cut before it is merged into tokens.
pub const PRE_TOKENIZER: &str = "tokenizer.ggml.pre";

/// Why a change cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// Of the layers to leave out.
    #[error("the layers to prune, {text:?}, {problem}")]
    Pruning {
        /// As given.
        text: String,
        /// What is wrong with them, and what to do.
        problem: String,
    },
    /// Of a setting.
    #[error("the setting {text:?} {problem}")]
    Setting {
        /// As given.
        text: String,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// Of the pre-tokenizer to use.
    #[error("the pre-tokenizer {name:?} {problem}")]
    PreTokenizer {
        /// As given.
        name: String,
        /// What is wrong with it, and what to do.
        problem: String,
    },
}

/// Layers to leave out, counted from 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruning {
    layers: BTreeSet<u64>,
}

impl FromIterator<u64> for Pruning {
    fn from_iter<I: IntoIterator<Item = u64>>(layers: I) -> Self {
        Self { layers: layers.into_iter().collect() }
    }
}

impl Pruning {
    /// Reads `20,21,25`.
    pub fn parse(text: &str) -> Result<Self, EditError> {
        let number = |part: &str| part.trim().parse::<u64>();
        match text.split(',').map(number).collect() {
            Ok(layers) => Ok(Self { layers }),
            Err(_) => Err(EditError::Pruning {
                text: text.to_owned(),
                problem: "are no list of layers; write numbers from 0 with commas between, such as 20,21".to_owned(),
            }),
        }
    }

    /// What a tensor is called when the layers are gone and the rest are counted anew; none where it goes with them.
    pub fn rename(&self, name: &str) -> Option<String> {
        let split = name.strip_prefix("blk.").and_then(|rest| rest.split_once('.'));
        let Some((layer, rest)) = split.and_then(|(digits, rest)| Some((digits.parse().ok()?, rest))) else {
            return Some(name.to_owned());
        };
        let before = self.layers.range(..layer).count() as u64;
        (!self.layers.contains(&layer)).then(|| format!("blk.{}.{rest}", layer - before))
    }

    /// The layers, in order.
    pub fn layers(&self) -> impl Iterator<Item = u64> {
        self.layers.iter().copied()
    }

    pub(super) fn check(&self, hparams: &Hparams) -> Result<(), EditError> {
        let refuse = |problem: String| {
            let numbers: Vec<String> = self.layers.iter().map(u64::to_string).collect();
            Err(EditError::Pruning { text: numbers.join(","), problem })
        };
        match self.layers.last() {
            Some(last) if *last >= hparams.layers => {
                refuse(format!("include layer {last}, and the model has {} layers, counted from 0", hparams.layers))
            }
            Some(_) if self.layers.len() as u64 == hparams.layers => {
                refuse("are all that the model has; leave at least one".to_owned())
            }
            _ => Ok(()),
        }
    }
}

impl Model {
    /// This model with some settings replaced and some layers left out. Its hyper-parameters still count the layers that
    /// were there, for recipes choose by them, as llama-quantize does.
    ///
    /// Refuses settings that contradict the shapes of the tensors, and layers that are not there.
    pub fn edited(&self, settings: &[Setting], pruning: &Pruning) -> Result<Self, EditError> {
        let mut edited = self.clone();
        for setting in settings {
            setting.apply(&mut edited)?;
            edited.hparams = agreeing(setting, &edited)?;
        }
        pruning.check(&edited.hparams)?;
        edited.prune(pruning);
        edited.header_len = header_len(&edited.metadata, &edited.tensors);
        Ok(edited)
    }

    /// This model with a pre-tokenizer of llama.cpp, whatever its own tokenizer states. It answers [`Model::question`].
    pub fn with_pre_tokenizer(&self, name: &str) -> Result<Self, EditError> {
        let refuse = |problem: String| Err(EditError::PreTokenizer { name: name.to_owned(), problem });
        let Some(known) = tokenizer::known_name(name) else {
            let names: Vec<&str> = tokenizer::pre_tokenizers().collect();
            return refuse(format!("is none that llama.cpp has; it has {}", names.join(", ")));
        };
        let mut answered = self.clone();
        let chosen = answered.metadata.iter_mut().find(|(key, _)| key == PRE_TOKENIZER);
        match chosen.filter(|_| self.value("tokenizer.ggml.model").and_then(Value::as_str) == Some("gpt2")) {
            Some((_, value)) => *value = known.into(),
            None => {
                return refuse(
                    "cannot be used: only byte-level BPE has one, and this model has another kind".to_owned(),
                );
            }
        }
        answered.question = None;
        answered.header_len = header_len(&answered.metadata, &answered.tensors);
        Ok(answered)
    }

    pub(super) fn prune(&mut self, pruning: &Pruning) {
        let all = self.hparams.layers;
        let left = Hparams { layers: all - pruning.layers.len() as u64, ..self.hparams.clone() };
        self.tensors = std::mem::take(&mut self.tensors)
            .into_iter()
            .filter_map(|tensor| Some(Tensor { name: pruning.rename(&tensor.name)?, ..tensor }))
            .collect();
        for (key, value) in &mut self.metadata {
            match (key.strip_prefix(self.hparams.architecture.as_str()).and_then(|key| key.strip_prefix('.')), value) {
                (Some("block_count"), value) => *value = Value::U32(left.layers as u32),
                (Some(key), Value::Array(Array { values, .. }))
                    if values.len() as u64 == all && key != ROPE_SECTIONS =>
                {
                    let mut layer = 0..;
                    values.retain(|_| layer.next().is_some_and(|n| !pruning.layers.contains(&n)));
                }
                _ => {}
            }
        }
        self.card = Card::new(&self.path, self.kind, &left, &self.tensors, &self.metadata);
    }
}

/// The hyper-parameters after a setting was made, where the tensors still have the shapes they ask for.
fn agreeing(setting: &Setting, model: &Model) -> Result<Hparams, EditError> {
    let old = &model.hparams;
    let new = Hparams::read(&model.path, &model.metadata)
        .map_err(|error| setting.refuse(format!("leaves no valid model: {}", error.problem)))?;
    if new.layers != old.layers {
        return Err(
            setting.refuse(format!("contradicts the {} layers that are there; prune layers instead", old.layers))
        );
    }
    let layers: BTreeSet<u64> = model.tensors.iter().map(|tensor| tensor.layer().unwrap_or(0)).collect();
    let differs = |dim: Dim| layers.iter().find(|layer| new.size(dim, **layer) != old.size(dim, **layer));
    let mut dims = old.arch.into_iter().flat_map(Arch::dims);
    match dims.find_map(|dim| Some((dim, *differs(dim)?))) {
        None => Ok(new),
        Some((dim, layer)) => Err(setting.refuse(format!(
            "asks for tensors of another shape ({dim:?} of {} instead of {}), and tensors keep their shapes",
            new.size(dim, layer),
            old.size(dim, layer)
        ))),
    }
}
