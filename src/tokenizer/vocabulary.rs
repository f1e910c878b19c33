//! Token lists as a GGUF file holds them.

use crate::checkpoint::OpenError;
use crate::gguf::{Array, Metadata, ValueType};
use std::collections::HashMap;
use std::path::Path;

/// `enum llama_token_type` of llama.cpp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenType {
    Normal = 1,
    Unknown = 2,
    Control = 3,
    UserDefined = 4,
    Unused = 5,
    Byte = 6,
}

/// One token.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) score: f32,
    pub(super) kind: TokenType,
}

/// What stands where a model has a row in its embedding and its tokenizer has no token.
fn padding(id: usize, score: f32) -> Token {
    Token { text: format!("[PAD{id}]"), score, kind: TokenType::Unused }
}

/// The tokens of a file, by id.
#[derive(Clone, Debug)]
pub(super) struct Vocabulary {
    pub(super) tokens: Vec<Token>,
}

impl Vocabulary {
    /// `size` tokens of padding, which the caller overwrites.
    ///
    /// A vocabulary is as long as config.json says, so a few bytes of JSON could ask for any amount of memory: what is
    /// not in the documents may be at most as much as is, with room for the small vocabularies of tests.
    pub(super) fn padded(path: &Path, size: u64, known: usize, score: f32) -> Result<Self, OpenError> {
        let most = 10 * known as u64 + 65_536;
        if size > most {
            return Err(OpenError::new(
                path,
                format!(
                    "it has {known} tokens, and config.json gives the model {size} (vocab_size); more than {most} would be \
                     padding without end, so one of the two is damaged"
                ),
            ));
        }
        Ok(Self { tokens: (0..size as usize).map(|id| padding(id, score)).collect() })
    }

    /// Puts a token at an id, and says whether there is a place for it.
    pub(super) fn set(&mut self, id: u64, token: Token) -> bool {
        let place = usize::try_from(id).ok().and_then(|id| self.tokens.get_mut(id));
        place.map(|place| *place = token).is_some()
    }

    /// llama.cpp looks tokens up by their text, and ends at once where two share one.
    pub(super) fn refuse_duplicates(&self, path: &Path) -> Result<(), OpenError> {
        let mut seen = HashMap::with_capacity(self.tokens.len());
        for (id, token) in self.tokens.iter().enumerate().filter(|(_, token)| !token.text.is_empty()) {
            if let Some(first) = seen.insert(token.text.as_str(), id) {
                return Err(OpenError::new(
                    path,
                    format!(
                        "its tokens {first} and {id} are both {:?}, and llama.cpp refuses two tokens with one text; remove \
                         one of them",
                        token.text
                    ),
                ));
            }
        }
        Ok(())
    }

    /// The list of texts.
    pub(super) fn texts(&self) -> Metadata {
        let texts = Array::new(ValueType::String, self.tokens.iter().map(|token| token.text.clone()));
        vec![("tokenizer.ggml.tokens".to_owned(), texts.into())]
    }

    /// The list of scores.
    pub(super) fn scores(&self) -> Metadata {
        let scores = Array::new(ValueType::F32, self.tokens.iter().map(|token| token.score));
        vec![("tokenizer.ggml.scores".to_owned(), scores.into())]
    }

    /// The list of types.
    pub(super) fn types(&self) -> Metadata {
        let types = Array::new(ValueType::I32, self.tokens.iter().map(|token| token.kind as i32));
        vec![("tokenizer.ggml.token_type".to_owned(), types.into())]
    }
}
