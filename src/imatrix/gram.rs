//! Gram matrices: the mean of x·xᵀ over the inputs of a matrix, which packing with error feedback needs whole.
//!
//! A file is a GGUF of Tuck's own: `general.type` is `gram`, `gram.datasets`, `gram.chunk_count` and `gram.chunk_size` are as
//! in an importance matrix, and for each matrix there are the F32 tensors `NAME.gram`, `[columns, columns, experts]`, and
//! `NAME.counts`, `[1, experts]`, how many tokens the mean is over. Matrices with the same input share one: in the array
//! `gram.shared`, each text `NAME=OTHER` says that the Gram matrix of NAME is that of OTHER. A file of
//! [`Statistics`](super::Statistics) has more metadata, and tables beside these.

use crate::gguf::{self, Array, DEFAULT_ALIGNMENT, HeaderTensor, Layout, MAX_TENSOR_NAME, Metadata, Value, ValueType};
use crate::positioned::read_at;
use crate::quant::F32;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const GRAM: &str = ".gram";
const COUNTS: &str = ".counts";

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
    /// Where each tensor begins.
    offsets: BTreeMap<String, u64>,
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
        let sizes = names.iter().map(|(_, shape)| F32.bytes(shape.iter().product()));
        let Layout { header_bytes, offsets, file_bytes } = gguf::lay_out(header_len, sizes, DEFAULT_ALIGNMENT);
        let from_data: Vec<u64> = offsets.iter().map(|offset| offset - header_bytes).collect();
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(partial)?;
        let stayed = resumes && file.metadata()?.len() == file_bytes;
        if !stayed {
            file.set_len(0)?;
            file.set_len(file_bytes)?;
            file.write_all(&gguf::encode_header(&metadata, &listed, &from_data))?;
        }
        let offsets = names.into_iter().map(|(name, _)| name).zip(offsets).collect();
        Ok((Self { file, partial: partial.to_owned(), offsets }, stayed))
    }

    /// Writes the means and counts of a matrix, which has to be one of the plan's.
    pub fn write(&mut self, name: &str, means: &[f32], counts: &[u64]) -> io::Result<()> {
        self.fill(&format!("{name}{GRAM}"), means)?;
        let counts: Vec<f32> = counts.iter().map(|count| *count as f32).collect();
        self.fill(&format!("{name}{COUNTS}"), &counts)
    }

    /// Writes a whole table of the plan's.
    pub fn fill(&mut self, name: &str, numbers: &[f32]) -> io::Result<()> {
        let at = *self.offsets.get(name).ok_or_else(|| io::Error::other(format!("{name} was not planned")))?;
        self.file.seek(SeekFrom::Start(at))?;
        self.file.write_all(bytemuck::cast_slice(numbers))
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
    file: File,
    header: gguf::Header,
    shared: BTreeMap<String, String>,
}

impl Gram {
    /// Opens a file; its matrices are read when they are asked for.
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
        Ok(Self { file, header, shared })
    }

    /// Those of a matrix.
    pub fn read(&self, name: &str) -> Result<Option<GramMatrices>, String> {
        let name = self.shared.get(name).map_or(name, String::as_str);
        let (Some(matrix), Some(counts)) =
            (self.floats(&format!("{name}{GRAM}"))?, self.floats(&format!("{name}{COUNTS}"))?)
        else {
            return Ok(None);
        };
        Ok(Some(GramMatrices { means: matrix, counts: counts.into_iter().map(|count| count as u64).collect() }))
    }

    fn floats(&self, name: &str) -> Result<Option<Vec<f32>>, String> {
        let Some(tensor) = self.header.tensors.iter().find(|tensor| tensor.name == name) else { return Ok(None) };
        if *tensor.format != F32 {
            return Err(format!("the tensor {name} is stored as {}, and F32 was expected", tensor.format));
        }
        let mut bytes = vec![0; tensor.bytes as usize];
        read_at(&self.file, tensor.offset, &mut bytes).map_err(|error| format!("the tensor {name}: {error}"))?;
        Ok(Some(bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()))
    }
}
