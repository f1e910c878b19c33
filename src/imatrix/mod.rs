//! Importance matrices: how much each column of a model's matrices counts, gathered by running it over text.
//!
//! The files are llama.cpp's (`tools/imatrix`), in the form of a GGUF and in the older one that is called `.dat`; what
//! they mean is what `llama-quantize` makes of them.

mod dat;
mod gguf;
mod gram;
mod gram_writer;
mod statistics;

pub use gram::{Gram, GramMatrices, fisher_name, shift_name};
pub use gram_writer::{GramPlan, GramWriter};
pub use statistics::{Alone, Identity, Statistics, Tables, TensorStatistics, Together, square_name};

use crate::gguf::MAGIC;
use crate::positioned::read_at;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

/// No file is read that holds more: the largest models with hundreds of experts a layer need about a third.
const MAX_BYTES: u64 = 4 << 30;

/// Squared activations by column, for each matrix.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Imatrix {
    /// The file it was read from.
    pub path: PathBuf,
    /// The texts it was gathered from.
    pub datasets: Vec<String>,
    /// Chunks of text that were run.
    pub chunks: u32,
    /// Tokens in a chunk; 1 where the file counts in chunks, as the `.dat` form does.
    pub chunk_tokens: u32,
    /// By tensor name: the mean square of each input column; of one expert after another, where there are several. 1
    /// throughout an expert that no token reached.
    pub columns: BTreeMap<String, Vec<f32>>,
    /// By tensor name: how many tokens the means are over. One number, or one for each expert.
    pub counts: BTreeMap<String, Vec<u64>>,
    /// Names of entries that [`include`](Self::include) and [`exclude`](Self::exclude) left out.
    pub left_out: BTreeSet<String>,
}

/// Why an importance matrix cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct ImatrixError {
    /// The file.
    pub path: PathBuf,
    /// What was found, what was expected, and what to do.
    pub problem: String,
}

impl Imatrix {
    /// Reads a file of either form. Refuses values that are negative or no numbers.
    pub fn open(path: &Path) -> Result<Self, ImatrixError> {
        let refuse = |problem: String| ImatrixError { path: path.to_owned(), problem };
        let unread = |error: io::Error| refuse(format!("it could not be read: {error}"));
        let file = File::open(path).map_err(unread)?;
        let found = file.metadata().map_err(unread)?;
        if !found.is_file() {
            return Err(refuse("it is not a file; name one that llama-imatrix wrote".to_owned()));
        }
        let mut first = [0; MAGIC.len()];
        let is_gguf = read_at(&file, 0, &mut first).is_ok() && first == MAGIC;
        let read = if is_gguf { gguf::read(&file, found.len()) } else { dat::read(BufReader::new(&file), found.len()) };
        Ok(Self { path: path.to_owned(), ..read.map_err(refuse)? })
    }

    /// The bytes of a file, in the older form where its path ends with `.dat` and of a GGUF otherwise. llama.cpp reads both.
    pub fn encode(&self) -> Result<Vec<u8>, ImatrixError> {
        let is_older = self.path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("dat"));
        let bytes = if is_older { dat::encode(self) } else { gguf::encode(self) };
        bytes.map_err(|problem| self.refuse(problem))
    }

    /// Keeps the entries whose name contains one of `parts`, as `--include-weights` of llama-quantize does.
    pub fn include(self, parts: &[String]) -> Result<Self, ImatrixError> {
        self.keep(parts, true)
    }

    /// Drops the entries whose name contains one of `parts`, as `--exclude-weights` of llama-quantize does.
    pub fn exclude(self, parts: &[String]) -> Result<Self, ImatrixError> {
        self.keep(parts, false)
    }

    fn keep(mut self, parts: &[String], matching: bool) -> Result<Self, ImatrixError> {
        if let Some(part) = parts.iter().find(|part| !self.columns.keys().any(|name| name.contains(*part))) {
            let names: Vec<_> = self.columns.keys().take(3).map(String::as_str).collect();
            return Err(self.refuse(format!(
                "no entry has {part:?} in its name; its {} entries are called {}..., so give a part of such a name",
                self.columns.len(),
                names.join(", ")
            )));
        }
        let kept = |name: &String| parts.iter().any(|part| name.contains(part)) == matching;
        if !self.columns.keys().any(kept) {
            return Err(self.refuse(format!(
                "all {} entries would be left out; to go without it, do not name the file",
                self.columns.len()
            )));
        }
        self.left_out.extend(self.columns.keys().filter(|name| !kept(name)).cloned());
        self.columns.retain(|name, _| kept(name));
        self.counts.retain(|name, _| kept(name));
        Ok(self)
    }

    /// The entry of a tensor: a number for each column, of one expert after another. `shape` counts columns first.
    pub fn entry(&self, name: &str, shape: &[u64]) -> Result<Option<&[f32]>, ImatrixError> {
        let Some(columns) = self.columns.get(name) else { return Ok(None) };
        let experts = shape.iter().skip(2).product::<u64>();
        if columns.len() as u64 == shape[0] * experts {
            return Ok(Some(columns));
        }
        let experts = if experts == 1 { String::new() } else { format!(" of each of {experts} experts") };
        Err(self.refuse(format!(
            "its entry for the tensor {name} has {} values, and the model's tensor needs one for each of {} columns{experts}; it \
             was made with another model, so make one with this model, or leave the entry out with --exclude-weights {name}",
            columns.len(),
            shape[0],
        )))
    }

    fn refuse(&self, problem: String) -> ImatrixError {
        ImatrixError { path: self.path.clone(), problem }
    }

    /// Adds what a file says of a tensor.
    fn insert(&mut self, name: &str, columns: Vec<f32>, counts: Vec<u64>) -> Result<(), String> {
        if let Some(at) = columns.iter().position(|c| !(c.is_finite() && *c >= 0.0)) {
            return Err(format!(
                "its entry for the tensor {name} has {} as value {at}, where a mean of squares was expected; the file is \
                 damaged, so download it or make it again",
                columns[at]
            ));
        }
        if self.columns.insert(name.to_owned(), columns).is_some() {
            return Err(format!(
                "it has two entries for the tensor {name}; the file is damaged, so download it or make it again"
            ));
        }
        self.counts.insert(name.to_owned(), counts);
        Ok(())
    }
}

/// The columns of one matrix as factors for a search: relative to one another, their mean near 1. All 1 where every
/// column is 0, for then none counts more than another.
pub fn factors(columns: &[f32]) -> impl Iterator<Item = f32> {
    let sum: f64 = columns.iter().copied().map(f64::from).sum();
    let mean = sum / columns.len() as f64;
    columns.iter().map(move |&column| if mean > 0.0 { (f64::from(column) / mean) as f32 } else { 1.0 })
}

impl Imatrix {
    /// The same for a model whose tensors are called otherwise; what has no name any more is left out.
    pub fn renamed(&self, rename: impl Fn(&str) -> Option<String>) -> Self {
        fn renamed<T: Clone>(
            named: &BTreeMap<String, T>,
            rename: impl Fn(&str) -> Option<String>,
        ) -> BTreeMap<String, T> {
            named.iter().filter_map(|(name, of)| Some((rename(name)?, of.clone()))).collect()
        }
        Self {
            columns: renamed(&self.columns, &rename),
            counts: renamed(&self.counts, &rename),
            left_out: self.left_out.iter().filter_map(|name| rename(name)).collect(),
            ..self.clone()
        }
    }
}
