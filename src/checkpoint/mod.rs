//! What a user can open: Hugging Face folders, single safetensors files, GGUF files, whole or split.
//!
//! A [`Checkpoint`] is one list of stored tensors over one list of open files, and the documents beside them. Opening
//! reads headers only. Weights are read later, by position, into the caller's memory: reads stay bounded, and a file
//! that is cut short while it is open gives an error with its name, where a memory map would kill the process.

mod adapter;
mod coded;
mod file;
mod gguf;
mod huggingface;
mod number;
mod safetensors;

pub use ::safetensors::Dtype;
pub use adapter::{Adapter, LoraSettings};
pub use coded::{Coded, Grid, Layout, Neighbours, Position, Steps, Zero};
pub use file::SourceFile;
pub use huggingface::{Documents, SENTENCEPIECE_FILES};
pub use number::{NUMBERS, Number, NumberRef};

use crate::gguf::Metadata;
use crate::quant::{F32, FormatRef};
use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A refusal that tells which file, what was found, what was expected, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct OpenError {
    /// The file or folder at fault.
    pub path: PathBuf,
    /// One or two sentences.
    pub problem: String,
}

impl OpenError {
    /// A refusal of `path`.
    pub fn new(path: impl Into<PathBuf>, problem: impl Into<String>) -> Self {
        Self { path: path.into(), problem: problem.into() }
    }

    fn io(path: &Path, error: &io::Error) -> Self {
        Self::new(path, format!("it cannot be read: {error}"))
    }
}

/// What kind of thing was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Safetensors with a `config.json` beside them.
    HuggingFace,
    /// A GGUF file, or several that are one model.
    Gguf,
    /// A LoRA adapter, which is no model by itself.
    Adapter,
}

/// A tensor as it lies in a file.
#[derive(Clone, Debug)]
pub struct StoredTensor {
    /// Its name in the file.
    pub name: String,
    /// Columns first, as ggml counts (the reverse of the safetensors order). Empty for a scalar.
    pub shape: Vec<u64>,
    /// What its bytes are.
    pub precision: Precision,
    /// Index into [`Checkpoint::files`].
    pub file: usize,
    /// Position in that file.
    pub offset: u64,
    /// Its length.
    pub bytes: u64,
}

/// What the bytes of a stored tensor are.
#[derive(Clone, Debug, PartialEq)]
pub enum Precision {
    /// Weights in one of Tuck's formats.
    Format(FormatRef),
    /// Codes that stand for weights, read as F32.
    Coded(Arc<Coded>),
    /// Something else: weights that need other tensors to make sense, or no weights at all.
    Other(Dtype),
}

impl std::fmt::Display for Precision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Format(format) => format.fmt(f),
            Self::Coded(coded) => coded.name.fmt(f),
            Self::Other(dtype) => dtype.fmt(f),
        }
    }
}

impl StoredTensor {
    /// The format that reading its weights gives. `path` is its file's, for a refusal.
    pub fn format(&self, path: &Path) -> Result<FormatRef, OpenError> {
        match &self.precision {
            Precision::Format(format) => Ok(format),
            Precision::Coded(_) => Ok(&F32),
            Precision::Other(dtype) => Err(OpenError::new(
                path,
                format!(
                    "the tensor {} is stored as {dtype}; this version of Tuck reads F64, F32, F16 and BF16, FP8, and codes \
                     with the scales that belong to them",
                    self.name
                ),
            )),
        }
    }

    /// Refuses anything but plain bytes.
    pub fn expect_bytes(&self, path: &Path) -> Result<(), OpenError> {
        match &self.precision {
            Precision::Other(Dtype::U8) => Ok(()),
            other => Err(OpenError::new(
                path,
                format!("the tensor {} is stored as {other}, and bytes (U8) were expected", self.name),
            )),
        }
    }

    /// The codes it consists of, if it does.
    pub fn coded(&self) -> Option<&Arc<Coded>> {
        match &self.precision {
            Precision::Coded(coded) => Some(coded),
            _ => None,
        }
    }

    /// Number of weights.
    pub fn weights(&self) -> u64 {
        self.shape.iter().product()
    }
}

/// The parsed documents of a checkpoint.
#[derive(Debug)]
pub enum Contents {
    /// Those of a Hugging Face folder.
    HuggingFace(Box<Documents>),
    /// The metadata of a GGUF file, in file order.
    Gguf(Metadata),
}

/// An opened checkpoint.
#[derive(Debug)]
pub struct Checkpoint {
    /// What the user named.
    pub path: PathBuf,
    /// The open files.
    pub files: Vec<SourceFile>,
    /// Every tensor, in file order; names are unique.
    pub tensors: Vec<StoredTensor>,
    /// What lies beside the weights.
    pub contents: Contents,
}

impl Checkpoint {
    /// Opens a folder or a file, reading headers and documents only.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let found = std::fs::metadata(path).map_err(|error| OpenError::io(path, &error))?;
        if found.is_dir() {
            return huggingface::open_folder(path);
        }
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        match extension.as_str() {
            "safetensors" => huggingface::open_single(path),
            "gguf" => gguf::open(path),
            "bin" | "pt" | "pth" | "pkl" | "ckpt" => Err(OpenError::new(path, PICKLE)),
            _ => Err(OpenError::new(
                path,
                "it is neither a Hugging Face folder, nor a .safetensors file, nor a .gguf file; open one of these",
            )),
        }
    }

    /// The kind of thing this is.
    pub fn kind(&self) -> Kind {
        match self.contents {
            Contents::HuggingFace(_) => Kind::HuggingFace,
            Contents::Gguf(_) => Kind::Gguf,
        }
    }
}

/// Why a pickle is refused.
const PICKLE: &str = "this is a PyTorch pickle, which can run code when it is loaded, so Tuck never opens one; \
                      convert it to safetensors with the tools of its publisher, or download the safetensors version";

/// Refuses a tensor name that stands in two files (or twice in one).
fn refuse_duplicates(files: &[SourceFile], tensors: &[StoredTensor]) -> Result<(), OpenError> {
    let mut seen = HashSet::new();
    match tensors.iter().find(|t| !seen.insert(t.name.as_str())) {
        None => Ok(()),
        Some(twice) => Err(OpenError::new(
            &files[twice.file].path,
            format!(
                "the tensor {} is there twice among the files of this model; remove the file that does not belong",
                twice.name
            ),
        )),
    }
}
