//! Tokens with a meaning of their own.

use super::{Model, Usual, UsualKind};
use crate::gguf::Value;

/// The names by which chat templates ask for tokens, and the kinds these are.
const NAMES: &[(&str, &str)] = &[
    ("bos_token", "bos"),
    ("eos_token", "eos"),
    ("unk_token", "unk"),
    ("pad_token", "pad"),
    ("sep_token", "sep"),
    ("mask_token", "mask"),
];

impl Model {
    /// The texts of the vocabulary's tokens, by id; empty where the model has none.
    pub fn tokens(&self) -> &[Value] {
        self.value("tokenizer.ggml.tokens").and_then(Value::as_array).map_or(&[], |array| &array.values)
    }

    /// The text of a token.
    pub fn token(&self, id: u64) -> Option<&str> {
        self.tokens().get(usize::try_from(id).ok()?)?.as_str()
    }

    /// The id for a kind of token, by the option's name of one of the [`USUAL`](super::USUAL) settings.
    pub fn token_id(&self, kind: &str) -> Option<u64> {
        let usual = Usual::named(kind).filter(|usual| usual.kind == UsualKind::Token)?;
        self.value(&usual.key(&self.hparams.architecture))?.as_u64()
    }

    /// The texts that a chat template can ask for, by their names there.
    pub fn template_texts(&self) -> Vec<(&'static str, &str)> {
        NAMES.iter().filter_map(|(name, kind)| Some((*name, self.token(self.token_id(kind)?)?))).collect()
    }
}
