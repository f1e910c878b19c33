//! Importance matrices: how much each column of a model's matrices counts, gathered by running it over text.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// Squared activations by column, for each matrix.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Imatrix {
    /// The file it was read from.
    pub path: PathBuf,
    /// The texts it was gathered from.
    pub datasets: Vec<String>,
    /// Chunks of text that were run.
    pub chunks: u32,
    /// By tensor name: the mean square of each input column; of one expert after another, where there are several.
    pub columns: BTreeMap<String, Vec<f32>>,
}

impl Imatrix {
    /// The same for a model whose tensors are called otherwise; what has no name any more is left out.
    pub fn renamed(&self, rename: impl Fn(&str) -> Option<String>) -> Self {
        let columns =
            self.columns.iter().filter_map(|(name, columns)| Some((rename(name)?, columns.clone()))).collect();
        Self { columns, ..self.clone() }
    }
}
