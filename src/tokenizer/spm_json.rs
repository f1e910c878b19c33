//! SentencePiece BPE from a `tokenizer.json` alone, as folders have it whose `tokenizer.model` was left out.
//!
//! llama.cpp merges the pair whose whole has the best score. A `tokenizer.json` has no scores, but it lists the merges
//! from the first to the last, so a token's score follows from the first merge that makes it. llama.cpp's own converter
//! gives every token the score -1000, with which llama.cpp finds other tokens than the model was trained on.

use super::added::{ADDED_SCORE, added_tokens, named};
use super::bpe;
use super::spm::PADDING_SCORE;
use super::vocabulary::{Token, TokenType, Vocabulary};
use crate::checkpoint::{Documents, OpenError};
use serde_json::Value as Json;
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// Whether a `tokenizer.json` is of this kind: BPE whose unknown characters become bytes.
pub(super) fn is_one(tokenizer: &Json) -> bool {
    bpe::model_type(tokenizer) == "BPE"
        && tokenizer["model"]["byte_fallback"] == true
        && tokenizer["decoder"]["type"] == "Sequence"
}

/// Reads tokens, their types, and the scores that stand for the merges.
pub(super) fn read(path: &Path, documents: &Documents, size: u64) -> Result<Vocabulary, OpenError> {
    let tokenizer = &documents.tokenizer;
    let vocab = bpe::model_vocab(path, tokenizer, size)?;
    let added = added_tokens(documents, &vocab).map_err(|problem| OpenError::new(path, problem))?;
    // Merging by the lists would fail on what they do not hold, so they are checked although they are not written.
    bpe::merges(path, tokenizer)?;
    let scores = scores(&tokenizer["model"]["merges"]);
    let special: HashSet<&str> = named(documents).into_iter().collect();
    let kind = |text: &str| match text {
        _ if is_byte(text) => TokenType::Byte,
        _ if special.contains(text) => TokenType::Control,
        _ => TokenType::Normal,
    };
    let mut vocabulary = Vocabulary::padded(path, size, vocab.len() + added.len(), PADDING_SCORE)?;
    for (text, id) in &vocab {
        let score = scores.get(*text).map_or(ADDED_SCORE.min(-(scores.len() as f32)), |rank| -(*rank as f32));
        vocabulary.set(*id, Token { text: (*text).to_owned(), score, kind: kind(text) });
    }
    for token in added.iter().filter(|token| token.id >= vocab.len() as u64) {
        let kind = if special.contains(token.text.as_str()) { TokenType::Control } else { TokenType::UserDefined };
        vocabulary.set(token.id, Token { text: token.text.clone(), score: ADDED_SCORE, kind });
    }
    vocabulary.refuse_duplicates(path)?;
    Ok(vocabulary)
}

/// For each text that merges make, the place of the first that does.
fn scores(merges: &Json) -> HashMap<String, usize> {
    let mut ranks = HashMap::new();
    for (rank, merge) in merges.as_array().into_iter().flatten().enumerate() {
        if let Some((first, second)) = bpe::pair(merge) {
            ranks.entry(format!("{first}{second}")).or_insert(rank);
        }
    }
    ranks
}

/// Whether a text stands for a byte: `<0x0A>`.
fn is_byte(text: &str) -> bool {
    let digits = text.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>'));
    digits.is_some_and(|digits| digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
