//! Laying out and encoding a GGUF header. The bytes of the tensors are the caller's business.

use super::{Array, MAGIC, Value, ValueType};
use crate::quant::FormatRef;

/// A tensor as the header lists it.
#[derive(Clone, Debug)]
pub struct HeaderTensor<'a> {
    /// At most 63 bytes.
    pub name: &'a str,
    /// Columns first, as ggml counts.
    pub shape: &'a [u64],
    /// How its data is stored.
    pub format: FormatRef,
}

/// Where everything lies in a file to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Header with its padding: the position of the first tensor's data.
    pub header_bytes: u64,
    /// Of each tensor, position in the file.
    pub offsets: Vec<u64>,
    /// The whole file, to the byte.
    pub file_bytes: u64,
}

/// Positions of all tensors, from the encoded header's length without padding.
pub fn lay_out(header_len: u64, tensor_bytes: impl IntoIterator<Item = u64>, alignment: u64) -> Layout {
    let header_bytes = header_len.next_multiple_of(alignment);
    let mut end = header_bytes;
    let offsets = tensor_bytes
        .into_iter()
        .map(|bytes| {
            let offset = end;
            end = (end + bytes).next_multiple_of(alignment);
            offset
        })
        .collect();
    Layout { header_bytes, offsets, file_bytes: end }
}

/// The header's bytes without padding. `offsets` count from the start of the tensor data; their values do not change
/// the length, so a length can be had with zeros.
pub fn encode_header(metadata: &[(String, Value)], tensors: &[HeaderTensor<'_>], offsets: &[u64]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 << 16);
    out.extend(MAGIC);
    out.extend(3u32.to_le_bytes());
    out.extend((tensors.len() as u64).to_le_bytes());
    out.extend((metadata.len() as u64).to_le_bytes());
    metadata.iter().for_each(|(key, value)| put_pair(&mut out, key, value));
    for (tensor, offset) in tensors.iter().zip(offsets) {
        put_string(&mut out, tensor.name);
        out.extend((tensor.shape.len() as u32).to_le_bytes());
        for n in tensor.shape {
            out.extend(n.to_le_bytes());
        }
        out.extend(tensor.format.ggml_type.to_le_bytes());
        out.extend(offset.to_le_bytes());
    }
    out
}

/// The bytes that a pair of metadata takes in a header.
pub fn pair_len(key: &str, value: &Value) -> u64 {
    let mut out = Vec::new();
    put_pair(&mut out, key, value);
    out.len() as u64
}

/// The length of a tensor's entry in a header: its name, shape, type and offset.
pub fn tensor_len(name: usize, dimensions: usize) -> u64 {
    (8 + name + 4 + 8 * dimensions + 4 + 8) as u64
}

fn put_pair(out: &mut Vec<u8>, key: &str, value: &Value) {
    put_string(out, key);
    out.extend((value.value_type() as u32).to_le_bytes());
    put_value(out, value);
}

fn put_string(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn put_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::U8(v) => out.push(*v),
        Value::I8(v) => out.extend(v.to_le_bytes()),
        Value::U16(v) => out.extend(v.to_le_bytes()),
        Value::I16(v) => out.extend(v.to_le_bytes()),
        Value::U32(v) => out.extend(v.to_le_bytes()),
        Value::I32(v) => out.extend(v.to_le_bytes()),
        Value::F32(v) => out.extend(v.to_le_bytes()),
        Value::Bool(v) => out.push(u8::from(*v)),
        Value::String(v) => put_string(out, v),
        Value::Array(Array { item, values }) => {
            out.extend((*item as u32).to_le_bytes());
            out.extend((values.len() as u64).to_le_bytes());
            values.iter().for_each(|v| put_value(out, v));
        }
        Value::Bytes(bytes) => {
            out.extend((ValueType::U8 as u32).to_le_bytes());
            out.extend((bytes.len() as u64).to_le_bytes());
            out.extend(bytes);
        }
        Value::U64(v) => out.extend(v.to_le_bytes()),
        Value::I64(v) => out.extend(v.to_le_bytes()),
        Value::F64(v) => out.extend(v.to_le_bytes()),
    }
}
