//! Tensors as runners get them.

use crate::quant::FormatRef;
use std::collections::HashMap;

/// A tensor in memory, as it is stored.
#[derive(Clone, Debug)]
pub struct Matrix {
    /// How.
    pub format: FormatRef,
    /// Columns first.
    pub shape: Vec<u64>,
    /// Its blocks.
    pub bytes: Vec<u8>,
}

impl Matrix {
    /// All of its weights.
    pub fn floats(&self) -> Vec<f32> {
        let mut floats = vec![0.0; self.shape.iter().product::<u64>() as usize];
        (self.format.dequantize)(&self.bytes, &mut floats);
        floats
    }
}

/// Tensors by name.
pub type Matrices = HashMap<String, Matrix>;
