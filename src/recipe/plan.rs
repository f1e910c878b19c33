//! A recipe applied to a model: the format, size and position of every tensor.

use super::fallback::Fallback;
use super::rules::Chooser;
use super::warnings::warnings;
use super::{PRESETS, Recipe, RecipeError, importance};
use crate::arch::{Hparams, Tensor};
use crate::checkpoint::Kind;
use crate::gguf::{self, HeaderTensor, Layout, Metadata, Shard, Value};
use crate::model::Model;
use crate::quant::{FORMATS, FormatRef, MXFP4};

/// What a tensor becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedTensor {
    /// Its format in the file.
    pub format: FormatRef,
    /// Its length.
    pub bytes: u64,
    /// Which of the plan's files it lies in.
    pub file: usize,
    /// Its position in that file.
    pub offset: u64,
}

/// One of the files to be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlannedFile {
    /// Header with padding.
    pub header_bytes: u64,
    /// Its length.
    pub file_bytes: u64,
}

/// The format of each tensor under a recipe, and the fallbacks among them. `tensors` are in the order of
/// [`Model::tensors`], which the rules count by.
pub fn choose_formats(recipe: &Recipe, hparams: &Hparams, tensors: &[Tensor]) -> (Vec<FormatRef>, Vec<Fallback>) {
    let mut chooser = Chooser::new(recipe, hparams, tensors);
    let (formats, fallbacks): (Vec<_>, Vec<_>) = tensors.iter().map(|tensor| chooser.choose(tensor)).unzip();
    (formats, fallbacks.into_iter().flatten().collect())
}

/// What is to be written, known to the byte.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The recipe it follows.
    pub recipe: Recipe,
    /// In the order of [`Model::tensors`].
    pub tensors: Vec<PlannedTensor>,
    /// Tensors that could not get the format the recipe wanted.
    pub fallbacks: Vec<Fallback>,
    /// What the user should know before packing, each in a sentence.
    pub warnings: Vec<String>,
    /// One file, or several where the model is [`split`](Plan::split).
    pub files: Vec<PlannedFile>,
    /// All files together.
    pub file_bytes: u64,
    /// Bits of tensor data for each weight.
    pub bits_per_weight: f64,
}

impl Plan {
    /// Applies `recipe` to `model`, in one file. Refuses an override that matches no tensor, which is most likely a typing
    /// error, an imatrix of another model, and a format for the output or the token embedding that does not divide its
    /// rows.
    pub fn new(model: &Model, recipe: &Recipe) -> Result<Self, RecipeError> {
        for given in &recipe.overrides {
            if !model.tensors.iter().any(|t| recipe.may_change(t) && given.pattern.is_match(&t.name)) {
                return Err(RecipeError::Override {
                    text: format!("{}={}", given.pattern, given.format),
                    problem: "matches no tensor that can be quantized; tuck inspect lists the names".to_owned(),
                });
            }
        }
        importance::check(recipe, &model.tensors)?;
        recipe.mix.as_ref().map_or(Ok(()), |mix| mix.check(recipe, &model.tensors))?;
        let (formats, fallbacks) = choose_formats(recipe, &model.hparams, &model.tensors);
        if let Some((tensor, format)) = model.tensors.iter().zip(&formats).find(|(t, f)| !f.divides(t.columns())) {
            return Err(RecipeError::Rows { tensor: tensor.name.clone(), columns: tensor.columns(), format });
        }
        let sizes: Vec<u64> = model.tensors.iter().zip(&formats).map(|(t, f)| f.bytes(t.weights())).collect();
        let Layout { header_bytes, offsets, file_bytes } =
            gguf::lay_out(header_len(model, recipe), sizes.iter().copied(), model.alignment);
        let weights: u64 = model.tensors.iter().map(Tensor::weights).sum();
        let tensors = formats.iter().zip(&sizes).zip(&offsets);
        Ok(Self {
            recipe: recipe.clone(),
            tensors: tensors
                .map(|((format, bytes), offset)| PlannedTensor { format, bytes: *bytes, file: 0, offset: *offset })
                .collect(),
            fallbacks,
            warnings: [model.notes.clone(), warnings(recipe, &model.tensors, &formats)].concat(),
            files: vec![PlannedFile { header_bytes, file_bytes }],
            file_bytes,
            bits_per_weight: sizes.iter().sum::<u64>() as f64 * 8.0 / weights as f64,
        })
    }

    /// The model's metadata, with what the recipe says in it.
    pub fn metadata(&self, model: &Model) -> Metadata {
        let mut metadata = model.metadata.clone();
        for (key, value) in own_metadata(model, &self.recipe) {
            gguf::set(&mut metadata, &key, value);
        }
        let planned = model.tensors.iter().zip(&self.tensors);
        if planned.clone().any(|(tensor, planned)| tensor.is_native_mxfp4() && planned.format == &MXFP4) {
            gguf::set(&mut metadata, FILE_TYPE, Value::U32(MXFP4_MOE));
        }
        metadata
    }

    /// The bytes of one of the files up to its first tensor's data.
    pub fn header(&self, model: &Model, file: usize) -> Vec<u8> {
        let header_bytes = self.files[file].header_bytes;
        let mut header = self.encode(model, file, |tensor| tensor.offset - header_bytes);
        header.resize(header_bytes as usize, 0);
        header
    }

    /// A header without padding.
    pub(super) fn encode(&self, model: &Model, file: usize, offset: impl Fn(&PlannedTensor) -> u64) -> Vec<u8> {
        let mut metadata = if file == 0 { self.metadata(model) } else { Metadata::new() };
        metadata.extend(self.shard(file).map(Shard::metadata).unwrap_or_default());
        let listed = model.tensors.iter().zip(&self.tensors).filter(|(_, planned)| planned.file == file);
        let (tensors, offsets): (Vec<HeaderTensor<'_>>, Vec<u64>) = listed
            .map(|(Tensor { name, shape, .. }, planned)| {
                (HeaderTensor { name, shape, format: planned.format }, offset(planned))
            })
            .unzip();
        gguf::encode_header(&metadata, &tensors, &offsets)
    }
}

const FILE_TYPE: &str = "general.file_type";

/// The file type (`enum llama_ftype`) of a mixture of experts that stays in the MXFP4 it was published in.
const MXFP4_MOE: u32 = 38;

/// What a recipe says in the metadata, as llama-quantize does.
fn own_metadata(model: &Model, recipe: &Recipe) -> Metadata {
    let file_type = recipe.preset.file_type.unwrap_or_else(|| own_file_type(model));
    let mut pairs: Vec<(&str, Value)> = vec![("general.quantization_version", Value::U32(2))];
    // An adapter has no type: its matrices take on that of the model's.
    if model.kind != Kind::Adapter {
        pairs.insert(0, (FILE_TYPE, Value::U32(file_type)));
    }
    if let Some(imatrix) = &recipe.imatrix {
        let file = imatrix.path.file_name().unwrap_or_default().to_string_lossy();
        pairs.push(("quantize.imatrix.file", Value::String(file.into_owned())));
        if !imatrix.datasets.is_empty() {
            pairs.push(("quantize.imatrix.dataset", Value::String(imatrix.datasets.join(", "))));
        }
        pairs.push(("quantize.imatrix.entries_count", Value::U32(imatrix.columns.len() as u32)));
        if imatrix.chunks > 0 {
            pairs.push(("quantize.imatrix.chunks_count", Value::U32(imatrix.chunks)));
        }
    }
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// The header's length without padding, with what the recipe says in it.
fn header_len(model: &Model, recipe: &Recipe) -> u64 {
    own_metadata(model, recipe).iter().fold(model.header_len, |len, (key, value)| {
        let old = model.value(key).map_or(0, |old| gguf::pair_len(key, old));
        len - old + gguf::pair_len(key, value)
    })
}

/// The file type of an unchanged model: its own, where it is a GGUF, or that of its most frequent format by bytes.
fn own_file_type(model: &Model) -> u32 {
    if model.kind == Kind::Gguf
        && let Some(Value::U32(file_type)) = model.value("general.file_type")
    {
        return *file_type;
    }
    let bytes = |format: FormatRef| -> u64 {
        model.tensors.iter().filter(|t| t.format == format).map(|t| format.bytes(t.weights())).sum()
    };
    // The first of those with the most.
    let most = FORMATS.iter().copied().rev().max_by_key(|format| bytes(format));
    PRESETS.iter().find(|preset| preset.format == most).and_then(|preset| preset.file_type).unwrap_or(0)
}
