//! The token list, and whether it fits the embedding.

use super::{Finding, Severity};
use crate::gguf::Value;
use crate::model::Model;
use std::collections::HashMap;

/// `LLAMA_TOKEN_TYPE_NORMAL` of llama.cpp: a token like any other.
const NORMAL: u64 = 1;

/// The tokens of a model, for looking them up.
pub(super) struct Vocabulary<'m> {
    /// Texts by id.
    texts: &'m [Value],
    /// Types by id, where the model has them.
    types: &'m [Value],
    ids: HashMap<&'m str, u32>,
}

impl<'m> Vocabulary<'m> {
    pub(super) fn of(model: &'m Model) -> Self {
        let texts = model.tokens();
        let types = model.value("tokenizer.ggml.token_type").and_then(Value::as_array);
        let ids = texts.iter().zip(0..).filter_map(|(text, id)| Some((text.as_str()?, id))).collect();
        Self { texts, types: types.map_or(&[], |types| &types.values), ids }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.texts.len()
    }

    pub(super) fn text(&self, id: u64) -> Option<&'m str> {
        self.texts.get(usize::try_from(id).ok()?)?.as_str()
    }

    pub(super) fn id(&self, text: &str) -> Option<u32> {
        self.ids.get(text).copied()
    }

    /// The longest token with a meaning of its own that a text begins with.
    pub(super) fn special_at_start_of(&self, text: &str) -> Option<u32> {
        let is_special = |id: u32| match self.types.get(id as usize) {
            Some(kind) => kind.as_u64() != Some(NORMAL),
            None => text.starts_with(['<', '[']),
        };
        let ends = text.char_indices().skip(1).map(|(end, _)| end).chain([text.len()]);
        let found = ends.take(MAX_SPECIAL).filter_map(|end| self.id(&text[..end])).filter(|id| is_special(*id));
        found.last()
    }
}

/// Characters of the longest special token.
const MAX_SPECIAL: usize = 64;

/// Lists and rows that have to be of one length.
pub(super) fn check(model: &Model, vocabulary: &Vocabulary<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let tokens = vocabulary.len() as u64;
    if tokens == 0 {
        let finding = Finding::new(Severity::Error, "tokenizer.ggml.tokens", "the model has no tokens")
            .because("Without a vocabulary, no program can read or write text with it.")
            .advise("Start from files that have the model's tokenizer.");
        return vec![finding];
    }
    let embedding = model.tensors.iter().find(|tensor| tensor.name == "token_embd.weight");
    if let Some(rows) = embedding.and_then(|tensor| tensor.shape.get(1)).filter(|rows| **rows != tokens) {
        let found = format!("the vocabulary has {tokens} tokens, and the embedding has {rows} rows");
        let finding = Finding::new(Severity::Error, "tokenizer.ggml.tokens", found)
            .because("llama.cpp refuses a model in which the two differ.")
            .advise("Tokenizer and weights come from different versions of the model; get both from one place.");
        findings.push(finding);
    }
    for list in ["token_type", "scores"] {
        let key = format!("tokenizer.ggml.{list}");
        let length = model.value(&key).and_then(Value::as_array).map(|array| array.values.len() as u64);
        if let Some(length) = length.filter(|length| *length != tokens) {
            let found = format!("it has {length} entries, and the vocabulary has {tokens} tokens");
            let finding = Finding::new(Severity::Error, key, found)
                .because("llama.cpp reads past the end of the shorter one.")
                .advise("The file is damaged or was made by a faulty program; get it again.");
            findings.push(finding);
        }
    }
    findings
}
