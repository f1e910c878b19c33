//! The flags that name an importance matrix.

use super::session::Quit;
use crate::imatrix::{Imatrix, ImatrixError};
use std::path::PathBuf;
use std::sync::Arc;

#[derive(clap::Args)]
pub(super) struct Importance {
    /// How much each column counts: a file of llama-imatrix, GGUF or .dat. Types of 3 bits and less need it most.
    #[arg(long, value_name = "FILE")]
    imatrix: Option<PathBuf>,
    /// Use the imatrix only for tensors with this in their name. Can be given again.
    #[arg(long = "include-weights", value_name = "TENSOR", requires = "imatrix", conflicts_with = "exclude_weights")]
    include_weights: Vec<String>,
    /// Do not use the imatrix for tensors with this in their name. Can be given again.
    #[arg(long = "exclude-weights", value_name = "TENSOR", requires = "imatrix")]
    exclude_weights: Vec<String>,
}

impl Importance {
    /// The file named, as far as it is wanted.
    pub(super) fn open(&self) -> Result<Option<Arc<Imatrix>>, Quit> {
        self.read().map(|imatrix| imatrix.map(Arc::new)).map_err(|error| Quit::Failed(error.to_string()))
    }

    fn read(&self) -> Result<Option<Imatrix>, ImatrixError> {
        let Some(path) = &self.imatrix else { return Ok(None) };
        let mut imatrix = Imatrix::open(path)?;
        if !self.include_weights.is_empty() {
            imatrix = imatrix.include(&self.include_weights)?;
        }
        if !self.exclude_weights.is_empty() {
            imatrix = imatrix.exclude(&self.exclude_weights)?;
        }
        Ok(Some(imatrix))
    }
}
