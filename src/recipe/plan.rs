//! A recipe applied to a model: the format, size and position of every tensor.

use super::preset::PRESETS;
use super::rules::{Chooser, quantizable};
use super::{Recipe, RecipeError, importance};
use crate::arch::{Hparams, Source, Tensor};
use crate::gguf::{self, HeaderTensor, Layout, Value};
use crate::model::Model;
use crate::quant::FormatRef;
use crate::units;
use std::fmt;

/// A tensor that could not get the format the recipe wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// Its GGUF name.
    pub tensor: String,
    /// Weights in a row.
    pub columns: u64,
    /// What the recipe asked for.
    pub wanted: FormatRef,
    /// What it gets.
    pub got: FormatRef,
}

impl Fallback {
    pub(super) fn new(tensor: &Tensor, wanted: FormatRef, got: FormatRef) -> Self {
        Self { tensor: tensor.name.clone(), columns: tensor.columns(), wanted, got }
    }

    /// Why, for people.
    pub fn reason(&self) -> String {
        reason(self.columns, self.wanted)
    }
}

fn reason(columns: u64, wanted: FormatRef) -> String {
    format!("rows of {columns} weights are no multiple of {wanted}'s {}", wanted.block_weights)
}

impl fmt::Display for Fallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} instead of {}, because {}", self.tensor, self.got, self.wanted, self.reason())
    }
}

/// Fallbacks that share a reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FallbackGroup {
    /// What the recipe asked for.
    pub wanted: FormatRef,
    /// What they get.
    pub got: FormatRef,
    /// Weights in a row.
    pub columns: u64,
    /// Their names, in the order of the file.
    pub tensors: Vec<String>,
}

impl FallbackGroup {
    /// Groups fallbacks by formats and row length, in order of first appearance.
    pub fn of(fallbacks: &[Fallback]) -> Vec<Self> {
        let mut groups: Vec<Self> = Vec::new();
        for Fallback { tensor, columns, wanted, got } in fallbacks {
            let same = |group: &&mut Self| (group.columns, group.wanted, group.got) == (*columns, *wanted, *got);
            match groups.iter_mut().find(same) {
                Some(group) => group.tensors.push(tensor.clone()),
                None => groups.push(Self { wanted, got, columns: *columns, tensors: vec![tensor.clone()] }),
            }
        }
        groups
    }

    /// `3 tensors cannot be Q4_K: rows of 576 weights are no multiple of Q4_K's 256. They become Q5_0.`
    pub fn sentence(&self) -> String {
        let Self { wanted, got, columns, tensors } = self;
        let (count, they) = match tensors.len() {
            1 => ("1 tensor".to_owned(), "It becomes"),
            n => (format!("{} tensors", units::grouped(n as u64)), "They become"),
        };
        format!("{count} cannot be {wanted}: {}. {they} {got}.", reason(*columns, wanted))
    }

    /// The names with layers left out, each once: `attn_k (30 layers), token_embd`.
    pub fn names(&self) -> String {
        kinds(&self.tensors)
    }
}

/// A list names no more kinds of tensors than this; a model has fewer.
const MOST_KINDS: usize = 40;

/// Names of tensors with layers left out, each once.
pub(super) fn kinds<S: AsRef<str>>(tensors: &[S]) -> String {
    let mut kinds: Vec<(&str, usize)> = Vec::new();
    let mut more = "";
    for tensor in tensors.iter().map(AsRef::as_ref) {
        let name = tensor.strip_suffix(".weight").unwrap_or(tensor);
        let kind = name.strip_prefix("blk.").and_then(|rest| rest.split_once('.')).map_or(name, |(_, kind)| kind);
        match kinds.iter().position(|(known, _)| *known == kind) {
            Some(known) => kinds[known].1 += 1,
            None if kinds.len() == MOST_KINDS => more = " and more",
            None => kinds.push((kind, 1)),
        }
    }
    let show = |(kind, count): &(&str, usize)| match count {
        1 => (*kind).to_owned(),
        n => format!("{kind} ({n} layers)"),
    };
    kinds.iter().map(show).collect::<Vec<_>>().join(", ") + more
}

/// What a tensor becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedTensor {
    /// Its format in the file.
    pub format: FormatRef,
    /// Its length.
    pub bytes: u64,
    /// Its position in the file.
    pub offset: u64,
}

/// The format of each tensor under a recipe, and the fallbacks among them. `tensors` are in the order of
/// [`Model::tensors`], which the rules count by.
pub fn choose_formats(recipe: &Recipe, hparams: &Hparams, tensors: &[Tensor]) -> (Vec<FormatRef>, Vec<Fallback>) {
    let mut chooser = Chooser::new(recipe, hparams, tensors);
    let (formats, fallbacks): (Vec<_>, Vec<_>) = tensors.iter().map(|tensor| chooser.choose(tensor)).unzip();
    (formats, fallbacks.into_iter().flatten().collect())
}

/// A file to be written, known to the byte.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The recipe it follows.
    pub recipe: Recipe,
    /// In the order of [`Model::tensors`].
    pub tensors: Vec<PlannedTensor>,
    /// Tensors that could not get the format the recipe wanted.
    pub fallbacks: Vec<Fallback>,
    /// Tensors that were already in a block format and are quantized again, which adds a second loss to the first.
    pub requantized: usize,
    /// Header with padding.
    pub header_bytes: u64,
    /// The whole file.
    pub file_bytes: u64,
    /// Bits of tensor data for each weight.
    pub bits_per_weight: f64,
}

impl Plan {
    /// Applies `recipe` to `model`. Refuses an override that matches no tensor, which is most likely a typing error, and an
    /// imatrix of another model.
    pub fn new(model: &Model, recipe: &Recipe) -> Result<Self, RecipeError> {
        for given in &recipe.overrides {
            if !model.tensors.iter().any(|t| quantizable(&t.name, &t.shape) && given.pattern.is_match(&t.name)) {
                return Err(RecipeError::Override {
                    text: format!("{}={}", given.pattern, given.format),
                    problem: "matches no tensor that can be quantized; tuck inspect lists the names".to_owned(),
                });
            }
        }
        importance::check(recipe, &model.tensors)?;
        let (formats, fallbacks) = choose_formats(recipe, &model.hparams, &model.tensors);
        let requantized = model
            .tensors
            .iter()
            .zip(&formats)
            .filter(|(tensor, to)| matches!(&tensor.source, Source::Stored { format, .. } if !format.is_float() && format != *to))
            .count();
        let sizes: Vec<u64> = model.tensors.iter().zip(&formats).map(|(t, f)| f.bytes(t.weights())).collect();
        let Layout { header_bytes, offsets, file_bytes } =
            gguf::lay_out(model.header_len, sizes.iter().copied(), model.alignment);
        let weights: u64 = model.tensors.iter().map(Tensor::weights).sum();
        let tensors = formats.iter().zip(&sizes).zip(&offsets);
        Ok(Self {
            recipe: recipe.clone(),
            tensors: tensors
                .map(|((format, bytes), offset)| PlannedTensor { format, bytes: *bytes, offset: *offset })
                .collect(),
            fallbacks,
            requantized,
            header_bytes,
            file_bytes,
            bits_per_weight: sizes.iter().sum::<u64>() as f64 * 8.0 / weights as f64,
        })
    }

    /// The bytes of the file up to the first tensor's data.
    pub fn header(&self, model: &Model) -> Vec<u8> {
        let mut metadata = model.metadata.clone();
        let file_type = self.recipe.preset.file_type.unwrap_or_else(|| own_file_type(model));
        for (key, value) in &mut metadata {
            match key.as_str() {
                "general.file_type" => *value = Value::U32(file_type),
                "general.quantization_version" => *value = Value::U32(2),
                _ => {}
            }
        }
        let tensors: Vec<HeaderTensor<'_>> = model
            .tensors
            .iter()
            .zip(&self.tensors)
            .map(|(tensor, planned)| HeaderTensor { name: &tensor.name, shape: &tensor.shape, format: planned.format })
            .collect();
        let offsets: Vec<u64> = self.tensors.iter().map(|planned| planned.offset - self.header_bytes).collect();
        let mut header = gguf::encode_header(&metadata, &tensors, &offsets);
        header.resize(self.header_bytes as usize, 0);
        header
    }
}

/// The file type of an unchanged model: its own, where it is a GGUF, or that of its most frequent format by bytes.
fn own_file_type(model: &Model) -> u32 {
    if model.kind == crate::checkpoint::Kind::Gguf
        && let Some(Value::U32(file_type)) = model.value("general.file_type")
    {
        return *file_type;
    }
    let most = model.card.precision.first().map(|(format, _)| *format);
    PRESETS.iter().find(|preset| preset.format == most).and_then(|preset| preset.file_type).unwrap_or(0)
}
