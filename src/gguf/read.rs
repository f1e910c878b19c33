//! Reading a GGUF header from bytes nobody vouches for.
//!
//! Every count and length is compared with the bytes that remain before anything is allocated, so a hostile header of
//! a few bytes costs a few bytes.

use super::{Array, DEFAULT_ALIGNMENT, MAGIC, MAX_DIMENSIONS, MAX_TENSOR_NAME, Metadata, Value, ValueType};
use crate::quant::{FORMATS, FormatRef, format_from_ggml_type};
use std::collections::HashSet;
use std::io::{self, Read};

/// Values that a list of numbers of one or two bytes may have, unless they are `u8`.
const MAX_NARROW: u64 = 1 << 16;

/// A file header, understood and checked against the file's length.
#[derive(Debug)]
pub struct Header {
    /// Keys and values in file order; keys are unique.
    pub metadata: Metadata,
    /// Tensors in file order; names are unique, ranges lie in the file and do not overlap.
    pub tensors: Vec<TensorInfo>,
    /// `general.alignment`, or the default.
    pub alignment: u64,
}

/// A tensor of a file.
#[derive(Clone, Debug)]
pub struct TensorInfo {
    /// At most 63 bytes.
    pub name: String,
    /// Columns first; every dimension is at least 1.
    pub shape: Vec<u64>,
    /// How it is stored.
    pub format: FormatRef,
    /// Position in the file.
    pub offset: u64,
    /// Its length.
    pub bytes: u64,
}

/// Why a header was refused. The caller adds the file's name.
#[derive(Debug, thiserror::Error)]
pub enum GgufError {
    /// Reading failed, or the file ended early.
    #[error("the file ends in the middle of its header, at byte {at}, while reading {what}")]
    Truncated {
        /// What was being read.
        what: String,
        /// Where.
        at: u64,
    },
    /// The operating system's word.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A value that no valid file has.
    #[error("{0}")]
    Invalid(String),
}

fn invalid<T>(message: String) -> Result<T, GgufError> {
    Err(GgufError::Invalid(message))
}

/// Reads the header of a file of `file_bytes` bytes.
pub fn read_header(input: impl Read, file_bytes: u64) -> Result<Header, GgufError> {
    let mut input = Bounded { input, at: 0, end: file_bytes };
    let magic: [u8; 4] = input.array("the magic number")?;
    if magic != MAGIC {
        return invalid(format!("it starts with {magic:02x?}, where a GGUF file starts with {MAGIC:02x?} (\"GGUF\")"));
    }
    let version = input.u32("the version")?;
    if !(2..=3).contains(&version) {
        return invalid(format!("its GGUF version is {version}; versions 2 and 3 (little endian) are supported"));
    }
    let tensor_count = input.u64("the tensor count")?;
    let metadata_count = input.u64("the metadata count")?;
    // A tensor info takes at least 32 bytes, a metadata pair 13.
    input.room(tensor_count, 32, "tensor infos")?;
    input.room(metadata_count, 13, "metadata pairs")?;

    let mut metadata = Vec::new();
    let mut keys = HashSet::new();
    for index in 0..metadata_count {
        let key = input.string(&format!("metadata key {index}"))?;
        if !keys.insert(key.clone()) {
            return invalid(format!("the metadata key {key} stands twice"));
        }
        let value_type = input.value_type(&key)?;
        let value = input.value(value_type, &key, 0)?;
        metadata.push((key, value));
    }
    let alignment = alignment(&metadata)?;

    let mut raw = Vec::new();
    let mut names = HashSet::new();
    for index in 0..tensor_count {
        let (name, tensor) = input.tensor(index)?;
        if !names.insert(name) {
            return invalid(format!("the tensor {} is listed twice", tensor.name));
        }
        raw.push(tensor);
    }
    let data = input.at.next_multiple_of(alignment);
    let tensors = raw.into_iter().map(|t| place(t, data, alignment, file_bytes)).collect::<Result<Vec<_>, _>>()?;
    refuse_overlap(&tensors)?;
    Ok(Header { metadata, tensors, alignment })
}

fn alignment(metadata: &[(String, Value)]) -> Result<u64, GgufError> {
    let Some((_, value)) = metadata.iter().find(|(key, _)| key == "general.alignment") else {
        return Ok(DEFAULT_ALIGNMENT);
    };
    match value {
        Value::U32(n) if n.is_power_of_two() && *n >= 8 => Ok(u64::from(*n)),
        other => invalid(format!("general.alignment is {other}; a u32 power of two of 8 or more was expected")),
    }
}

/// Turns an offset in the data section into one in the file, and checks it.
fn place(mut tensor: TensorInfo, data: u64, alignment: u64, file_bytes: u64) -> Result<TensorInfo, GgufError> {
    let TensorInfo { name, offset, bytes, .. } = &tensor;
    if offset % alignment != 0 {
        return invalid(format!("the tensor {name} starts at {offset}, which is not a multiple of {alignment}"));
    }
    let end = offset.checked_add(data).and_then(|start| start.checked_add(*bytes));
    if end.is_none_or(|end| end > file_bytes) {
        return invalid(format!(
            "the tensor {name} needs bytes {} to {} of the file, which has only {file_bytes}; the file is cut short or its \
             header is wrong, so download or convert it again",
            u128::from(*offset) + u128::from(data),
            u128::from(*offset) + u128::from(data) + u128::from(*bytes),
        ));
    }
    tensor.offset += data;
    Ok(tensor)
}

fn refuse_overlap(tensors: &[TensorInfo]) -> Result<(), GgufError> {
    let mut order: Vec<&TensorInfo> = tensors.iter().collect();
    order.sort_by_key(|t| t.offset);
    for pair in order.windows(2) {
        let end = pair[0].offset + pair[0].bytes;
        if end > pair[1].offset {
            return invalid(format!(
                "the tensors {} and {} overlap: the first ends at byte {end}, the second starts at {}",
                pair[0].name, pair[1].name, pair[1].offset
            ));
        }
    }
    Ok(())
}

/// A reader that knows where it is and how much can still come.
struct Bounded<R> {
    input: R,
    at: u64,
    end: u64,
}

impl<R: Read> Bounded<R> {
    fn fill(&mut self, out: &mut [u8], what: &str) -> Result<(), GgufError> {
        self.input.read_exact(out).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => GgufError::Truncated { what: what.to_owned(), at: self.at },
            _ => GgufError::Io(error),
        })?;
        self.at += out.len() as u64;
        Ok(())
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], GgufError> {
        let mut out = [0; N];
        self.fill(&mut out, what)?;
        Ok(out)
    }

    fn u32(&mut self, what: &str) -> Result<u32, GgufError> {
        self.array(what).map(u32::from_le_bytes)
    }

    fn u64(&mut self, what: &str) -> Result<u64, GgufError> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// Refuses `count` things of at least `each` bytes where fewer bytes remain.
    fn room(&self, count: u64, each: u64, what: &str) -> Result<(), GgufError> {
        let left = self.end.saturating_sub(self.at);
        match count.checked_mul(each) {
            Some(need) if need <= left => Ok(()),
            _ => invalid(format!("its header announces {count} {what}, and only {left} bytes of the file are left")),
        }
    }

    fn string(&mut self, what: &str) -> Result<String, GgufError> {
        let len = self.u64(what)?;
        self.room(len, 1, &format!("bytes of text in {what}"))?;
        let mut bytes = vec![0; len as usize];
        self.fill(&mut bytes, what)?;
        String::from_utf8(bytes).or_else(|_| invalid(format!("{what} is not valid UTF-8")))
    }

    fn value_type(&mut self, key: &str) -> Result<ValueType, GgufError> {
        let id = self.u32(key)?;
        ValueType::from_id(id).map_or_else(|| invalid(format!("{key} has the unknown value type {id}")), Ok)
    }

    fn value(&mut self, value_type: ValueType, key: &str, depth: u32) -> Result<Value, GgufError> {
        Ok(match value_type {
            ValueType::U8 => Value::U8(self.array::<1>(key)?[0]),
            ValueType::I8 => Value::I8(i8::from_le_bytes(self.array(key)?)),
            ValueType::U16 => Value::U16(u16::from_le_bytes(self.array(key)?)),
            ValueType::I16 => Value::I16(i16::from_le_bytes(self.array(key)?)),
            ValueType::U32 => Value::U32(self.u32(key)?),
            ValueType::I32 => Value::I32(i32::from_le_bytes(self.array(key)?)),
            ValueType::F32 => Value::F32(f32::from_le_bytes(self.array(key)?)),
            ValueType::Bool => match self.array::<1>(key)?[0] {
                0 => Value::Bool(false),
                1 => Value::Bool(true),
                other => return invalid(format!("{key} is a bool with the value {other}")),
            },
            ValueType::String => Value::String(self.string(key)?),
            ValueType::Array => {
                if depth >= 2 {
                    return invalid(format!("{key} nests arrays more than two deep"));
                }
                let item = self.value_type(key)?;
                let count = self.u64(key)?;
                let each = match item {
                    ValueType::U8 | ValueType::I8 | ValueType::Bool => 1,
                    ValueType::U16 | ValueType::I16 => 2,
                    ValueType::U32 | ValueType::I32 | ValueType::F32 => 4,
                    ValueType::U64 | ValueType::I64 | ValueType::F64 | ValueType::String => 8,
                    ValueType::Array => 12,
                };
                self.room(count, each, &format!("values in {key}"))?;
                if item == ValueType::U8 {
                    let mut bytes = vec![0; count as usize];
                    self.fill(&mut bytes, key)?;
                    return Ok(Value::Bytes(bytes));
                }
                // A value takes 32 bytes of memory. What files have of the narrow types is a few for each layer.
                if each < 4 && count > MAX_NARROW {
                    return invalid(format!("{key} has {count} values of type {}; {MAX_NARROW} expected", item.name()));
                }
                let mut values = Vec::with_capacity(count as usize);
                for _ in 0..count {
                    values.push(self.value(item, key, depth + 1)?);
                }
                Value::Array(Array { item, values })
            }
            ValueType::U64 => Value::U64(self.u64(key)?),
            ValueType::I64 => Value::I64(i64::from_le_bytes(self.array(key)?)),
            ValueType::F64 => Value::F64(f64::from_le_bytes(self.array(key)?)),
        })
    }

    /// A tensor info; its offset still counts from the start of the data.
    fn tensor(&mut self, index: u64) -> Result<(String, TensorInfo), GgufError> {
        let name = self.string(&format!("the name of tensor {index}"))?;
        if name.is_empty() || name.len() > MAX_TENSOR_NAME {
            return invalid(format!(
                "tensor {index} has a name of {} bytes; 1 to {MAX_TENSOR_NAME} expected",
                name.len()
            ));
        }
        let dimensions = self.u32(&name)? as usize;
        if !(1..=MAX_DIMENSIONS).contains(&dimensions) {
            return invalid(format!("the tensor {name} has {dimensions} dimensions; 1 to {MAX_DIMENSIONS} expected"));
        }
        let shape = (0..dimensions).map(|_| self.u64(&name)).collect::<Result<Vec<_>, _>>()?;
        let weights = shape.iter().try_fold(1u64, |product, n| product.checked_mul(*n)).filter(|n| *n < 1 << 56);
        let Some(weights) = weights.filter(|n| *n > 0) else {
            return invalid(format!(
                "the tensor {name} has the shape {shape:?}, which holds no weights or too many to count"
            ));
        };
        let id = self.u32(&name)?;
        let Some(format) = format_from_ggml_type(id) else {
            let known = FORMATS.iter().map(|f| f.name).collect::<Vec<_>>().join(", ");
            return invalid(format!(
                "the tensor {name} is stored in ggml type {id}; this version of Tuck reads {known}"
            ));
        };
        if !format.divides(shape[0]) {
            return invalid(format!(
                "the tensor {name} has rows of {} weights, and {format} needs a multiple of {}",
                shape[0], format.block_weights
            ));
        }
        let offset = self.u64(&name)?;
        let bytes = format.bytes(weights);
        Ok((name.clone(), TensorInfo { name, shape, format, offset, bytes }))
    }
}
