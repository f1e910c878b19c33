//! Stored tensors while those that belong together are put together.

use super::Steps;
use super::grid::{Grid, Layout, Neighbours, Position, per_word};
use crate::checkpoint::number::{Number, NumberRef};
use crate::checkpoint::{OpenError, Precision, SourceFile, StoredTensor};
use std::collections::HashMap;
use std::path::Path;

/// Ends of names of what only matters where activations are quantized too.
const UNUSED: &[&str] = &[
    ".input_scale",
    ".input_scale_ub",
    ".input_zero_point",
    ".input_global_scale",
    ".output_scale",
    ".activation_scale",
    "_activation_scale",
    ".k_scale",
    ".v_scale",
    ".q_scale",
    ".k_proj.output_scale",
    ".v_proj.output_scale",
];

/// The tensors, which can be taken by name.
pub(super) struct Pieces<'a> {
    files: &'a [SourceFile],
    path: &'a Path,
    tensors: Vec<Option<StoredTensor>>,
    places: HashMap<String, usize>,
}

impl<'a> Pieces<'a> {
    pub(super) fn new(files: &'a [SourceFile], tensors: Vec<StoredTensor>, path: &'a Path) -> Self {
        let places = tensors.iter().enumerate().map(|(place, tensor)| (tensor.name.clone(), place)).collect();
        Self { files, path, tensors: tensors.into_iter().map(Some).collect(), places }
    }

    /// What is left, in the order it had; without what is of no use among weights that were quantized.
    pub(super) fn finish(self) -> Vec<StoredTensor> {
        let has_codes = self.tensors.iter().flatten().any(|tensor| tensor.coded().is_some());
        let is_unused = |tensor: &StoredTensor| has_codes && UNUSED.iter().any(|end| tensor.name.ends_with(end));
        self.tensors.into_iter().flatten().filter(|tensor| !is_unused(tensor)).collect()
    }

    /// The tensors whose names end so, without that ending.
    pub(super) fn modules(&self, ending: &str) -> Vec<String> {
        let names = self.tensors.iter().flatten().filter_map(|tensor| tensor.name.strip_suffix(ending));
        names.map(str::to_owned).collect()
    }

    /// Every tensor that is still there.
    pub(super) fn each(&mut self) -> impl Iterator<Item = &mut StoredTensor> {
        self.tensors.iter_mut().flatten()
    }

    /// Takes a tensor out.
    pub(super) fn take(&mut self, name: &str) -> Option<StoredTensor> {
        self.tensors[*self.places.get(name)?].take()
    }

    /// Takes a tensor that `of` makes no sense without.
    pub(super) fn need(&mut self, name: &str, of: &str) -> Result<StoredTensor, OpenError> {
        self.take(name).ok_or_else(|| {
            let problem = format!("is missing, and {of} means nothing without it; download the model again");
            self.refuse(name, &problem)
        })
    }

    /// Puts a tensor where one called `place` was.
    pub(super) fn put(&mut self, place: &str, tensor: StoredTensor) {
        if let Some(place) = self.places.get(place) {
            self.tensors[*place] = Some(tensor);
        }
    }

    /// A refusal that names a tensor, which may have been taken already.
    pub(super) fn refuse(&self, name: &str, problem: &str) -> OpenError {
        let file = self.places.get(name).and_then(|place| self.tensors[*place].as_ref()).map(|tensor| tensor.file);
        let path = file.map_or(self.path, |file| self.files[file].path.as_path());
        OpenError::new(path, format!("the tensor {name} {problem}"))
    }

    /// A refusal of a tensor that was taken.
    pub(super) fn wrong(&self, tensor: &StoredTensor, problem: &str) -> OpenError {
        OpenError::new(&self.files[tensor.file].path, format!("the tensor {} {problem}", tensor.name))
    }

    /// A refusal of the way in which a checkpoint was quantized.
    pub(super) fn unreadable(&self, problem: &str) -> OpenError {
        OpenError::new(self.path, format!("{problem}; start from the original model, before it was quantized"))
    }

    /// The columns and rows of a matrix.
    pub(super) fn sizes(&self, tensor: &StoredTensor) -> Result<[u64; 2], OpenError> {
        let shape = tensor.shape.as_slice().try_into();
        shape.map_err(|_| self.wrong(tensor, &format!("has {} dimensions, and 2 were expected", tensor.shape.len())))
    }

    /// Which group each of `count` rows or columns belongs to.
    pub(super) fn listed(&self, order: &StoredTensor, count: u64, group: u64, of: &str) -> Result<Steps, OpenError> {
        self.expect_shape(order, &[count], of)?;
        Ok(Steps::Listed { at: Position::of(order), number: self.number(order)?, otherwise: group })
    }

    /// Refuses a tensor of another shape, columns first.
    pub(super) fn expect_shape(&self, tensor: &StoredTensor, expected: &[u64], of: &str) -> Result<(), OpenError> {
        let show = |shape: &[u64]| shape.iter().rev().map(u64::to_string).collect::<Vec<_>>().join(" x ");
        if tensor.shape == expected {
            return Ok(());
        }
        let problem = format!(
            "has the shape {}, and to go with {of} it should be {}; they do not belong together, so download the model again",
            show(&tensor.shape),
            show(expected)
        );
        Err(self.wrong(tensor, &problem))
    }

    /// What a tensor consists of, if it is numbers.
    pub(super) fn number(&self, tensor: &StoredTensor) -> Result<NumberRef, OpenError> {
        let found = Number::of(&tensor.precision);
        found.ok_or_else(|| {
            self.wrong(tensor, &format!("is stored as {}, and plain numbers were expected", tensor.precision))
        })
    }

    /// Numbers one after another; their rows and columns are the caller's.
    pub(super) fn numbers(&self, tensor: &StoredTensor, rows: u64, columns: u64) -> Result<Grid, OpenError> {
        Ok(Grid { at: Position::of(tensor), rows, columns, layout: Layout::Numbers(self.number(tensor)?) })
    }

    /// Numbers of a few bits in words of 32, of which there have to be as many as they take.
    pub(super) fn words(
        &self,
        tensor: &StoredTensor,
        (rows, columns): (u64, u64),
        bits: u32,
        of: Neighbours,
        whose: &str,
    ) -> Result<Grid, OpenError> {
        if !matches!(&tensor.precision, Precision::Other(dtype) if dtype.to_string() == "I32") {
            let problem = format!("is stored as {}, and words of 32 bits (I32) were expected", tensor.precision);
            return Err(self.wrong(tensor, &problem));
        }
        let expected = match of {
            Neighbours::Rows => [columns, rows.div_ceil(per_word(bits))],
            _ => [columns.div_ceil(per_word(bits)), rows],
        };
        self.expect_shape(tensor, &expected, &format!("the {rows} x {columns} codes of {bits} bits of {whose}"))?;
        Ok(Grid { at: Position::of(tensor), rows, columns, layout: Layout::Words { bits, of } })
    }

    /// Whole numbers that say how other tensors are to be read; few of them.
    pub(super) fn whole_numbers<const N: usize>(&self, tensor: &StoredTensor) -> Result<[u64; N], OpenError> {
        self.expect_shape(tensor, &[N as u64], "what it describes")?;
        let mut bytes = vec![0; tensor.bytes as usize];
        let file = &self.files[tensor.file];
        file.read_at(tensor.offset, &mut bytes).map_err(|error| OpenError::io(&file.path, &error))?;
        let numbers: Vec<i64> = match bytes.len() / N {
            8 => bytes.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b)).collect(),
            4 => bytes.as_chunks().0.iter().map(|b| i32::from_le_bytes(*b).into()).collect(),
            _ => return Err(self.wrong(tensor, &format!("is stored as {}, and I64 was expected", tensor.precision))),
        };
        let mut out = [0; N];
        for (out, number) in out.iter_mut().zip(&numbers) {
            *out = u64::try_from(*number)
                .map_err(|_| self.wrong(tensor, &format!("says {numbers:?}, and sizes were expected")))?;
        }
        Ok(out)
    }
}
