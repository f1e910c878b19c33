//! From the tensors of a Hugging Face checkpoint to those of a GGUF file, by the family's tables.

use super::names::{self, Names};
use super::rule::{Kind, Rule, Wanted};
use super::source::{Coding, Part, Source, Tensor};
use super::view::View;
use super::{Arch, Config, Dim, Hparams};
use crate::checkpoint::{Checkpoint, OpenError, Position, Precision, StoredTensor};
use crate::quant::{BF16, F16, F32, FormatRef, MXFP4};
use std::path::Path;
use std::sync::Arc;

/// In the GGUF names of matrices that llama.cpp takes in F32 only.
const F32_ONLY: &[&str] = &["_norm.weight", "ffn_gate_inp", "position_embd.weight", "token_types.weight"];

/// The module of the output, which a model without it shares with the token embedding.
const OUTPUT: &str = "output";

/// The tensors of a model to be, and what a person should know about those that were left out.
pub type Mapped = (Vec<Tensor>, Vec<String>);

/// A tensor that a family computes from the settings.
pub struct Computed {
    /// Its GGUF name.
    pub name: &'static str,
    /// Its weights.
    pub values: Vec<f32>,
}

/// Maps the tensors of a Hugging Face checkpoint, in the order of llama-quantize: by layer, then by name.
pub fn map_huggingface(
    checkpoint: &Checkpoint,
    arch: &Arch,
    config: &Config<'_>,
    hparams: &Hparams,
) -> Result<Mapped, OpenError> {
    let mut mapper = Mapper::new(checkpoint, arch, hparams)?;
    let tied = config.flag("tie_word_embeddings");
    let outside = Wanted::of(arch.outside).filter_map(|wanted| match (wanted.rule.to, tied) {
        (OUTPUT, Some(true)) if arch.drops_tied_output => None,
        (OUTPUT, Some(false)) => Some(Wanted { required: wanted.required || wanted.suffix == ".weight", ..wanted }),
        _ => Some(wanted),
    });
    mapper.take(outside, None)?;
    // The first gap ends the loop, so a hostile layer count costs nothing.
    for layer in 0..hparams.layers {
        mapper.take(Wanted::of(arch.layer), Some(layer))?;
    }
    let mut notes = names::left_out(checkpoint, &mapper.names, arch, config, hparams)?;
    let mut tensors = mapper.out;
    notes.extend(dequantized(&tensors));
    let computed = (arch.computed)(config, hparams)?;
    tensors.extend(computed.into_iter().map(|Computed { name, values }| Tensor {
        name: name.to_owned(),
        stored_name: "(computed from the rope scaling)".to_owned(),
        shape: vec![values.len() as u64],
        format: &F32,
        source: Source::Computed(values),
    }));
    sort(&mut tensors);
    Ok((tensors, notes))
}

/// By layer, then by name.
pub(super) fn sort(tensors: &mut [Tensor]) {
    tensors.sort_by(|a, b| (a.layer(), &a.name).cmp(&(b.layer(), &b.name)));
}

/// Makes tensors of a GGUF file from those of a checkpoint.
pub(super) struct Mapper<'a> {
    checkpoint: &'a Checkpoint,
    arch: &'a Arch,
    hparams: &'a Hparams,
    names: Names<'a>,
    /// What dequantized weights become.
    half: FormatRef,
    out: Vec<Tensor>,
}

/// What a stored tensor gives, and how many units it has.
type Found<'a> = Option<(&'a StoredTensor, u64, Vec<Part>)>;

impl<'a> Mapper<'a> {
    pub(super) fn new(checkpoint: &'a Checkpoint, arch: &'a Arch, hparams: &'a Hparams) -> Result<Self, OpenError> {
        let (names, half) = (Names::of(checkpoint)?, half(checkpoint));
        Ok(Self { checkpoint, arch, hparams, names, half, out: Vec::new() })
    }

    /// Takes the tensors of a layer, or of none, which have to be all there.
    fn take(&mut self, wanted: impl Iterator<Item = Wanted> + Clone, layer: Option<u64>) -> Result<(), OpenError> {
        let start = self.out.len();
        let hparams = self.hparams;
        let wanted = wanted.filter(|wanted| wanted.holds(hparams, layer)).map(|wanted| (wanted, wanted.to(layer)));
        for (wanted, name) in wanted.clone() {
            if !self.out[start..].iter().any(|tensor| tensor.name == name)
                && let Some(tensor) = self.tensor(wanted, name, layer)?
            {
                self.out.push(tensor);
            }
        }
        let here = &self.out[start..];
        let mut lacking = wanted.filter(|(wanted, name)| wanted.required && !here.iter().any(|t| t.name == *name));
        match lacking.next() {
            None => Ok(()),
            Some((wanted, name)) => Err(self.missing(&name, &wanted.from(self.arch.layers, layer))),
        }
    }

    /// The tensor that a rule makes, where the checkpoint has what it takes.
    pub(super) fn tensor(
        &mut self,
        wanted: Wanted,
        name: String,
        layer: Option<u64>,
    ) -> Result<Option<Tensor>, OpenError> {
        let shape = self.sizes(wanted.shape, layer);
        let count = if wanted.is_stack() { shape.last().copied().unwrap_or(0) } else { 1 };
        let pattern = wanted.from(self.arch.layers, layer);
        let (mut parts, mut reaches) = (Vec::new(), true);
        let mut stored_name = String::new();
        for n in 0..count {
            let from = pattern.replace("{}", &n.to_string());
            let found = match wanted.rule.kind {
                Kind::SplitMxfp4 => self.split_mxfp4(wanted, &from, layer)?,
                _ => self.whole(wanted, &from, layer)?,
            };
            match found {
                Some((stored, units, more)) => {
                    reaches &= more.iter().all(|part| part.view.end() <= units);
                    parts.extend(more);
                    if n == 0 {
                        stored_name.clone_from(&stored.name);
                    }
                }
                None if n == 0 => return Ok(None),
                None => return Err(self.missing(&name, &from)),
            }
        }
        let (held, weights) = (parts.iter().map(Part::weights).sum::<u64>(), shape.iter().product::<u64>());
        if held != weights || weights == 0 || !reaches {
            return Err(OpenError::new(
                &self.checkpoint.path,
                format!(
                    "the tensor {stored_name} gives {held} weights for {name}, which has {weights} by the model's settings; \
                     config and weights do not belong together, so download both again"
                ),
            ));
        }
        if count > 1 {
            stored_name = format!("{stored_name} and {} more", count - 1);
        }
        let source = Source::of(parts);
        let mut tensor = Tensor { name, stored_name, shape, format: &F32, source };
        let is_small = tensor.shape.len() < 2 || F32_ONLY.iter().any(|part| tensor.name.contains(part));
        if !is_small && tensor.name.ends_with(".weight") {
            let narrow = |part: &Part| part.coded().is_some_and(|coded| !coded.is_wide);
            let is_narrow = tensor.parts().iter().any(narrow);
            tensor.format = if is_narrow { self.half } else { tensor.stored_format() };
        }
        Ok(Some(tensor))
    }

    fn whole(&mut self, wanted: Wanted, name: &str, layer: Option<u64>) -> Result<Found<'a>, OpenError> {
        let Some(stored) = self.names.take(name) else { return Ok(None) };
        let path = &self.checkpoint.files[stored.file].path;
        check_shape(path, stored, wanted.stored(), self.hparams, layer)?;
        let format = stored.format(path)?;
        let coding = stored.coded().map_or(Coding::Plain, |coded| Coding::Coded(Arc::clone(coded)));
        let plus = if wanted.suffix == ".bias" { 0.0 } else { wanted.rule.plus };
        let part = |view| Part { at: Position::of(stored), format, view, coding: coding.clone(), plus };
        Ok(Some((
            stored,
            stored.weights(),
            self.views(wanted.rule, whole_view(stored, wanted.stored().len())).map(part).collect(),
        )))
    }

    fn split_mxfp4(&mut self, wanted: Wanted, name: &str, layer: Option<u64>) -> Result<Found<'a>, OpenError> {
        let codes = self.names.take(&format!("{name}_blocks"));
        let (Some(codes), Some(exponents)) = (codes, self.names.take(&format!("{name}_scales"))) else {
            return Ok(None);
        };
        let mut shape = self.sizes(wanted.stored(), layer);
        shape[0] /= MXFP4.block_weights as u64;
        for (stored, expected) in [(exponents, shape.clone()), (codes, [&[16], shape.as_slice()].concat())] {
            let path = &self.checkpoint.files[stored.file].path;
            stored.expect_bytes(path)?;
            if stored.shape != expected {
                return Err(wrong_shape(path, stored, &expected, "blocks of MXFP4"));
            }
        }
        shape.reverse();
        let coding = Coding::SplitMxfp4 { exponents: Position::of(exponents) };
        let part = |view| Part { at: Position::of(codes), format: &MXFP4, view, coding: coding.clone(), plus: 0.0 };
        Ok(Some((codes, shape.iter().product(), self.views(wanted.rule, View::of(&shape)).map(part).collect())))
    }

    fn sizes(&self, dims: &[Dim], layer: Option<u64>) -> Vec<u64> {
        dims.iter().map(|dim| self.hparams.size(*dim, layer.unwrap_or(0))).collect()
    }

    fn views(&self, rule: &Rule, whole: View) -> impl Iterator<Item = View> {
        let views = match rule.arrange {
            None => vec![whole],
            Some(arrange) => arrange(whole, self.hparams),
        };
        views.into_iter().filter(|view| view.units() > 0).map(View::merged)
    }

    fn missing(&self, name: &str, from: &str) -> OpenError {
        missing(self.checkpoint, self.arch, self.hparams, name, from)
    }
}

/// All of a stored tensor, rows first, wherever its weights lie.
fn whole_view(stored: &StoredTensor, dims: usize) -> View {
    match stored.coded().filter(|coded| coded.transposed) {
        Some(coded) => View::of(&[coded.codes.rows, coded.codes.columns]).swap(0, 1),
        None => {
            let axes = stored.shape.len().max(dims);
            View::of(&(0..axes).rev().map(|axis| size(&stored.shape, axis)).collect::<Vec<_>>())
        }
    }
}

/// The type that dequantized weights get where nothing else is said, as llama.cpp's converter chooses it: that of the first
/// matrix with 16 bits, or else F16.
fn half(checkpoint: &Checkpoint) -> FormatRef {
    let matrices = checkpoint.tensors.iter().filter(|stored| stored.shape.len() > 1);
    let formats = matrices.filter_map(|stored| match stored.precision {
        Precision::Format(format) => Some(format),
        _ => None,
    });
    formats.into_iter().find(|format| [&BF16, &F16].contains(format)).unwrap_or(&F16)
}

/// What to know about a model that was quantized before.
fn dequantized(tensors: &[Tensor]) -> Option<String> {
    let codes = |tensor: &Tensor| tensor.parts().iter().any(|part| part.coded().is_some_and(|coded| !coded.is_wide));
    let quantized: Vec<&Tensor> = tensors.iter().filter(|tensor| codes(tensor)).collect();
    let mut names: Vec<&str> = quantized.iter().map(|tensor| tensor.precision()).collect();
    names.sort_unstable();
    names.dedup();
    (!quantized.is_empty()).then(|| {
        format!(
            "its weights were already quantized: {} of {} tensors are {} and are dequantized, which does not bring back what \
             was lost; start from the original model if there is one",
            quantized.len(),
            tensors.len(),
            names.join(" and ")
        )
    })
}

/// A refusal of a model that lacks a tensor.
pub(super) fn missing(checkpoint: &Checkpoint, arch: &Arch, hparams: &Hparams, name: &str, from: &str) -> OpenError {
    OpenError::new(
        &checkpoint.path,
        format!(
            "the tensor {name} ({from} in a Hugging Face checkpoint) is missing; the model has {} tensors, and a {} model of \
             {} layers needs it, so download the missing file",
            checkpoint.tensors.len(),
            arch.title,
            hparams.layers
        ),
    )
}

/// That there is one of something may be said or not.
fn size(shape: &[u64], axis: usize) -> u64 {
    shape.get(axis).copied().unwrap_or(1)
}

/// Refuses a tensor whose shape is not what the settings say.
pub(super) fn check_shape(
    path: &Path,
    stored: &StoredTensor,
    dims: &[Dim],
    hparams: &Hparams,
    layer: Option<u64>,
) -> Result<(), OpenError> {
    let expected: Vec<u64> = dims.iter().map(|dim| hparams.size(*dim, layer.unwrap_or(0))).collect();
    let fits = |axis| dims.get(axis) == Some(&Dim::Any) || size(&stored.shape, axis) == size(&expected, axis);
    if (0..stored.shape.len().max(dims.len())).all(fits) {
        return Ok(());
    }
    let dims = dims.iter().rev().map(|dim| format!("{dim:?}")).collect::<Vec<_>>().join(" x ");
    Err(wrong_shape(path, stored, &expected, &dims))
}

fn wrong_shape(path: &Path, stored: &StoredTensor, expected: &[u64], what: &str) -> OpenError {
    let show = |shape: &[u64]| shape.iter().rev().map(u64::to_string).collect::<Vec<_>>().join(" x ");
    OpenError::new(
        path,
        format!(
            "the tensor {} has the shape {}, and by the model's settings it should be {} ({what}); config and weights do not \
             belong together, so download both again",
            stored.name,
            if stored.shape.is_empty() { "of a single number".to_owned() } else { show(&stored.shape) },
            show(expected),
        ),
    )
}
