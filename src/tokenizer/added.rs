//! Tokens that documents add to a vocabulary, as the `transformers` package takes them together.

use super::vocabulary::{Token, TokenType};
use crate::checkpoint::Documents;
use serde_json::Value as Json;
use std::collections::{HashMap, HashSet};

/// The score of tokens that no SentencePiece model scored.
pub(super) const ADDED_SCORE: f32 = -1000.0;

/// A token beside those of the model.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Added {
    pub(super) id: u64,
    pub(super) text: String,
    pub(super) special: bool,
    /// Whether it is looked for in normalized text.
    pub(super) normalized: bool,
}

/// Those of `tokenizer.json`; those of `tokenizer_config.json`, which say better whether they are special; then tokens
/// that are named (`pad_token` and its like) and are not among them. Tokens that have no id yet get the next one.
///
/// A name makes a token special where `added_tokens_decoder` lists it, or where there is no such list.
///
/// `model` holds the vocabulary of the model in `tokenizer.json`.
pub(super) fn added_tokens(documents: &Documents, model: &HashMap<&str, u64>) -> Result<Vec<Added>, String> {
    let mut list = List { model, tokens: Vec::new(), by_text: HashMap::new(), next_id: model.len() as u64 };
    let names = named(documents);
    let is_named: HashSet<&str> = names.iter().copied().collect();
    let has_decoder = !documents.tokenizer_config["added_tokens_decoder"].is_null();
    for token in documents.tokenizer["added_tokens"].as_array().into_iter().flatten() {
        let (Some(id), Some(text)) = (token["id"].as_u64(), token["content"].as_str()) else {
            return Err("one of its added tokens has no id or no content; download it again".to_owned());
        };
        let flag = token["special"] == true;
        let normalized = token["normalized"].as_bool().unwrap_or(!flag);
        let special = flag || (!has_decoder && is_named.contains(text));
        list.put(Added { id, text: text.to_owned(), special, normalized });
    }
    for (_, token) in decoder(&documents.tokenizer_config) {
        let Some(text) = token["content"].as_str() else {
            return Err("one of the added tokens in tokenizer_config.json has no content; download it again".to_owned());
        };
        let flag = token["special"] == true;
        let normalized = token["normalized"].as_bool().unwrap_or(!flag);
        list.add(text, flag || is_named.contains(text), normalized);
    }
    if !has_decoder {
        let listed = documents.added_tokens.as_object().into_iter().flatten();
        let mut listed: Vec<(&String, u64)> = listed.filter_map(|(text, id)| Some((text, id.as_u64()?))).collect();
        listed.sort_by_key(|(_, id)| *id);
        for (text, _) in listed {
            let special = is_named.contains(text.as_str());
            list.add(text, special, !special);
        }
    }
    for text in names {
        if !list.by_text.contains_key(text) {
            list.add(text, true, false);
        }
    }
    Ok(list.tokens)
}

/// The entries of `added_tokens_decoder` by id.
pub(super) fn decoder(tokenizer_config: &Json) -> Vec<(u64, &Json)> {
    let entries = tokenizer_config["added_tokens_decoder"].as_object().into_iter().flatten();
    let mut entries: Vec<(u64, &Json)> = entries.filter_map(|(id, token)| Some((id.parse().ok()?, token))).collect();
    entries.sort_by_key(|(id, _)| *id);
    entries
}

/// Texts of tokens that are special by name. Old folders name them in `special_tokens_map.json`.
pub(super) fn named(documents: &Documents) -> Vec<&str> {
    const KEYS: &[&str] = &["bos", "eos", "unk", "sep", "pad", "cls", "mask"];
    let config = &documents.tokenizer_config;
    let map = Some(&documents.special_tokens_map).filter(|_| config["added_tokens_decoder"].is_null());
    let stated = |key: String| map.map(|map| &map[&key]).filter(|token| !token.is_null()).unwrap_or(&config[&key]);
    let single = KEYS.iter().map(|kind| stated(format!("{kind}_token")));
    let more = stated("additional_special_tokens".to_owned()).as_array().into_iter().flatten();
    let texts = single.chain(more).filter_map(|token| token.as_str().or_else(|| token["content"].as_str()));
    let mut seen = HashSet::new();
    texts.filter(|text| !text.is_empty() && seen.insert(*text)).collect()
}

struct List<'a> {
    model: &'a HashMap<&'a str, u64>,
    tokens: Vec<Added>,
    by_text: HashMap<String, usize>,
    /// For a token that no document gives one.
    next_id: u64,
}

impl List<'_> {
    /// The last entry of a text counts.
    fn put(&mut self, token: Added) {
        if token.text.is_empty() {
            return;
        }
        self.next_id = self.next_id.max(token.id.saturating_add(1));
        match self.by_text.get(&token.text) {
            Some(place) => self.tokens[*place] = token,
            None => {
                self.by_text.insert(token.text.clone(), self.tokens.len());
                self.tokens.push(token);
            }
        }
    }

    fn add(&mut self, text: &str, special: bool, normalized: bool) {
        let known = self.by_text.get(text).map(|place| self.tokens[*place].id);
        let id = known.or_else(|| self.model.get(text).copied()).unwrap_or(self.next_id);
        self.put(Added { id, text: text.to_owned(), special, normalized });
    }
}

impl Added {
    /// As a token of a GGUF file.
    pub(super) fn token(&self) -> Token {
        token(&self.text, self.special)
    }
}

/// An added token's text and type.
pub(super) fn token(text: &str, special: bool) -> Token {
    if special || looks_special(text) {
        Token { text: text.to_owned(), score: ADDED_SCORE, kind: TokenType::Control }
    } else {
        // llama.cpp takes user-defined tokens as they appear in text, with the SentencePiece space mark undone.
        Token { text: text.replace('\u{2581}', " "), score: ADDED_SCORE, kind: TokenType::UserDefined }
    }
}

/// Some models forget to mark control tokens as special, so their looks count too.
fn looks_special(text: &str) -> bool {
    const LOOKS: &[(&str, &str)] = &[("<|", "|>"), ("<\u{ff5c}", "\u{ff5c}>"), ("<unused", ">")];
    ["<pad>", "<mask>", "<2mass>", "[@BOS@]"].contains(&text)
        || LOOKS.iter().any(|(start, end)| text.starts_with(start) && text.ends_with(end))
}
