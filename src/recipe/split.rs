//! Cutting a planned model into several files.

use super::RecipeError;
use super::plan::{Plan, PlannedFile, PlannedTensor};
use crate::arch::Tensor;
use crate::gguf::{self, DEFAULT_ALIGNMENT, MAX_SHARDS, Shard};
use crate::model::Model;
use crate::units;
use std::path::{Path, PathBuf};

/// Where a model is cut into files. A tensor is never cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Split {
    /// Nowhere.
    #[default]
    Whole,
    /// So that no file holds more bytes of tensors; headers do not count, as in llama.cpp's gguf-split.
    MaxBytes(u64),
    /// So that no file holds more tensors.
    MaxTensors(usize),
    /// As the model's own files are.
    Kept,
}

impl Plan {
    /// Cuts the files. Where one is enough, it stays an ordinary file.
    pub fn split(mut self, model: &Model, split: Split) -> Result<Self, RecipeError> {
        let files = self.assign(model, split)?;
        let count = match split {
            Split::Kept => model.files.len(),
            _ => files.last().map_or(1, |last| last + 1),
        };
        if count == 1 {
            return Ok(self);
        }
        if count > MAX_SHARDS {
            return Err(RecipeError::Split(format!(
                "the model would be cut into {count} files, and a model can have {MAX_SHARDS} at most; allow larger files"
            )));
        }
        self.tensors.iter_mut().zip(files).for_each(|(tensor, file)| tensor.file = file);
        self.files = vec![PlannedFile::default(); count];
        for file in 0..count {
            let header = self.encode(model, file, |_| 0);
            // Only the first has metadata, and with it an alignment of its own.
            let alignment = if file == 0 { model.alignment } else { DEFAULT_ALIGNMENT };
            let mut tensors: Vec<&mut PlannedTensor> = self.tensors.iter_mut().filter(|t| t.file == file).collect();
            let layout = gguf::lay_out(header.len() as u64, tensors.iter().map(|t| t.bytes), alignment);
            tensors.iter_mut().zip(layout.offsets).for_each(|(tensor, offset)| tensor.offset = offset);
            self.files[file] = PlannedFile { header_bytes: layout.header_bytes, file_bytes: layout.file_bytes };
        }
        self.file_bytes = self.files.iter().map(|file| file.file_bytes).sum();
        Ok(self)
    }

    /// The file of each tensor.
    fn assign(&self, model: &Model, split: Split) -> Result<Vec<usize>, RecipeError> {
        let whole = vec![0; self.tensors.len()];
        Ok(match split {
            Split::Whole => whole,
            Split::MaxTensors(most) => (0..whole.len()).map(|index| index / most.max(1)).collect(),
            Split::Kept => {
                let file = |tensor: &Tensor| tensor.parts().first().map_or(0, |part| part.at.file);
                model.tensors.iter().map(file).collect()
            }
            Split::MaxBytes(most) => {
                let (mut file, mut filled) = (0, 0);
                let place = |(tensor, planned): (&Tensor, &PlannedTensor)| {
                    let bytes = planned.bytes.next_multiple_of(DEFAULT_ALIGNMENT);
                    if bytes > most {
                        return Err(RecipeError::Split(format!(
                            "the tensor {} takes {} bytes as {}, and a file may hold {}; a tensor cannot be cut, so allow \
                             larger files",
                            tensor.name,
                            units::grouped(bytes),
                            planned.format,
                            units::grouped(most)
                        )));
                    }
                    if filled + bytes > most {
                        file += 1;
                        filled = 0;
                    }
                    filled += bytes;
                    Ok(file)
                };
                model.tensors.iter().zip(&self.tensors).map(place).collect::<Result<_, _>>()?
            }
        })
    }

    /// What one of the files says of its place among them; none where it is the only one.
    pub(super) fn shard(&self, file: usize) -> Option<Shard> {
        let shard = Shard { index: file, count: self.files.len(), tensors: self.tensors.len() };
        (shard.count > 1).then_some(shard)
    }

    /// The paths of the files, where `whole` is what a single one would be called.
    pub fn paths(&self, whole: &Path) -> Vec<PathBuf> {
        let path = |file: usize| self.shard(file).map_or_else(|| whole.to_owned(), |shard| shard.path(whole));
        (0..self.files.len()).map(path).collect()
    }
}
