//! GGUF token lists from a `tokenizer.json` and the documents beside it.

mod bpe;
mod pre;
mod special;

use crate::checkpoint::{Documents, OpenError};
use crate::gguf::Value;

/// The `tokenizer.*` keys of a byte-level BPE tokenizer, in the order of llama.cpp's converter.
///
/// `vocabulary` is the model's `vocab_size`: shorter token lists are padded to it. `is_llama` adds what the converter
/// writes for that family only.
pub fn metadata(documents: &Documents, vocabulary: u64, is_llama: bool) -> Result<Vec<(String, Value)>, OpenError> {
    let path = documents.folder.join("tokenizer.json");
    let mut keys = Vec::new();
    if is_llama && let Some(add_prefix_space) = documents.tokenizer_config["add_prefix_space"].as_bool() {
        keys.push(("tokenizer.ggml.add_space_prefix".to_owned(), Value::Bool(add_prefix_space)));
    }
    let bpe = bpe::read(&path, documents, vocabulary)?;
    keys.push(("tokenizer.ggml.model".to_owned(), "gpt2".into()));
    keys.push(("tokenizer.ggml.pre".to_owned(), pre::identify(&path, &documents.tokenizer)?.into()));
    keys.extend(bpe.metadata());
    keys.extend(special::metadata(documents, vocabulary, is_llama));
    Ok(keys)
}
