//! The older form, called `.dat` (`save_imatrix_legacy` in `tools/imatrix` of llama.cpp). Little endian:
//!
//! ```text
//! i32 entries, and of each: i32 length, name, i32 chunks, i32 values, the values as f32
//! i32 chunks, i32 length, name of the text       (files before May 2024 end without these)
//! ```
//!
//! A value is a mean of squares times its entry's chunks, 1 times them for an expert that no token reached.

use super::{Imatrix, MAX_BYTES};
use crate::gguf::MAX_TENSOR_NAME;
use std::io::{ErrorKind, Read};

/// An entry has three numbers, a letter and a value at least.
const LEAST_ENTRY: u64 = 4 + 1 + 4 + 4 + 4;

/// The bytes of a file. What is read from it differs from `imatrix` by the rounding of a product and a quotient, and in the
/// counts: there is one for all entries.
pub(super) fn encode(imatrix: &Imatrix) -> Result<Vec<u8>, String> {
    let chunks = imatrix.chunks.max(1);
    let mut out = (imatrix.columns.len() as u32).to_le_bytes().to_vec();
    let text = |out: &mut Vec<u8>, text: &str| {
        out.extend((text.len() as u32).to_le_bytes());
        out.extend(text.as_bytes());
    };
    for (name, columns) in &imatrix.columns {
        if name.len() > MAX_TENSOR_NAME {
            return Err(format!("the name {name} is longer than {MAX_TENSOR_NAME} bytes, the most that ggml holds"));
        }
        text(&mut out, name);
        out.extend(chunks.to_le_bytes());
        out.extend((columns.len() as u32).to_le_bytes());
        out.extend(columns.iter().flat_map(|column| (column * chunks as f32).to_le_bytes()));
    }
    out.extend(chunks.to_le_bytes());
    text(&mut out, imatrix.datasets.first().map_or("", String::as_str));
    Ok(out)
}

/// Reads a file of `bytes` bytes.
pub(super) fn read(input: impl Read, bytes: u64) -> Result<Imatrix, String> {
    if bytes > MAX_BYTES {
        return Err(format!("it has {bytes} bytes, and no importance matrix of more than {MAX_BYTES} is read"));
    }
    let mut input = Counted { input, left: bytes };
    let entries = match input.number("its first number") {
        Ok(entries) if entries >= 1 && entries as u64 * LEAST_ENTRY <= input.left => entries,
        _ => {
            return Err(format!(
                "its {bytes} bytes start neither with \"GGUF\" nor with a number of entries that they have room for; name a \
                 file that llama-imatrix wrote"
            ));
        }
    };
    let mut imatrix = Imatrix { chunk_tokens: 1, ..Imatrix::default() };
    for entry in 1..=entries {
        let what = format!("entry {entry} of {entries}");
        let length = input.number(&what)?;
        if !(1..=MAX_TENSOR_NAME as i32).contains(&length) {
            return Err(format!(
                "the name of {what} would have {length} bytes, and 1 to {MAX_TENSOR_NAME} were expected; it is damaged or no \
                 importance matrix, so name a file that llama-imatrix wrote"
            ));
        }
        let name = input.text(length, &what)?;
        let (chunks, values) = (input.number(&name)?, input.number(&name)?);
        if values < 1 || chunks < 0 {
            return Err(format!(
                "its entry for the tensor {name} announces {values} values from {chunks} chunks, and at least one value was \
                 expected; the file is damaged, so download it or make it again"
            ));
        }
        let mut columns: Vec<f32> =
            input.bytes(4 * values as u64, &name)?.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
        columns.iter_mut().for_each(|column| *column /= chunks.max(1) as f32);
        imatrix.insert(&name, columns, vec![chunks.max(1) as u64])?;
    }
    if input.left > 0 {
        let what = "the number of chunks and the name of the text";
        imatrix.chunks = input.number(what)?.try_into().unwrap_or(0);
        let length = input.number(what)?;
        if length > 0 {
            imatrix.datasets.push(input.text(length, what)?);
        }
    }
    Ok(imatrix)
}

/// A reader that knows how much can still come, so that a length is believed only as far as the file goes.
struct Counted<R> {
    input: R,
    left: u64,
}

impl<R: Read> Counted<R> {
    fn bytes(&mut self, count: u64, what: &str) -> Result<Vec<u8>, String> {
        let cut = |left: u64| {
            format!(
                "it ends in the middle of {what}, which needs {count} bytes where {left} are left; download it or make it again"
            )
        };
        if count > self.left {
            return Err(cut(self.left));
        }
        let mut bytes = vec![0; count as usize];
        self.input.read_exact(&mut bytes).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => cut(0),
            _ => format!("{what} could not be read: {error}"),
        })?;
        self.left -= count;
        Ok(bytes)
    }

    fn number(&mut self, what: &str) -> Result<i32, String> {
        let bytes = self.bytes(4, what)?;
        Ok(i32::from_le_bytes(bytes.try_into().expect("four bytes")))
    }

    fn text(&mut self, length: i32, what: &str) -> Result<String, String> {
        let bytes = self.bytes(length as u64, what)?;
        String::from_utf8(bytes)
            .map_err(|_| format!("the name in {what} is not valid UTF-8; download it or make it again"))
    }
}
