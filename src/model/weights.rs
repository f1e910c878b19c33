//! A model with other weights than its files have: what pruning and the like make of one.

use super::{Card, EditError, Model, Pruning, header_len};
use crate::arch::{Hparams, Source, Tensor};
use crate::checkpoint::{OpenError, Position, SourceFile};
use crate::gguf::{self, Value};
use crate::quant::{BF16, F16, F32, FormatRef, Search};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use tempfile::NamedTempFile;

/// Changed weights on their way to a model. They lie in a file whose name goes as soon as it is whole, and which goes
/// itself with the last model that reads it.
#[derive(Debug)]
pub struct ChangedWeights {
    file: BufWriter<NamedTempFile>,
    at: u64,
    tensors: Vec<Changed>,
}

/// A tensor that has other weights.
#[derive(Debug)]
struct Changed {
    name: String,
    shape: Vec<u64>,
    format: FormatRef,
    offset: u64,
}

/// What else changes with the weights.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reshape {
    /// Layers that go.
    pub layers: Pruning,
    /// Metadata that sizes follow from, by keys without the architecture's name, such as `feed_forward_length`.
    pub sizes: Vec<(&'static str, u32)>,
}

impl ChangedWeights {
    /// None yet; they will lie in this folder.
    pub fn begin(folder: &Path) -> io::Result<Self> {
        Ok(Self { file: BufWriter::new(NamedTempFile::new_in(folder)?), at: 0, tensors: Vec::new() })
    }

    /// Gives a tensor of the model these weights. They are stored as the tensor was, where that is a float, or as the smallest
    /// float that holds them exactly, which is returned. The last of several for one tensor counts.
    pub fn put(&mut self, tensor: &Tensor, shape: &[u64], weights: &[f32]) -> io::Result<(FormatRef, Vec<u8>)> {
        assert_eq!(shape.iter().product::<u64>(), weights.len() as u64, "{}", tensor.name);
        let format = float_for(tensor.stored_format(), weights);
        let bytes = in_format(format, weights);
        self.add(tensor, shape, format, &bytes)?;
        Ok((format, bytes))
    }

    /// Gives a tensor of the model these blocks, of the shape it has.
    pub fn put_blocks(&mut self, tensor: &Tensor, format: FormatRef, blocks: &[u8]) -> io::Result<()> {
        assert_eq!(format.bytes(tensor.weights()), blocks.len() as u64, "{}", tensor.name);
        self.add(tensor, &tensor.shape, format, blocks)
    }

    fn add(&mut self, tensor: &Tensor, shape: &[u64], format: FormatRef, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        let (name, offset) = (tensor.name.clone(), self.at);
        self.tensors.push(Changed { name, shape: shape.to_vec(), format, offset });
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// Whether a tensor was given weights.
    pub fn has(&self, name: &str) -> bool {
        self.tensors.iter().any(|changed| changed.name == name)
    }

    /// The whole file, which has no name any more.
    fn finish(self) -> Result<(SourceFile, Vec<Changed>), OpenError> {
        let path = self.file.get_ref().path().to_owned();
        let named = self.file.into_inner().map_err(|error| {
            OpenError::new(&path, format!("changed weights could not be written there: {}", error.error()))
        })?;
        Ok((SourceFile::open(named.path())?, self.tensors))
    }
}

/// The tensor's own format if that is a float these weights fit in; or else the smallest that loses nothing of them.
fn float_for(stored: FormatRef, weights: &[f32]) -> FormatRef {
    let holds = |format: &FormatRef| {
        let mut back = vec![0.0; weights.len()];
        (format.dequantize)(&in_format(format, weights), &mut back);
        back == weights
    };
    let fits = |format: &FormatRef| *format != &F16 || weights.iter().all(|w| w.abs() <= half::f16::MAX.to_f32());
    let own = Some(stored).filter(|format| format.is_float()).filter(fits);
    own.or_else(|| [&F16, &BF16].into_iter().find(holds)).unwrap_or(&F32)
}

fn in_format(format: FormatRef, weights: &[f32]) -> Vec<u8> {
    let mut bytes = vec![0; format.bytes(weights.len() as u64) as usize];
    (format.quantize)(weights, Search::default(), &mut bytes);
    bytes
}

impl Model {
    /// This model with other weights, fewer layers, and the sizes that go with both. All of its numbers are those of the new
    /// model: unlike after [`Model::edited`], nothing counts what was there before.
    pub fn with_weights(&self, weights: ChangedWeights, reshape: &Reshape) -> Result<Self, WeightsError> {
        let (file, changes) = weights.finish()?;
        let mut model = self.clone();
        let index = model.files.len();
        for Changed { name, shape, format, offset } in changes {
            let Some(tensor) = model.tensors.iter_mut().find(|tensor| tensor.name == name) else { continue };
            let is_free = tensor.format.is_float() && tensor.shape.len() > 1;
            if is_free || !tensor.format.divides(shape[0]) {
                tensor.format = format;
            }
            tensor.source = Source::whole(Position { file: index, offset }, format, shape.iter().product());
            tensor.shape = shape;
        }
        model.files.push(file);
        model.reshape(reshape)?;
        Ok(model)
    }

    /// The outline of a model that is still to be made: tensors have these shapes, and no weights that go with them.
    pub fn outlined(&self, shape: impl Fn(&Tensor) -> Vec<u64>, reshape: &Reshape) -> Result<Self, WeightsError> {
        let mut model = self.clone();
        model.tensors.iter_mut().for_each(|tensor| tensor.shape = shape(tensor));
        model.reshape(reshape)?;
        Ok(model)
    }

    fn reshape(&mut self, reshape: &Reshape) -> Result<(), WeightsError> {
        let model = self;
        reshape.layers.check(&model.hparams)?;
        model.prune(&reshape.layers);
        for (key, value) in &reshape.sizes {
            gguf::set(&mut model.metadata, &format!("{}.{key}", model.hparams.architecture), Value::U32(*value));
        }
        model.hparams = Hparams::read(&model.path, &model.metadata)?;
        model.header_len = header_len(&model.metadata, &model.tensors);
        model.card = Card::new(&model.path, model.kind, &model.hparams, &model.tensors, &model.metadata);
        Ok(())
    }
}

/// Why a model cannot have other weights.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// Their file, or the settings that would follow.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The layers that were to go.
    #[error(transparent)]
    Edit(#[from] EditError),
}
