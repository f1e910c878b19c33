//! The header of a safetensors file: eight bytes of length, then JSON, then the tensors' bytes.
//!
//! Parsed here because a refusal has to name the tensor and both figures, and because JSON's duplicate names, which a
//! map would hide, are one way to smuggle a tensor in.

use super::{OpenError, Precision, SourceFile, StoredTensor};
use crate::quant::{BF16, F16, F32, FormatRef};
use safetensors::Dtype;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, de};
use std::fmt;

/// No real header is larger (the reference implementation has the same cap).
const MAX_HEADER: u64 = 100_000_000;

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

/// The tensors of one file; `index` is its place in the checkpoint's list of files.
pub(super) fn read_header(file: &SourceFile, index: usize) -> Result<Vec<StoredTensor>, OpenError> {
    let refuse = |problem: String| OpenError::new(&file.path, problem);
    let mut length = [0; 8];
    if file.bytes < 8 {
        return Err(refuse(format!("it has {} bytes, too few for a safetensors file; download it again", file.bytes)));
    }
    file.read_at(0, &mut length).map_err(|error| OpenError::io(&file.path, &error))?;
    let length = u64::from_le_bytes(length);
    if length > MAX_HEADER || length > file.bytes - 8 {
        return Err(refuse(format!(
            "its header claims {length} bytes, and the file has {} left (at most {MAX_HEADER} are accepted); it is cut short \
             or not a safetensors file, so download it again",
            file.bytes - 8
        )));
    }
    let mut header = vec![0; length as usize];
    file.read_at(8, &mut header).map_err(|error| OpenError::io(&file.path, &error))?;
    let Header(entries) = serde_json::from_slice(&header)
        .map_err(|error| refuse(format!("its header is not a valid safetensors header: {error}")))?;

    let data = 8 + length;
    let mut tensors = Vec::with_capacity(entries.len());
    for (name, entry) in entries {
        tensors.push(tensor(name, entry, data, file, index)?);
    }
    tensors.sort_by_key(|t| t.offset);
    for pair in tensors.windows(2) {
        let end = pair[0].offset + pair[0].bytes;
        if end > pair[1].offset {
            return Err(refuse(format!(
                "the tensors {} and {} overlap: the first ends at byte {end}, the second starts at {}",
                pair[0].name, pair[1].name, pair[1].offset
            )));
        }
    }
    Ok(tensors)
}

fn tensor(name: String, entry: Entry, data: u64, file: &SourceFile, index: usize) -> Result<StoredTensor, OpenError> {
    let refuse = |problem: String| Err(OpenError::new(&file.path, format!("the tensor {name} {problem}")));
    let Ok(dtype) = serde_json::from_value::<Dtype>(entry.dtype.as_str().into()) else {
        return refuse(format!("is stored as {:?}, which safetensors files do not hold", entry.dtype));
    };
    let [start, end] = entry.data_offsets;
    let weights = entry.shape.iter().try_fold(1u64, |product, n| product.checked_mul(*n)).filter(|n| *n < 1 << 56);
    let Some(weights) = weights else {
        return refuse(format!("has the shape {:?}, which is too large to count", entry.shape));
    };
    if start > end || end > file.bytes - data {
        return refuse(format!(
            "has the data offsets {start} to {end}, and the file has {} bytes of data; it is cut short or damaged, so \
             download it again",
            file.bytes - data
        ));
    }
    let bits = weights * dtype.bitsize() as u64;
    if bits != (end - start) * 8 {
        return refuse(format!(
            "has the shape {:?} in {dtype}, which takes {} bytes, and its offsets hold {}; the file is damaged, so download \
             it again",
            entry.shape,
            bits.div_ceil(8),
            end - start
        ));
    }
    let shape = entry.shape.into_iter().rev().collect();
    let format = FORMATS.iter().find(|(known, _)| *known == dtype);
    let precision = format.map_or(Precision::Other(dtype), |(_, format)| Precision::Format(format));
    Ok(StoredTensor { name, shape, precision, file: index, offset: data + start, bytes: end - start })
}

/// The precisions that are formats of Tuck's.
static FORMATS: &[(Dtype, FormatRef)] = &[(Dtype::F32, &F32), (Dtype::F16, &F16), (Dtype::BF16, &BF16)];

/// The entries of a header in file order, without `__metadata__`, refusing duplicate names.
struct Header(Vec<(String, Entry)>);

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors with dtype, shape and data_offsets")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let mut entries = Vec::new();
                let mut names = std::collections::HashSet::new();
                while let Some(name) = map.next_key::<String>()? {
                    if !names.insert(name.clone()) {
                        return Err(de::Error::custom(format!("the name {name} stands twice")));
                    }
                    if name == "__metadata__" {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    }
                    let entry =
                        map.next_value().map_err(|error| de::Error::custom(format!("tensor {name}: {error}")))?;
                    entries.push((name, entry));
                }
                Ok(Header(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}
