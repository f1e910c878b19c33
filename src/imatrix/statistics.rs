//! Statistics of a model on a text: what an automatic mix is chosen by, in one file beside the Gram matrices.
//!
//! A file is one of Gram matrices ([`Gram`](super::Gram)) that says more: `statistics.version`, `statistics.model` and
//! `statistics.text`, digests of what it is of; in `statistics.tensors` and `statistics.formats` the names that number the
//! rows and columns of its tables. Tables are F32, and what is not known yet is NaN:
//!
//! | table | shape | |
//! |---|---|---|
//! | `NAME.squares` | `[columns, experts]` | mean squares of the inputs of a matrix, as in an importance matrix |
//! | `sensitivities` | `[4, tensors]` | KL divergence that quantizing one tensor alone causes, its standard error, over how many chunks, and to which ggml type |
//! | `errors` | `[formats, tensors]` | tr(E H Eᵀ): the squared error of a tensor's outputs in a format |
//! | `reckoned` | `[4, tensors]` | the same, reckoned from sets of tensors that were quantized together |
//! | `together` | `[3, 2]` | how much more tensors lose together than alone, what error feedback leaves of it, and over how many chunks: where no tensor was measured alone, and where all were |
//!
//! The tables are filled in place, so what was known when a run was ended is known to the next.

use super::{Gram, Imatrix, ImatrixError};
use crate::gguf::{self, Array, Header, Metadata, TensorInfo, Value, ValueType};
use crate::positioned::read_at;
use crate::quant::{F32, FORMATS, FormatRef, format_from_ggml_type};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const VERSION: u32 = 2;
const SQUARES: &str = ".squares";
const SENSITIVITIES: &str = "sensitivities";
const ERRORS: &str = "errors";
const RECKONED: &str = "reckoned";
const TOGETHER: &str = "together";

/// What statistics are of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// A digest of the model: shapes of its tensors, and some weights of each.
    pub model: String,
    /// A digest of the text's tokens.
    pub text: String,
}

impl Identity {
    /// A file name of its own.
    pub fn file_name(&self) -> String {
        // What a file says may be anything.
        let plain = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
        let short = |digest: &str| digest.chars().filter(plain).take(16).collect::<String>();
        format!("statistics-{}-{}.gguf", short(&self.model), short(&self.text))
    }
}

/// What was measured with one tensor quantized alone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alone {
    /// Mean KL divergence from the predictions of the model as it is, in nats.
    pub divergence: f64,
    /// Its standard error.
    pub error: f64,
    /// Chunks of text that it was measured on.
    pub chunks: u32,
    /// What the tensor was quantized to.
    pub format: FormatRef,
}

/// What was measured with all tensors quantized, or with many.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Together {
    /// a: tensors that would lose s if their losses added up lose s (1 + a s).
    pub interaction: f64,
    /// The share of it that is left where error feedback chooses blocks.
    pub feedback: f64,
    /// Chunks of text that it was measured on.
    pub chunks: u32,
}

/// What is known of a tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorStatistics {
    /// Its GGUF name.
    pub name: String,
    /// What it does alone, as it was measured.
    pub alone: Option<Alone>,
    /// The same, reckoned from what sets of tensors do; without an error.
    pub reckoned: Option<Alone>,
    /// tr(E H Eᵀ) in each of [`Tables::formats`], by their order.
    pub errors: Vec<Option<f64>>,
}

/// What is filled in bit by bit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tables {
    /// Matrices that a recipe may change.
    pub tensors: Vec<TensorStatistics>,
    /// From losses that were reckoned, and from those measured alone.
    pub together: [Option<Together>; 2],
}

impl Tables {
    /// Formats that errors are known of: all that have blocks.
    pub fn formats() -> impl Iterator<Item = FormatRef> {
        FORMATS.iter().copied().filter(|format| !format.is_float())
    }

    /// Nothing is known of these tensors.
    pub fn unknown(names: impl IntoIterator<Item = String>) -> Self {
        let tensor = |name| TensorStatistics {
            name,
            alone: None,
            reckoned: None,
            errors: Self::formats().map(|_| None).collect(),
        };
        Self { tensors: names.into_iter().map(tensor).collect(), ..Self::default() }
    }

    /// What a file that is to hold them says of itself.
    pub fn metadata(&self, identity: &Identity) -> Metadata {
        let names = |names: &mut dyn Iterator<Item = &str>| Value::from(Array::new(ValueType::String, names));
        vec![
            ("statistics.version".to_owned(), VERSION.into()),
            ("statistics.model".to_owned(), identity.model.as_str().into()),
            ("statistics.text".to_owned(), identity.text.as_str().into()),
            ("statistics.tensors".to_owned(), names(&mut self.tensors.iter().map(|tensor| tensor.name.as_str()))),
            ("statistics.formats".to_owned(), names(&mut Self::formats().map(|format| format.name))),
        ]
    }

    /// Name and shape of each table, that of squares by the names, columns and experts of matrices.
    pub fn shapes<'a>(&self, squares: impl IntoIterator<Item = (&'a str, u64, u64)>) -> Vec<(String, Vec<u64>)> {
        let count = self.tensors.len() as u64;
        let own = self.encode().into_iter().map(|(name, numbers)| match name {
            TOGETHER => (name.to_owned(), vec![2, numbers.len() as u64 / 2]),
            _ => (name.to_owned(), vec![numbers.len() as u64 / count, count]),
        });
        let squares = squares.into_iter().map(|(name, columns, experts)| (square_name(name), vec![columns, experts]));
        own.chain(squares).collect()
    }

    /// The tables as numbers.
    pub fn encode(&self) -> [(&'static str, Vec<f32>); 4] {
        let alone = |alone: Option<Alone>| match alone {
            None => [f32::NAN; 4],
            Some(Alone { divergence, error, chunks, format }) => {
                [divergence as f32, error as f32, chunks as f32, format.ggml_type as f32]
            }
        };
        let error = |error: &Option<f64>| error.map_or(f32::NAN, |error| error as f32);
        let together = |together: Option<Together>| match together {
            None => [f32::NAN; 3],
            Some(Together { interaction, feedback, chunks }) => [interaction as f32, feedback as f32, chunks as f32],
        };
        [
            (SENSITIVITIES, self.tensors.iter().flat_map(|tensor| alone(tensor.alone)).collect()),
            (RECKONED, self.tensors.iter().flat_map(|tensor| alone(tensor.reckoned)).collect()),
            (ERRORS, self.tensors.iter().flat_map(|tensor| tensor.errors.iter().map(error)).collect()),
            (TOGETHER, self.together.into_iter().flat_map(together).collect()),
        ]
    }
}

/// The name of the table of squares of a matrix.
pub fn square_name(name: &str) -> String {
    format!("{name}{SQUARES}")
}

/// A file of statistics, and what it holds but for the Gram matrices.
#[derive(Debug)]
pub struct Statistics {
    /// The file.
    pub path: PathBuf,
    /// What they are of.
    pub identity: Identity,
    /// Mean squares of inputs, under the name that the file has where none is given.
    pub imatrix: Arc<Imatrix>,
    /// How the columns of inputs go together, as far as that was gathered.
    pub gram: Arc<Gram>,
    /// What is filled in.
    pub tables: Tables,
    header: Header,
}

impl Statistics {
    /// Opens a file, and reads all but its Gram matrices. What is in it may be of another model: see
    /// [`check`](Self::check).
    pub fn open(path: &Path) -> Result<Self, ImatrixError> {
        let refuse = |problem: String| ImatrixError { path: path.to_owned(), problem };
        let file = File::open(path).map_err(|error| refuse(format!("it could not be read: {error}")))?;
        let bytes = file.metadata().map_err(|error| refuse(error.to_string()))?.len();
        let header = gguf::read_header(BufReader::new(&file), bytes).map_err(|error| refuse(error.to_string()))?;
        let gram = Gram::open(path).map_err(|problem| ImatrixError { path: path.to_owned(), problem })?;
        read(path, &file, header, gram).map_err(refuse)
    }

    /// Refuses statistics of something else.
    pub fn check(&self, identity: &Identity) -> Result<(), ImatrixError> {
        let stale = match (self.identity.model == identity.model, self.identity.text == identity.text) {
            (true, true) => return Ok(()),
            (false, _) => "model; name a file for this one, or none",
            (true, false) => "text; name the text that they were made with, or another file, or none",
        };
        Err(ImatrixError { path: self.path.clone(), problem: format!("its statistics are of another {stale}") })
    }

    /// Writes the tables into the file.
    pub fn save(&self) -> Result<(), ImatrixError> {
        let refuse = |error: std::io::Error| ImatrixError {
            path: self.path.clone(),
            problem: format!("it could not be written: {error}"),
        };
        let mut file = OpenOptions::new().write(true).open(&self.path).map_err(refuse)?;
        for (name, numbers) in self.tables.encode() {
            let Some(table) = self.header.tensors.iter().find(|tensor| tensor.name == name) else { continue };
            file.seek(SeekFrom::Start(table.offset)).map_err(refuse)?;
            file.write_all(bytemuck::cast_slice(&numbers)).map_err(refuse)?;
        }
        file.sync_data().map_err(refuse)
    }
}

fn read(path: &Path, file: &File, header: Header, gram: Gram) -> Result<Statistics, String> {
    let value = |key: &str| header.metadata.iter().find(|(known, _)| known == key).map(|(_, value)| value);
    let text = |key: &str| value(key).and_then(Value::as_str).map(str::to_owned).ok_or(format!("{key} is no text"));
    if value("statistics.version") != Some(&Value::U32(VERSION)) {
        return Err("it holds no statistics that this version of Tuck knows; remove it, and they are made again".into());
    }
    let names = |key: &str| -> Result<Vec<String>, String> {
        let values = value(key).and_then(Value::as_array).map(|array| &array.values);
        let texts = values.and_then(|values| values.iter().map(|text| text.as_str().map(str::to_owned)).collect());
        texts.ok_or_else(|| format!("{key} is no list of texts"))
    };
    if !names("statistics.formats")?.iter().map(String::as_str).eq(Tables::formats().map(|format| format.name)) {
        return Err("another version of Tuck made it, with other formats; remove it, and it is made again".into());
    }
    let number = |key: &str| value(key).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
    let named: HashMap<&str, &TensorInfo> =
        header.tensors.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect();
    let (listed, columns) = (names("statistics.tensors")?, Tables::formats().count());
    let table = |name: &str, expected: usize| {
        let table = named.get(name).ok_or_else(|| format!("it has no table {name}"))?;
        floats(file, table, expected as u64)
    };
    let (alone, errors) = (table(SENSITIVITIES, 4 * listed.len())?, table(ERRORS, columns * listed.len())?);
    let (reckoned, together) = (table(RECKONED, 4 * listed.len())?, table(TOGETHER, 6)?);
    let known = |number: &f32| (number.is_finite() && *number >= 0.0).then_some(f64::from(*number));
    let mut tables = Tables::unknown(listed);
    let divergence = |row: &[f32; 4]| {
        let format = known(&row[3]).and_then(|id| format_from_ggml_type(id as u32))?;
        let chunks = known(&row[2])? as u32;
        Some(Alone { divergence: known(&row[0])?, error: known(&row[1])?, chunks, format })
    };
    let rows = alone.as_chunks::<4>().0.iter().zip(reckoned.as_chunks::<4>().0).zip(errors.chunks_exact(columns));
    for (tensor, ((alone, reckoned), errors)) in tables.tensors.iter_mut().zip(rows) {
        (tensor.alone, tensor.reckoned) = (divergence(alone), divergence(reckoned));
        tensor.errors = errors.iter().map(known).collect();
    }
    let measured = |row: &[f32]| {
        let (interaction, feedback, chunks) = (known(&row[0])?, known(&row[1])?, known(&row[2])? as u32);
        Some(Together { interaction, feedback, chunks })
    };
    tables.together = [measured(&together[..3]), measured(&together[3..])];
    let identity = Identity { model: text("statistics.model")?, text: text("statistics.text")? };
    let mut imatrix = Imatrix {
        // What is packed with it names it, and is the same wherever it lies.
        path: identity.file_name().into(),
        datasets: names("gram.datasets")?,
        chunks: number("gram.chunk_count").unwrap_or(0),
        chunk_tokens: number("gram.chunk_size").unwrap_or(0),
        ..Imatrix::default()
    };
    for table in &header.tensors {
        let Some(name) = table.name.strip_suffix(SQUARES) else { continue };
        let numbers = floats(file, table, table.shape.iter().product())?;
        imatrix.insert(name, numbers, Vec::new())?;
    }
    Ok(Statistics { path: path.to_owned(), identity, imatrix: Arc::new(imatrix), gram: Arc::new(gram), tables, header })
}

fn floats(file: &File, table: &TensorInfo, expected: u64) -> Result<Vec<f32>, String> {
    let (name, found) = (&table.name, table.shape.iter().product::<u64>());
    if *table.format != F32 || found != expected {
        return Err(format!(
            "its table {name} has {found} numbers of {}, and {expected} of F32 were expected",
            table.format
        ));
    }
    let mut bytes = vec![0; table.bytes as usize];
    read_at(file, table.offset, &mut bytes).map_err(|error| format!("the table {name} could not be read: {error}"))?;
    Ok(bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_leads_nowhere_else() {
        let identity = Identity { model: "../../../etc/passwd/and/more".to_owned(), text: "512-\u{0}a/b".to_owned() };
        assert_eq!(identity.file_name(), "statistics-etcpasswdandmore-512-ab.gguf");
    }
}
