//! The tokenizer that the keys of a GGUF file describe, as llama.cpp reads them.

use super::pre;
use super::vocabulary::TokenType;
use crate::gguf::{Metadata, Value};
use serde::Deserialize;
use serde_json::json;
use tokenizers::models::bpe::{BPE, Merges, Vocab};
use tokenizers::{AddedToken, NormalizerWrapper, PreTokenizerWrapper, Tokenizer};

/// SentencePiece's mark of a space.
const SPACE: &str = "\u{2581}";
/// No token of a real vocabulary is longer in bytes; looking for all cuts of one costs the square of its length.
const MAX_PIECE: usize = 1024;
/// Pre-tokenizers with which llama.cpp begins a text with a token unless the file says otherwise.
const BEGINNING: &[&str] = &[
    "llama3",
    "llama-v3",
    "llama-bpe",
    "falcon3",
    "falcon-h1",
    "pixtral",
    "midm-2.0",
    "lfm2",
    "jina-v5-nano",
    "tekken",
    "chameleon",
];

fn value<'a>(metadata: &'a Metadata, key: &str) -> Option<&'a Value> {
    metadata.iter().find(|(known, _)| known.strip_prefix("tokenizer.ggml.") == Some(key)).map(|(_, value)| value)
}

fn text<'a>(metadata: &'a Metadata, key: &str) -> Option<&'a str> {
    value(metadata, key).and_then(Value::as_str)
}

fn list<'a>(metadata: &'a Metadata, key: &str) -> Result<&'a [Value], String> {
    let found = value(metadata, key).and_then(Value::as_array);
    found.map(|array| array.values.as_slice()).ok_or_else(|| format!("its metadata has no list tokenizer.ggml.{key}"))
}

fn texts<'a>(metadata: &'a Metadata, key: &str) -> Result<Vec<&'a str>, String> {
    let texts: Option<_> = list(metadata, key)?.iter().map(Value::as_str).collect();
    texts.ok_or_else(|| format!("tokenizer.ggml.{key} has something else than texts"))
}

/// What goes before and after a prompt.
pub(super) fn around(metadata: &Metadata) -> [Option<u32>; 2] {
    let is_spm = text(metadata, "model") == Some("llama");
    let begins = is_spm || text(metadata, "pre").is_some_and(|pre| BEGINNING.contains(&pre));
    // Without an id, llama.cpp takes those of Llama 2 and of GPT-2.
    let side = |key: &str, id: &str, added: bool, usual: u32| {
        let added = match value(metadata, key) {
            Some(Value::Bool(added)) => *added,
            _ => added,
        };
        let id = value(metadata, id).and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok());
        added.then(|| id.unwrap_or(usual))
    };
    [
        side("add_bos_token", "bos_token_id", begins, if is_spm { 1 } else { 11 }),
        side("add_eos_token", "eos_token_id", false, if is_spm { 2 } else { 11 }),
    ]
}

/// The tokenizer. Tokens that users defined are found in a text before anything else, and so are control tokens where
/// `controls` says so.
pub(super) fn tokenizer(metadata: &Metadata, controls: bool) -> Result<Tokenizer, String> {
    let tokens = texts(metadata, "tokens")?;
    let mut tokenizer = match text(metadata, "model") {
        Some("gpt2") => byte_level(metadata, &tokens)?,
        Some("llama") => sentencepiece(metadata, &tokens)?,
        other => {
            return Err(format!(
                "its tokenizer is of the kind {}; this version of Tuck encodes text for gpt2 (BPE) and llama (SentencePiece)",
                other.unwrap_or("(none)")
            ));
        }
    };
    let found = [TokenType::UserDefined, TokenType::Control, TokenType::Unknown].map(|kind| Value::I32(kind as i32));
    let found = &found[..if controls { 3 } else { 1 }];
    let kinds = list(metadata, "token_type").unwrap_or_default();
    let added = tokens.iter().zip(kinds).filter(|(text, kind)| found.contains(kind) && !text.is_empty());
    let added = added.map(|(text, _)| AddedToken::from(*text, false).normalized(false));
    tokenizer.add_tokens(added).map_err(|error| format!("its added tokens cannot be used: {error}"))?;
    Ok(tokenizer)
}

fn ids(tokens: &[&str]) -> Vocab {
    // Where two share a text, the first counts.
    tokens.iter().enumerate().rev().map(|(id, text)| ((*text).to_owned(), id as u32)).collect()
}

fn byte_level(metadata: &Metadata, tokens: &[&str]) -> Result<Tokenizer, String> {
    let name = text(metadata, "pre").unwrap_or("default");
    let rules = pre::rules(name).ok_or_else(|| {
        format!("its pre-tokenizer (tokenizer.ggml.pre) is {name}, which this version of Tuck does not know")
    })?;
    let ids = ids(tokens);
    let mut merges = Merges::new();
    for merge in texts(metadata, "merges")? {
        // The first part may begin with a space of its own.
        let cut = merge.char_indices().skip(1).find(|(_, c)| *c == ' ').map(|(at, _)| at);
        let (left, right) = cut.map(|at| (&merge[..at], &merge[at + 1..])).unwrap_or((merge, ""));
        let is_known = |text: &str| ids.contains_key(text);
        // What users defined is found before anything is merged, and may be written otherwise than merges have it.
        if is_known(left) && is_known(right) && is_known(&format!("{left}{right}")) {
            merges.push((left.to_owned(), right.to_owned()));
        }
    }
    let marks_spaces = !rules["normalizer"].is_null();
    let builder = BPE::builder().vocab_and_merges(ids, merges).ignore_merges(rules["ignore_merges"] == true);
    // Vocabularies that are not of bytes have tokens for those that no other has.
    let model = builder.byte_fallback(marks_spaces).build();
    let mut tokenizer = Tokenizer::new(model.map_err(|error| format!("its merges cannot be used: {error}"))?);
    let stage = |error| format!("the rules of the pre-tokenizer {name} cannot be used: {error}");
    if marks_spaces {
        let normalizer = NormalizerWrapper::deserialize(&rules["normalizer"]).map_err(stage)?;
        tokenizer.with_normalizer(Some(normalizer)).map_err(|error| error.to_string())?;
    }
    tokenizer.with_pre_tokenizer(Some(PreTokenizerWrapper::deserialize(&rules["pre_tokenizer"]).map_err(stage)?));
    Ok(tokenizer)
}

/// SentencePiece joins the two neighbours whose joint piece has the highest score; BPE joins the pair of the lowest rank.
/// So the pairs of all pieces, by falling score, are its merges.
fn sentencepiece(metadata: &Metadata, tokens: &[&str]) -> Result<Tokenizer, String> {
    let ids = ids(tokens);
    let scores = list(metadata, "scores")?;
    let mut pairs: Vec<(f32, &str, usize)> = Vec::new();
    for (piece, score) in tokens.iter().zip(scores) {
        let Value::F32(score) = score else {
            return Err("tokenizer.ggml.scores has something else than numbers of 32 bits".to_owned());
        };
        if piece.len() > MAX_PIECE {
            return Err(format!("a token is {} bytes long; at most {MAX_PIECE} are understood", piece.len()));
        }
        let cuts = piece.char_indices().skip(1).map(|(at, _)| at);
        let cuts = cuts.filter(|at| ids.contains_key(&piece[..*at]) && ids.contains_key(&piece[*at..]));
        pairs.extend(cuts.map(|at| (*score, *piece, at)));
    }
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
    let merges = pairs.into_iter().map(|(_, piece, at)| (piece[..at].to_owned(), piece[at..].to_owned())).collect();
    let model = BPE::builder().vocab_and_merges(ids, merges).byte_fallback(true).build();
    let mut tokenizer = Tokenizer::new(model.map_err(|error| format!("its pieces cannot be used: {error}"))?);
    let mut normalizers = vec![json!({"type": "Replace", "pattern": {"String": " "}, "content": SPACE})];
    if value(metadata, "add_space_prefix") != Some(&Value::Bool(false)) {
        normalizers.insert(0, json!({"type": "Prepend", "prepend": SPACE}));
    }
    let sequence = json!({"type": "Sequence", "normalizers": normalizers});
    let normalizer = NormalizerWrapper::deserialize(sequence).expect("constant rules");
    tokenizer.with_normalizer(Some(normalizer)).map_err(|error| error.to_string())?;
    Ok(tokenizer)
}
