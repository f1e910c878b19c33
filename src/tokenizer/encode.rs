//! Text to tokens.

use super::{older, stored};
use crate::checkpoint::{Documents, OpenError};
use crate::gguf::Metadata;
use serde::Deserialize;
use std::ops::Range;
use std::path::{Path, PathBuf};
use tokenizers::Tokenizer;

/// Encodes text as the model's own tokenizer does.
pub struct Encoder {
    path: PathBuf,
    tokenizer: Tokenizer,
    /// What goes before and after a prompt, where the tokenizer itself does not know.
    around: [Option<u32>; 2],
}

impl Encoder {
    /// The tokenizer of `tokenizer.json`, or of the files that older folders have in its place.
    pub fn open(documents: &Documents) -> Result<Self, OpenError> {
        let path = documents.folder.join("tokenizer.json");
        let completed = older::completed(documents, true)?;
        let documents = completed.as_ref().unwrap_or(documents);
        if documents.tokenizer.is_null() {
            return Err(OpenError::new(path, "it is not there, and text is encoded by it; put it beside the weights"));
        }
        let mut tokenizer = Tokenizer::deserialize(&documents.tokenizer)
            .map_err(|error| OpenError::new(&path, format!("it is no tokenizer that can encode text: {error}")))?;
        // A tokenizer.json may say how training cut its texts.
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).expect("no truncation is always possible");
        Ok(Self { path, tokenizer, around: [None; 2] })
    }

    /// The tokenizer that the metadata of a GGUF file describes, which every opened model has. Only with `controls` is text
    /// that looks like a control token one; in a prompt from outside it is text.
    pub fn of(path: &Path, metadata: &Metadata, controls: bool) -> Result<Self, OpenError> {
        let tokenizer = stored::tokenizer(metadata, controls).map_err(|problem| OpenError::new(path, problem))?;
        Ok(Self { path: path.to_owned(), tokenizer, around: stored::around(metadata) })
    }

    /// The token that begins every text, where the model wants one.
    pub fn begin(&self) -> Option<u32> {
        self.around[0]
    }

    /// The tokens of a text; with `special`, with what the tokenizer puts around a prompt.
    pub fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>, OpenError> {
        let encoding = self.tokenizer.encode_fast(text, special);
        let encoding =
            encoding.map_err(|error| OpenError::new(&self.path, format!("it cannot encode a text: {error}")))?;
        let [before, after] = self.around.map(|token| token.filter(|_| special));
        Ok(before.into_iter().chain(encoding.get_ids().iter().copied()).chain(after).collect())
    }

    /// The tokens of a text, with nothing around it, and the bytes that each stands for. Those of tokens that are parts of one
    /// character may be the same.
    pub fn spans(&self, text: &str) -> Result<Vec<(u32, Range<usize>)>, OpenError> {
        let encoding = self.tokenizer.encode(text, false);
        let encoding =
            encoding.map_err(|error| OpenError::new(&self.path, format!("it cannot encode a text: {error}")))?;
        let spans = encoding.get_offsets().iter().map(|(start, end)| *start..*end);
        Ok(encoding.get_ids().iter().copied().zip(spans).collect())
    }
}
