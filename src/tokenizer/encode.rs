//! Text to tokens.

use crate::checkpoint::{Documents, OpenError};
use serde::Deserialize;
use std::path::PathBuf;
use tokenizers::Tokenizer;

/// Encodes text as the model's own tokenizer does.
pub struct Encoder {
    path: PathBuf,
    tokenizer: Tokenizer,
}

impl Encoder {
    /// The tokenizer of `tokenizer.json`.
    pub fn open(documents: &Documents) -> Result<Self, OpenError> {
        let path = documents.folder.join("tokenizer.json");
        if documents.tokenizer.is_null() {
            return Err(OpenError::new(path, "it is not there, and text is encoded by it; put it beside the weights"));
        }
        let mut tokenizer = Tokenizer::deserialize(&documents.tokenizer)
            .map_err(|error| OpenError::new(&path, format!("it is no tokenizer that can encode text: {error}")))?;
        // A tokenizer.json may say how training cut its texts.
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).expect("no truncation is always possible");
        Ok(Self { path, tokenizer })
    }

    /// The tokens of a text; with `special`, with what the tokenizer puts around a prompt.
    pub fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>, OpenError> {
        let encoding = self.tokenizer.encode_fast(text, special);
        let encoding =
            encoding.map_err(|error| OpenError::new(&self.path, format!("it cannot encode a text: {error}")))?;
        Ok(encoding.get_ids().to_vec())
    }
}
