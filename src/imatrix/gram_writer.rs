//! Writing files of Gram matrices, matrix by matrix.

use super::gram::{COUNTS, GRAM, PIECE, numbers};
use crate::gguf::{self, Array, DEFAULT_ALIGNMENT, HeaderTensor, Layout, MAX_TENSOR_NAME, Metadata, Value, ValueType};
use crate::positioned::write_at;
use crate::quant::F32;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What a file is to hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GramPlan {
    /// The texts.
    pub datasets: Vec<String>,
    /// Chunks of them, and tokens of each.
    pub chunks: [u32; 2],
    /// Name, columns and experts of each matrix.
    pub matrices: Vec<(String, u64, u64)>,
    /// A matrix, and the one that has the same input.
    pub shared: Vec<(String, String)>,
    /// What else it says.
    pub metadata: Metadata,
    /// Name and shape of other tensors of F32.
    pub tables: Vec<(String, Vec<u64>)>,
}

/// A file that is filled matrix by matrix, and gets its name when it is whole.
#[derive(Debug)]
pub struct GramWriter {
    file: File,
    partial: PathBuf,
    /// Where each tensor begins, and how many numbers it has.
    places: BTreeMap<String, (u64, u64)>,
}

impl GramWriter {
    /// Begins the file `partial`; with `resumes`, what is in it stays, if it has the right length. Says whether it stayed.
    pub fn begin(partial: &Path, plan: &GramPlan, resumes: bool) -> io::Result<(Self, bool)> {
        let mut names = Vec::new();
        for (name, columns, experts) in &plan.matrices {
            if name.len() + COUNTS.len() > MAX_TENSOR_NAME {
                return Err(io::Error::other(format!("the name {name}{COUNTS} is longer than ggml holds")));
            }
            names.push((format!("{name}{GRAM}"), vec![*columns, *columns, *experts]));
            names.push((format!("{name}{COUNTS}"), vec![1, *experts]));
        }
        names.extend(plan.tables.iter().cloned());
        let shared = plan.shared.iter().map(|(name, other)| format!("{name}={other}"));
        let mut metadata = vec![
            ("general.type".to_owned(), Value::from("gram")),
            (
                "gram.datasets".to_owned(),
                Array::new(ValueType::String, plan.datasets.iter().map(String::as_str)).into(),
            ),
            ("gram.chunk_count".to_owned(), plan.chunks[0].into()),
            ("gram.chunk_size".to_owned(), plan.chunks[1].into()),
            (
                "gram.shared".to_owned(),
                Array::new(ValueType::String, shared.collect::<Vec<_>>().iter().map(String::as_str)).into(),
            ),
        ];
        metadata.extend(plan.metadata.iter().cloned());
        let listed: Vec<_> = names.iter().map(|(name, shape)| HeaderTensor { name, shape, format: &F32 }).collect();
        let header_len = gguf::encode_header(&metadata, &listed, &vec![0; listed.len()]).len() as u64;
        let counts: Vec<u64> = names.iter().map(|(_, shape)| shape.iter().product()).collect();
        let sizes = counts.iter().map(|count| F32.bytes(*count));
        let Layout { header_bytes, offsets, file_bytes } = gguf::lay_out(header_len, sizes, DEFAULT_ALIGNMENT);
        let from_data: Vec<u64> = offsets.iter().map(|offset| offset - header_bytes).collect();
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(partial)?;
        let stayed = resumes && file.metadata()?.len() == file_bytes;
        if !stayed {
            file.set_len(0)?;
            file.set_len(file_bytes)?;
            file.write_all(&gguf::encode_header(&metadata, &listed, &from_data))?;
        }
        let places = names.into_iter().map(|(name, _)| name).zip(offsets.into_iter().zip(counts)).collect();
        Ok((Self { file, partial: partial.to_owned(), places }, stayed))
    }

    /// Writes the means and counts of a matrix, which has to be one of the plan's.
    pub fn write(&mut self, name: &str, means: &[f32], counts: &[u64]) -> io::Result<()> {
        self.fill(&format!("{name}{GRAM}"), means)?;
        let counts: Vec<f32> = counts.iter().map(|count| *count as f32).collect();
        self.fill(&format!("{name}{COUNTS}"), &counts)
    }

    /// Writes a whole table of the plan's.
    pub fn fill(&mut self, name: &str, numbers: &[f32]) -> io::Result<()> {
        let (at, _) = self.place(name)?;
        let pieces = numbers.par_chunks(PIECE).enumerate();
        pieces.try_for_each(|(n, numbers)| {
            write_at(&self.file, at + F32.bytes((n * PIECE) as u64), bytemuck::cast_slice(numbers))
        })
    }

    /// A table that was filled; none that was not planned.
    pub fn table(&self, name: &str) -> io::Result<Option<Vec<f32>>> {
        let Ok((at, count)) = self.place(name) else { return Ok(None) };
        numbers(&self.file, at, count as usize).map(Some)
    }

    fn place(&self, name: &str) -> io::Result<(u64, u64)> {
        self.places.get(name).copied().ok_or_else(|| io::Error::other(format!("{name} was not planned")))
    }

    /// What was written is on the disk after this.
    pub fn flush(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Gives the whole file its name.
    pub fn finish(self, path: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        std::fs::rename(&self.partial, path)
    }
}
