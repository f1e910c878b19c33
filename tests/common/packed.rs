//! Reading what was packed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use tuck::quant::FormatRef;

/// A tensor of a GGUF file.
#[derive(Debug, PartialEq)]
pub struct Packed {
    pub format: FormatRef,
    pub shape: Vec<u64>,
    pub bytes: Vec<u8>,
}

impl Packed {
    pub fn weights(&self) -> Vec<f32> {
        let mut out = vec![0.0; self.shape.iter().product::<u64>() as usize];
        (self.format.dequantize)(&self.bytes, &mut out);
        out
    }
}

/// The tensors of a GGUF file by name.
pub fn tensors(path: &Path) -> BTreeMap<String, Packed> {
    let bytes = fs::read(path).unwrap();
    let header = tuck::gguf::read_header(bytes.as_slice(), bytes.len() as u64).unwrap();
    let of = |t: tuck::gguf::TensorInfo| {
        let bytes = bytes[t.offset as usize..(t.offset + t.bytes) as usize].to_vec();
        (t.name, Packed { format: t.format, shape: t.shape, bytes })
    };
    header.tensors.into_iter().map(of).collect()
}
