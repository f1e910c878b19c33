//! Token lists from a SentencePiece model and the documents that add to it.

use super::added::{self, ADDED_SCORE, decoder};
use super::sentencepiece::Model;
use super::vocabulary::{Token, TokenType, Vocabulary};
use crate::checkpoint::{Documents, OpenError};
use serde_json::Value as Json;
use std::path::Path;

/// The score of padding, as llama.cpp's converter gives it.
pub(super) const PADDING_SCORE: f32 = -10_000.0;

/// The pieces, then `added_tokens.json`, then `added_tokens_decoder` of `tokenizer_config.json`, whose entries win and
/// override a piece's type. Tokens from `size` up are left out, and a shorter list is padded.
pub(super) fn read(path: &Path, documents: &Documents, model: &Model, size: u64) -> Result<Vocabulary, OpenError> {
    let mut vocabulary = pieces(path, documents, model, size)?;
    for (id, text, special) in entries(documents, path)? {
        vocabulary.set(id, added::token(text, special));
    }
    vocabulary.refuse_duplicates(path)?;
    Ok(vocabulary)
}

/// The same for Phi-3: the added tokens of `tokenizer.json` come last, and only their flag makes them special.
pub(super) fn read_phi3(path: &Path, documents: &Documents, model: &Model, size: u64) -> Result<Vocabulary, OpenError> {
    let mut vocabulary = pieces(path, documents, model, size)?;
    for (id, text, special) in entries(documents, path)?.into_iter().chain(listed(documents)) {
        vocabulary.set(id, plain(text, special));
    }
    vocabulary.refuse_duplicates(path)?;
    Ok(vocabulary)
}

/// The same for InternLM 2, whose model has pieces in reserve that other documents give a meaning, and one that C++
/// would take for an empty text. Also gives the id of the token that ends a turn, which is its eos in a chat.
pub(super) fn read_internlm2(
    path: &Path,
    documents: &Documents,
    model: &Model,
    size: u64,
) -> Result<(Vocabulary, Option<u64>), OpenError> {
    const TURN_END: &str = "<|im_end|>";
    let mut vocabulary = pieces(path, documents, model, size)?;
    for token in &mut vocabulary.tokens {
        if token.text == "\0" {
            token.text = "\u{1f409}".to_owned();
        }
        if token.text.starts_with("[UNUSED") {
            token.kind = TokenType::Unused;
        }
    }
    let mut end = None;
    for (id, text, special) in entries(documents, path)?.into_iter().chain(listed(documents)) {
        if text == TURN_END {
            end = Some(id);
        }
        vocabulary.set(id, plain(text, special));
    }
    vocabulary.refuse_duplicates(path)?;
    Ok((vocabulary, end))
}

/// The pieces and `added_tokens.json`.
pub(super) fn pieces(path: &Path, documents: &Documents, model: &Model, size: u64) -> Result<Vocabulary, OpenError> {
    let added = documents.added_tokens.as_object();
    let known = model.pieces.len() + added.map_or(0, serde_json::Map::len);
    let mut vocabulary = Vocabulary::padded(path, size, known, PADDING_SCORE)?;
    for (id, piece) in model.pieces.iter().enumerate() {
        vocabulary.set(id as u64, piece.clone());
    }
    for (text, id) in added.into_iter().flatten() {
        if let Some(id) = id.as_u64() {
            vocabulary.set(id, Token { text: text.clone(), score: ADDED_SCORE, kind: TokenType::UserDefined });
        }
    }
    Ok(vocabulary)
}

/// The entries of `added_tokens_decoder`: id, text, and whether special.
fn entries<'a>(documents: &'a Documents, path: &Path) -> Result<Vec<(u64, &'a str, bool)>, OpenError> {
    let entry = |(id, token): (u64, &'a Json)| match token["content"].as_str() {
        Some(text) => Ok((id, text, token["special"] == true)),
        None => Err(OpenError::new(
            path.with_file_name("tokenizer_config.json"),
            format!("its added token {id} has no content; download it again"),
        )),
    };
    decoder(&documents.tokenizer_config).into_iter().map(entry).collect()
}

/// The added tokens of `tokenizer.json`.
fn listed(documents: &Documents) -> impl Iterator<Item = (u64, &str, bool)> {
    let listed = documents.tokenizer["added_tokens"].as_array().into_iter().flatten();
    listed.filter_map(|token| Some((token["id"].as_u64()?, token["content"].as_str()?, token["special"] == true)))
}

fn plain(text: &str, special: bool) -> Token {
    let kind = if special { TokenType::Control } else { TokenType::UserDefined };
    Token { text: text.to_owned(), score: ADDED_SCORE, kind }
}
