//! Tokens, their types and the merges of a byte-level BPE tokenizer.

use crate::checkpoint::{Documents, OpenError};
use crate::gguf::{Array, Value, ValueType};
use serde_json::Value as Json;
use std::collections::HashMap;
use std::path::Path;

/// `enum llama_token_type` of llama.cpp.
#[derive(Clone, Copy)]
enum TokenType {
    Normal = 1,
    Control = 3,
    UserDefined = 4,
    Unused = 5,
}

/// The lists of a GGUF file.
pub(super) struct Bpe {
    tokens: Vec<String>,
    types: Vec<TokenType>,
    merges: Vec<String>,
}

impl Bpe {
    pub(super) fn metadata(self) -> Vec<(String, Value)> {
        let types = self.types.into_iter().map(|kind| kind as i32);
        let mut keys = vec![
            ("tokenizer.ggml.tokens".to_owned(), Array::new(ValueType::String, self.tokens).into()),
            ("tokenizer.ggml.token_type".to_owned(), Array::new(ValueType::I32, types).into()),
        ];
        if !self.merges.is_empty() {
            keys.push(("tokenizer.ggml.merges".to_owned(), Array::new(ValueType::String, self.merges).into()));
        }
        keys
    }
}

/// Reads a `tokenizer.json` of model type BPE, with the `added_tokens_decoder` of `tokenizer_config.json`.
pub(super) fn read(path: &Path, documents: &Documents, vocabulary: u64) -> Result<Bpe, OpenError> {
    let tokenizer = &documents.tokenizer;
    let refuse = |problem: String| OpenError::new(path, problem);
    if tokenizer.is_null() {
        return Err(refuse(
            "it is not there, and without a tokenizer the model cannot speak; put it beside the weights".into(),
        ));
    }
    let model = &tokenizer["model"];
    // Files from before tokenizers 0.9 name no model type.
    let kind = model["type"].as_str().unwrap_or("BPE");
    if kind != "BPE" || model["byte_fallback"].as_bool() == Some(true) {
        let found = if kind == "BPE" { "BPE with byte fallback (SentencePiece)" } else { kind };
        return Err(refuse(format!("its tokenizer is {found}; this version of Tuck knows byte-level BPE")));
    }
    let Some(vocab) = model["vocab"].as_object() else {
        return Err(refuse("its model has no vocab object; download it again".into()));
    };
    let mut by_id: HashMap<u64, (String, TokenType)> = HashMap::with_capacity(vocab.len());
    for (token, id) in vocab {
        let id = id.as_u64().filter(|id| *id < vocabulary);
        let Some(id) = id else {
            return Err(refuse(format!(
                "its token {token:?} has the id {}, and config.json gives the model {vocabulary} tokens (vocab_size)",
                vocab[token]
            )));
        };
        if let Some((other, _)) = by_id.insert(id, (token.clone(), TokenType::Normal)) {
            return Err(refuse(format!("its tokens {other:?} and {token:?} share the id {id}")));
        }
    }
    for added in added_tokens(documents) {
        let (Some(id), Some(content)) = (added.id, added.content) else {
            return Err(refuse("one of its added tokens has no id or no content; download it again".into()));
        };
        if id >= vocabulary {
            return Err(refuse(format!(
                "its added token {content:?} has the id {id}, and config.json gives the model {vocabulary} tokens (vocab_size)"
            )));
        }
        by_id.insert(id, typed(content, added.special));
    }

    let (tokens, types) = (0..vocabulary)
        .map(|id| by_id.remove(&id).unwrap_or_else(|| (format!("[PAD{id}]"), TokenType::Unused)))
        .unzip();
    Ok(Bpe { tokens, types, merges: merges(path, &model["merges"])? })
}

struct Added<'a> {
    id: Option<u64>,
    content: Option<&'a str>,
    special: bool,
}

/// Those of `tokenizer.json`, then those of `tokenizer_config.json`, which win. A token is special where any of the
/// documents says so, or names it as one (`pad_token` and its like).
fn added_tokens(documents: &Documents) -> Vec<Added<'_>> {
    let named: Vec<&str> = [&documents.tokenizer_config, &documents.special_tokens_map]
        .into_iter()
        .filter_map(Json::as_object)
        .flatten()
        .filter(|(key, _)| key.ends_with("_token") || *key == "additional_special_tokens")
        .flat_map(|(_, value)| value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice))
        .filter_map(|token| token.as_str().or_else(|| token["content"].as_str()))
        .collect();
    let listed = documents.tokenizer["added_tokens"].as_array().into_iter().flatten();
    let decoder = documents.tokenizer_config["added_tokens_decoder"].as_object().into_iter().flatten();
    listed
        .map(|token| (token["id"].as_u64(), token))
        .chain(decoder.map(|(id, token)| (id.parse().ok(), token)))
        .map(|(id, token)| {
            let content = token["content"].as_str();
            let special = token["special"] == true || content.is_some_and(|content| named.contains(&content));
            Added { id, content, special }
        })
        .collect()
}

/// An added token's text and type. Some models forget to mark control tokens as special, so their looks count too.
fn typed(content: &str, special: bool) -> (String, TokenType) {
    const LOOKS: &[(&str, &str)] = &[("<|", "|>"), ("<\u{ff5c}", "\u{ff5c}>"), ("<unused", ">")];
    let looks_special = ["<pad>", "<mask>", "<2mass>", "[@BOS@]"].contains(&content)
        || LOOKS.iter().any(|(start, end)| content.starts_with(start) && content.ends_with(end));
    if special || looks_special {
        (content.to_owned(), TokenType::Control)
    } else {
        // llama.cpp takes user-defined tokens as they appear in text, with the SentencePiece space mark undone.
        (content.replace('\u{2581}', " "), TokenType::UserDefined)
    }
}

/// Merges stand as `"a b"`, or as `["a", "b"]` in newer files, where a part may hold a space.
fn merges(path: &Path, merges: &Json) -> Result<Vec<String>, OpenError> {
    let Some(merges) = merges.as_array() else {
        return Err(OpenError::new(path, "its model has no list of merges; download it again"));
    };
    let text = |merge: &Json| match merge {
        Json::String(text) => Some(text.clone()),
        Json::Array(pair) => match pair.as_slice() {
            [Json::String(a), Json::String(b)] => {
                Some(format!("{} {}", a.replace(' ', "\u{120}"), b.replace(' ', "\u{120}")))
            }
            _ => None,
        },
        _ => None,
    };
    merges
        .iter()
        .enumerate()
        .map(|(n, merge)| {
            text(merge).ok_or_else(|| OpenError::new(path, format!("its merge {n} is {merge}; a pair was expected")))
        })
        .collect()
}
