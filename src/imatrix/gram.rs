//! Gram matrices: the mean of x·xᵀ over the inputs of a matrix, which packing with error feedback needs whole.
//!
//! A file is a GGUF of Tuck's own: `general.type` is `gram`, `gram.datasets`, `gram.chunk_count` and `gram.chunk_size` are as
//! in an importance matrix, and for each matrix there are the F32 tensors `NAME.gram`, `[columns, columns, experts]`, and
//! `NAME.counts`, `[1, experts]`, how many tokens the mean is over. Matrices with the same input share one: in the array
//! `gram.shared`, each text `NAME=OTHER` says that the Gram matrix of NAME is that of OTHER. Where inputs are those of a model
//! whose earlier matrices are quantized, `NAME.shift`, `[columns, columns]`, is what rows are shifted by. `NAME.fisher`,
//! `[rows, rows]`, is the mean of δ·δᵀ, δ the gradient of what the model says by the outputs of that matrix, not of those that
//! share its input. A file of [`Statistics`](super::Statistics) has more metadata, and tables beside these.

use crate::gguf::{self, TensorInfo, Value};
use crate::positioned::read_at;
use crate::quant::F32;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader};
use std::ops::Range;
use std::path::{Path, PathBuf};

pub(super) const GRAM: &str = ".gram";
pub(super) const COUNTS: &str = ".counts";
const SHIFT: &str = ".shift";
const FISHER: &str = ".fisher";
/// Numbers that a thread reads or writes at a time.
pub(super) const PIECE: usize = 1 << 20;

/// The name of what rows of a matrix are shifted by, as a table of [`GramPlan::tables`](super::GramPlan::tables).
pub fn shift_name(name: &str) -> String {
    format!("{name}{SHIFT}")
}

/// The name of how the outputs of a matrix go together, as a table of [`GramPlan::tables`](super::GramPlan::tables).
pub fn fisher_name(name: &str) -> String {
    format!("{name}{FISHER}")
}

/// The Gram matrices of the inputs of a matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct GramMatrices {
    /// The mean of x·xᵀ, symmetric, of one expert after another.
    pub means: Vec<f32>,
    /// How many tokens it is over, by expert.
    pub counts: Vec<u64>,
}

/// A file of Gram matrices.
#[derive(Debug)]
pub struct Gram {
    path: PathBuf,
    file: File,
    /// By name of the matrix.
    matrices: BTreeMap<String, [TensorInfo; 2]>,
    shared: BTreeMap<String, String>,
    shifts: BTreeMap<String, TensorInfo>,
    fishers: BTreeMap<String, TensorInfo>,
}

impl Gram {
    /// Opens a file; its matrices are read when they are asked for. Refuses shapes that Gram matrices do not have.
    pub fn open(path: &Path) -> Result<Self, String> {
        let refuse = |problem: String| format!("{}: {problem}", path.display());
        let file = File::open(path).map_err(|error| refuse(format!("it could not be read: {error}")))?;
        let bytes = file.metadata().map_err(|error| refuse(error.to_string()))?.len();
        let header = gguf::read_header(BufReader::new(&file), bytes).map_err(|error| refuse(error.to_string()))?;
        let value = |key: &str| header.metadata.iter().find(|(known, _)| known == key).map(|(_, value)| value);
        if value("general.type").and_then(Value::as_str) != Some("gram") {
            return Err(refuse("it holds no Gram matrices; make it with tuck calibrate --gram".to_owned()));
        }
        let shared = value("gram.shared").and_then(Value::as_array).map(|array| array.values.as_slice());
        let pair = |text: &Value| text.as_str()?.split_once('=').map(|(a, b)| (a.to_owned(), b.to_owned()));
        let shared = shared.unwrap_or_default().iter().filter_map(pair).collect();
        let matrices = matrices(&header.tensors).map_err(refuse)?;
        let shifts = shifts(&header.tensors, &matrices).map_err(refuse)?;
        let fishers = fishers(&header.tensors).map_err(refuse)?;
        Ok(Self { path: path.to_owned(), file, matrices, shared, shifts, fishers })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The matrix that stands for all that have the same input as this one; none where nothing is known of its input.
    pub fn owner(&self, name: &str) -> Option<&str> {
        let owner = self.shared.get(name).map_or(name, String::as_str);
        self.matrices.get_key_value(owner).map(|(owner, _)| owner.as_str())
    }

    /// The names that it has, with those that share another's.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.matrices.keys().chain(self.shared.keys()).map(String::as_str)
    }

    /// Whether there is one for a tensor, of which `shape` counts columns first. Refuses one that does not fit it.
    pub fn fits(&self, name: &str, shape: &[u64]) -> Result<bool, String> {
        let Some(owner) = self.owner(name) else { return Ok(false) };
        let (columns, experts) = (shape[0], shape.iter().skip(2).product::<u64>());
        let [columns_here, experts_here] = self.size(owner);
        if [columns_here, experts_here] == [columns, experts] {
            return Ok(true);
        }
        Err(self.refuse(format!(
            "its Gram matrix for the tensor {name} is of {columns_here} columns and {experts_here} experts, and the model's \
             tensor has {columns} columns and {experts} experts; it was made with another model, so make one with this model \
             (tuck calibrate --gram)"
        )))
    }

    /// Columns and experts.
    fn size(&self, owner: &str) -> [u64; 2] {
        let shape = &self.matrices[owner][0].shape;
        [shape[0], shape.get(2).copied().unwrap_or(1)]
    }

    /// Those of a matrix.
    pub fn read(&self, name: &str) -> Result<Option<GramMatrices>, String> {
        let Some(owner) = self.owner(name) else { return Ok(None) };
        let all = self.matrices[owner][0].bytes / F32.block_bytes as u64;
        Ok(Some(GramMatrices { means: self.floats(owner, 0..all)?, counts: self.counts(owner)? }))
    }

    /// The mean of x·xᵀ of one expert, of which the first is 0, of a matrix that there is an [`owner`](Self::owner) of.
    pub fn expert(&self, owner: &str, expert: u64) -> Result<Vec<f32>, String> {
        let square = self.size(owner)[0].pow(2);
        self.floats(owner, expert * square..(expert + 1) * square)
    }

    /// What rows w of a matrix become before they are quantized is w + w · this, where that is known.
    pub fn shift(&self, owner: &str) -> Result<Option<Vec<f32>>, String> {
        let Some(tensor) = self.shifts.get(owner) else { return Ok(None) };
        self.numbers(tensor, 0..tensor.shape.iter().product()).map(Some)
    }

    /// The mean of δ·δᵀ, δ the gradient by the outputs of a matrix, by name, of those that have the same input as this one, as far
    /// as it is known.
    pub fn fishers(&self, owner: &str) -> Result<BTreeMap<String, Vec<f32>>, String> {
        let own = self.fishers.iter().filter(|(name, _)| self.owner(name) == Some(owner));
        own.map(|(name, tensor)| Ok((name.clone(), self.numbers(tensor, 0..tensor.shape.iter().product())?))).collect()
    }

    /// How many tokens the means of a matrix are over, by expert.
    pub fn counts(&self, owner: &str) -> Result<Vec<u64>, String> {
        let tensor = &self.matrices[owner][1];
        let counts = self.numbers(tensor, 0..self.size(owner)[1])?;
        match counts.iter().position(|count| !(0.0..=u32::MAX as f32).contains(count)) {
            None => Ok(counts.into_iter().map(|count| count as u64).collect()),
            Some(at) => Err(self.refuse(format!(
                "the tensor {} has {} as value {at}, and a number of tokens was expected; make the file again",
                tensor.name, counts[at]
            ))),
        }
    }

    fn floats(&self, owner: &str, range: Range<u64>) -> Result<Vec<f32>, String> {
        self.numbers(&self.matrices[owner][0], range)
    }

    fn numbers(&self, tensor: &TensorInfo, range: Range<u64>) -> Result<Vec<f32>, String> {
        numbers(&self.file, tensor.offset + F32.bytes(range.start), (range.end - range.start) as usize)
            .map_err(|error| self.refuse(format!("the tensor {} could not be read: {error}", tensor.name)))
    }

    /// A refusal of the file.
    pub fn refuse(&self, problem: String) -> String {
        format!("{}: {problem}", self.path.display())
    }

    /// The same for a model whose tensors are called otherwise; what has no name any more is left out.
    pub fn renamed(self, rename: impl Fn(&str) -> Option<String>) -> Self {
        let matrices = self.matrices.into_iter().filter_map(|(name, pair)| Some((rename(&name)?, pair))).collect();
        let shared = self.shared.into_iter().filter_map(|(name, owner)| Some((rename(&name)?, rename(&owner)?)));
        let shifts = self.shifts.into_iter().filter_map(|(name, tensor)| Some((rename(&name)?, tensor))).collect();
        let fishers = self.fishers.into_iter().filter_map(|(name, tensor)| Some((rename(&name)?, tensor))).collect();
        Self { shared: shared.collect(), matrices, shifts, fishers, ..self }
    }
}

/// So many numbers of a file.
pub(super) fn numbers(file: &File, from: u64, count: usize) -> io::Result<Vec<f32>> {
    let mut numbers = vec![0.0f32; count];
    let pieces = numbers.par_chunks_mut(PIECE).enumerate();
    pieces.try_for_each(|(n, numbers)| {
        read_at(file, from + F32.bytes((n * PIECE) as u64), bytemuck::cast_slice_mut(numbers))
    })?;
    if cfg!(target_endian = "big") {
        numbers.iter_mut().for_each(|number| *number = f32::from_bits(number.to_bits().swap_bytes()));
    }
    Ok(numbers)
}

/// How outputs go together, by matrix.
fn fishers(tensors: &[TensorInfo]) -> Result<BTreeMap<String, TensorInfo>, String> {
    let named = tensors.iter().filter_map(|tensor| Some((tensor.name.strip_suffix(FISHER)?, tensor)));
    let fisher = |(name, tensor): (&str, &TensorInfo)| match tensor.shape[..] {
        [columns, rows] if columns == rows && *tensor.format == F32 => Ok((name.to_owned(), tensor.clone())),
        _ => Err(format!(
            "the tensor {} is {} of {:?}, and a square of F32 was expected; make the file again",
            tensor.name, tensor.format, tensor.shape
        )),
    };
    named.map(fisher).collect()
}

/// What rows are shifted by, of matrices with a Gram matrix.
fn shifts(
    tensors: &[TensorInfo],
    matrices: &BTreeMap<String, [TensorInfo; 2]>,
) -> Result<BTreeMap<String, TensorInfo>, String> {
    let mut shifts = BTreeMap::new();
    for tensor in tensors {
        let Some(name) = tensor.name.strip_suffix(SHIFT) else { continue };
        let columns = matrices.get(name).map(|[gram, _]| gram.shape[0]);
        if *tensor.format != F32 || columns.is_none_or(|columns| tensor.shape[..] != [columns; 2]) {
            return Err(format!(
                "the tensor {} is {} of {:?}, and F32 of the size of a Gram matrix was expected; make the file again",
                tensor.name, tensor.format, tensor.shape
            ));
        }
        shifts.insert(name.to_owned(), tensor.clone());
    }
    Ok(shifts)
}

/// The Gram matrices of a file, each with its counts.
fn matrices(tensors: &[TensorInfo]) -> Result<BTreeMap<String, [TensorInfo; 2]>, String> {
    let all_counts: BTreeMap<&str, &TensorInfo> =
        tensors.iter().filter_map(|tensor| Some((tensor.name.strip_suffix(COUNTS)?, tensor))).collect();
    let mut matrices = BTreeMap::new();
    for tensor in tensors {
        let Some(name) = tensor.name.strip_suffix(GRAM) else { continue };
        let counts = *all_counts
            .get(name)
            .ok_or_else(|| format!("the tensor {name}{COUNTS} is missing; make the file again"))?;
        let experts = tensor.shape.iter().skip(2).product::<u64>();
        for (tensor, shape) in [(tensor, [tensor.shape[0], tensor.shape[0], experts]), (counts, [1, experts, 1])] {
            let is_so = |(n, wanted): (usize, &u64)| tensor.shape.get(n).copied().unwrap_or(1) == *wanted;
            if *tensor.format != F32 || tensor.shape.len() > 3 || !shape.iter().enumerate().all(is_so) {
                return Err(format!(
                    "the tensor {} is {} of {:?}, and F32 of {shape:?} was expected; make the file again",
                    tensor.name, tensor.format, tensor.shape
                ));
            }
        }
        matrices.insert(name.to_owned(), [tensor.clone(), counts.clone()]);
    }
    Ok(matrices)
}
