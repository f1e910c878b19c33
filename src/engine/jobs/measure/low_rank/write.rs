//! Writing a folder of safetensors: a length, a header of JSON, and the tensors one after another.

use crate::checkpoint::{Checkpoint, Precision, SourceFile, StoredTensor};
use crate::engine::worker::Stop;
use half::f16;
use serde_json::json;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Bytes of a header for each tensor, more than it takes.
const OF_A_TENSOR: u64 = 256;
/// Bytes that are copied at a time.
const PIECE: u64 = 1 << 22;
/// What of the model's folder belongs to its weights, or tells how they are split.
const LEFT: [&str; 2] = ["safetensors", "bin"];

/// What becomes a tensor.
pub(super) enum Entry {
    /// These bytes, in F16.
    Half(Vec<u8>),
    /// Those of a file.
    Stored(SourceFile, u64),
}

impl Entry {
    pub(super) fn half(numbers: &[f32]) -> Self {
        Self::Half(numbers.iter().flat_map(|number| f16::from_f32(*number).to_le_bytes()).collect())
    }
}

/// Tensors of a file to be.
#[derive(Default)]
pub(super) struct Writer {
    entries: Vec<(String, serde_json::Value, u64, Entry)>,
}

impl Writer {
    /// As many bytes as a header of so many tensors takes at most.
    pub(super) fn header_bytes(tensors: usize) -> u64 {
        OF_A_TENSOR * (tensors as u64 + 1)
    }

    /// A matrix; rows first.
    pub(super) fn add(&mut self, name: String, shape: [u64; 2], entry: Entry) {
        let bytes = shape[0] * shape[1] * 2;
        self.entries.push((name, json!({ "dtype": "F16", "shape": shape }), bytes, entry));
    }

    /// A tensor as it is stored.
    pub(super) fn copy(&mut self, checkpoint: &Checkpoint, stored: &StoredTensor) -> Result<(), Stop> {
        let file = &checkpoint.files[stored.file];
        let Precision::Format(format) = &stored.precision else {
            return Err(Stop::Failed(format!(
                "{}: the tensor {} is stored as {}, and what is copied has to be F32, F16 or BF16",
                file.path.display(),
                stored.name,
                stored.precision
            )));
        };
        let shape: Vec<u64> = stored.shape.iter().rev().copied().collect();
        let entry = Entry::Stored(file.clone(), stored.offset);
        self.entries.push((stored.name.clone(), json!({ "dtype": format.name, "shape": shape }), stored.bytes, entry));
        Ok(())
    }

    /// Writes the file, whole or not at all, and returns its length.
    pub(super) fn write(&self, folder: &Path, name: &str) -> Result<u64, Stop> {
        let path = folder.join(name);
        let failed = |error: std::io::Error| Stop::Failed(format!("{} could not be written: {error}", path.display()));
        std::fs::create_dir_all(folder).map_err(failed)?;
        let mut header = serde_json::Map::new();
        header.insert("__metadata__".to_owned(), json!({ "format": "pt" }));
        let mut at = 0;
        for (name, about, bytes, _) in &self.entries {
            let mut about = about.clone();
            about["data_offsets"] = json!([at, at + bytes]);
            at += bytes;
            header.insert(name.clone(), about);
        }
        let mut header = serde_json::Value::Object(header).to_string().into_bytes();
        header.resize(header.len().next_multiple_of(8), b' ');
        let mut file = BufWriter::new(tempfile::NamedTempFile::new_in(folder).map_err(failed)?);
        file.write_all(&(header.len() as u64).to_le_bytes()).and_then(|()| file.write_all(&header)).map_err(failed)?;
        let mut piece = Vec::new();
        for (_, _, bytes, entry) in &self.entries {
            match entry {
                Entry::Half(numbers) => file.write_all(numbers).map_err(failed)?,
                Entry::Stored(source, offset) => {
                    for first in (0..*bytes).step_by(PIECE as usize) {
                        piece.resize(PIECE.min(bytes - first) as usize, 0);
                        source.read_at(offset + first, &mut piece).map_err(failed)?;
                        file.write_all(&piece).map_err(failed)?;
                    }
                }
            }
        }
        let file = file.into_inner().map_err(|error| failed(error.into_error()))?;
        file.as_file().sync_all().map_err(failed)?;
        file.persist(&path).map_err(|error| failed(error.error))?;
        Ok(8 + header.len() as u64 + at)
    }

    /// Copies what lies beside the weights of a model, and writes what the folder says of itself.
    pub(super) fn beside(&self, model: &Path, folder: &Path, readme: &str) -> Result<(), Stop> {
        let failed =
            |error: std::io::Error| Stop::Failed(format!("{} could not be written: {error}", folder.display()));
        let source = if model.is_dir() { model } else { model.parent().unwrap_or(Path::new(".")) };
        for entry in std::fs::read_dir(source).map_err(failed)?.filter_map(Result::ok) {
            let (path, name) = (entry.path(), entry.file_name());
            let is_document =
                path.extension().is_some_and(|ending| ending == "json" || ending == "model" || ending == "jinja");
            let is_left = LEFT.iter().any(|ending| name.to_string_lossy().contains(&format!(".{ending}")));
            if path.is_file() && is_document && !is_left {
                std::fs::copy(&path, folder.join(name)).map_err(failed)?;
            }
        }
        std::fs::write(folder.join("README.md"), readme).map_err(failed)
    }
}
