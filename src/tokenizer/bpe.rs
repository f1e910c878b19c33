//! Tokens and merges of a `tokenizer.json` whose model has a vocabulary: byte-level BPE and WordPiece.

use super::added::{Added, added_tokens};
use super::vocabulary::{Token, TokenType, Vocabulary};
use crate::checkpoint::{Documents, OpenError};
use crate::gguf::{Array, Metadata, ValueType};
use serde_json::Value as Json;
use std::collections::HashMap;
use std::path::Path;
use tokenizers::Decoder;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;

/// The type of the model in a `tokenizer.json`. Files from before tokenizers 0.9 name none.
pub(super) fn model_type(tokenizer: &Json) -> &str {
    tokenizer["model"]["type"].as_str().unwrap_or("BPE")
}

/// Reads the tokens of the model and those that are added. A vocabulary shorter than `size` is padded.
pub(super) fn read(path: &Path, documents: &Documents, size: u64) -> Result<Vocabulary, OpenError> {
    let refuse = |problem: String| OpenError::new(path, problem);
    let tokenizer = &documents.tokenizer;
    let vocab = model_vocab(path, tokenizer, size)?;
    let added = added_tokens(documents, &vocab).map_err(&refuse)?;
    let mut vocabulary = Vocabulary::padded(path, size, vocab.len() + added.len(), 0.0)?;
    let mut owners: Vec<Option<&str>> = vec![None; vocabulary.tokens.len()];
    for (text, id) in &vocab {
        // In range: model_vocab has looked.
        if let Some(other) = owners[*id as usize].replace(text) {
            let (first, second) = if other < *text { (other, *text) } else { (*text, other) };
            return Err(refuse(format!("its tokens {first:?} and {second:?} share the id {id}")));
        }
        vocabulary.set(*id, Token { text: (*text).to_owned(), score: 0.0, kind: TokenType::Normal });
    }
    let listed: usize = tokenizer["added_tokens"].as_array().map_or(0, Vec::len);
    let is_byte_level = contains_byte_level(&tokenizer["decoder"]);
    for (index, token) in added.iter().enumerate() {
        let placed = vocabulary.set(token.id, decoded(token, is_byte_level).token());
        if !placed && index < listed {
            return Err(refuse(format!(
                "its added token {:?} has the id {}, and config.json gives the model {size} tokens (vocab_size)",
                token.text, token.id
            )));
        }
    }
    vocabulary.refuse_duplicates(path)?;
    Ok(vocabulary)
}

/// Some BPE models (CLIP's) mark where words end or go on; llama.cpp has no such marks.
pub(super) fn refuse_marks(path: &Path, tokenizer: &Json) -> Result<(), OpenError> {
    let is_set = |key: &&str| tokenizer["model"][*key].as_str().is_some_and(|mark| !mark.is_empty());
    match ["end_of_word_suffix", "continuing_subword_prefix"].into_iter().find(is_set) {
        None => Ok(()),
        Some(key) => Err(OpenError::new(
            path,
            format!("its model has the {key} {}, and llama.cpp has no such marks in BPE", tokenizer["model"][key]),
        )),
    }
}

/// The model's own tokens, all of them below `size`.
pub(super) fn model_vocab<'a>(path: &Path, tokenizer: &'a Json, size: u64) -> Result<HashMap<&'a str, u64>, OpenError> {
    let Some(vocab) = tokenizer["model"]["vocab"].as_object() else {
        return Err(OpenError::new(path, "its model has no vocab object; download it again"));
    };
    let checked = |(text, id): (&'a String, &Json)| match id.as_u64().filter(|id| *id < size) {
        Some(id) => Ok((text.as_str(), id)),
        None => Err(OpenError::new(
            path,
            format!("its token {text:?} has the id {id}, and config.json gives the model {size} tokens (vocab_size)"),
        )),
    };
    vocab.iter().map(checked).collect()
}

/// llama.cpp takes added tokens as they appear in text. One that is looked for in text as it is may be written in the
/// characters that stand for bytes; the converter has it encoded and decoded, which undoes that.
fn decoded(token: &Added, is_byte_level: bool) -> Added {
    let mut token = token.clone();
    if is_byte_level
        && !token.normalized
        && let Ok(text) = ByteLevel::default().decode(vec![token.text.clone()])
    {
        token.text = text;
    }
    token
}

fn contains_byte_level(decoder: &Json) -> bool {
    let stages = decoder["decoders"].as_array().map_or(std::slice::from_ref(decoder), Vec::as_slice);
    stages.iter().any(|stage| stage["type"] == "ByteLevel")
}

/// Merges stand as `"a b"`, or as `["a", "b"]` in newer files, where a part may hold a space. Their parts and what they
/// make have to be tokens.
pub(super) fn merges(path: &Path, tokenizer: &Json) -> Result<Metadata, OpenError> {
    let refuse = |problem: String| Err(OpenError::new(path, problem));
    let Some(merges) = tokenizer["model"]["merges"].as_array() else {
        return refuse("its model has no list of merges; download it again".to_owned());
    };
    let vocab = &tokenizer["model"]["vocab"];
    let mut texts = Vec::with_capacity(merges.len());
    for (n, merge) in merges.iter().enumerate() {
        let Some((first, second)) = pair(merge) else {
            return refuse(format!("its merge {n} is {merge}; a pair was expected"));
        };
        let whole = format!("{first}{second}");
        if let Some(unknown) = [first, second, whole.as_str()].into_iter().find(|text| vocab[*text].is_null()) {
            return refuse(format!(
                "its merge {n} is {merge}, and {unknown:?} is none of its tokens; download it again"
            ));
        }
        let spaces = |part: &str| part.replace(' ', "\u{120}");
        texts.push(match merge {
            Json::String(text) => text.clone(),
            _ => format!("{} {}", spaces(first), spaces(second)),
        });
    }
    if texts.is_empty() {
        return Ok(Metadata::new());
    }
    Ok(vec![("tokenizer.ggml.merges".to_owned(), Array::new(ValueType::String, texts).into())])
}

/// The two parts of a merge.
pub(super) fn pair(merge: &Json) -> Option<(&str, &str)> {
    match merge {
        Json::String(text) => text.split_once(' '),
        Json::Array(pair) => match pair.as_slice() {
            [Json::String(first), Json::String(second)] => Some((first, second)),
            _ => None,
        },
        _ => None,
    }
}
