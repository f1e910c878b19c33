//! WordPiece, BERT's kind: tokens that begin a word get a mark, and those that go on lose theirs.

use super::bpe;
use super::vocabulary::{TokenType, Vocabulary};
use crate::checkpoint::{Documents, OpenError};
use std::path::Path;

/// Reads the tokens as llama.cpp looks them up: `##ing` is `ing`, and `sing` is `▁sing`.
pub(super) fn read(path: &Path, documents: &Documents, size: u64) -> Result<Vocabulary, OpenError> {
    let mut vocabulary = bpe::read(path, documents, size)?;
    for token in vocabulary.tokens.iter_mut().filter(|token| token.kind != TokenType::Control) {
        token.text = match token.text.strip_prefix("##") {
            Some(rest) => rest.to_owned(),
            None => format!("\u{2581}{}", token.text),
        };
    }
    vocabulary.refuse_duplicates(path)?;
    Ok(vocabulary)
}
