//! Unigram tokenizers: T5's, from a SentencePiece model, and XLM-RoBERTa's, from one or from `tokenizer.json`.

use super::added::{added_tokens, named};
use super::sentencepiece::{Algorithm, Model};
use super::spm::{self, PADDING_SCORE};
use super::vocabulary::{Token, TokenType, Vocabulary};
use crate::checkpoint::{Documents, OpenError};
use crate::gguf::{Array, Metadata, Value, ValueType};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value as Json;
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// A vocabulary, and how text is prepared for it.
pub(super) struct Unigram {
    pub(super) vocabulary: Vocabulary,
    add_space_prefix: bool,
    remove_extra_whitespaces: bool,
    precompiled_charsmap: Vec<u8>,
}

impl Unigram {
    /// The keys about text, with BERT's number of token types between the first two.
    pub(super) fn metadata(&self, token_types: Option<(String, Value)>) -> Metadata {
        let mut keys = vec![("tokenizer.ggml.add_space_prefix".to_owned(), Value::Bool(self.add_space_prefix))];
        keys.extend(token_types);
        keys.push(("tokenizer.ggml.remove_extra_whitespaces".to_owned(), Value::Bool(self.remove_extra_whitespaces)));
        if !self.precompiled_charsmap.is_empty() {
            let map = Array::new(ValueType::U8, self.precompiled_charsmap.iter().copied());
            keys.push(("tokenizer.ggml.precompiled_charsmap".to_owned(), map.into()));
        }
        keys
    }

    fn of(model: Model, vocabulary: Vocabulary) -> Self {
        Self {
            vocabulary,
            add_space_prefix: model.add_dummy_prefix,
            remove_extra_whitespaces: model.remove_extra_whitespaces,
            precompiled_charsmap: model.precompiled_charsmap,
        }
    }
}

/// T5's: the pieces as they are.
pub(super) fn read_t5(path: &Path, documents: &Documents, model: Model, size: u64) -> Result<Unigram, OpenError> {
    let vocabulary = spm::pieces(path, documents, &model, size)?;
    vocabulary.refuse_duplicates(path)?;
    check_unigram(path, &model)?;
    Ok(Unigram::of(model, vocabulary))
}

/// XLM-RoBERTa's from a SentencePiece model: fairseq puts its own four tokens before the pieces and leaves out three.
pub(super) fn read_xlm_roberta(path: &Path, model: Model, size: u64) -> Result<Unigram, OpenError> {
    check_unigram(path, &model)?;
    let size = size.max(model.pieces.len() as u64);
    let own = |text: &str, kind| Token { text: text.to_owned(), score: 0.0, kind };
    let mut tokens = Vocabulary::padded(path, size, model.pieces.len(), PADDING_SCORE)?.tokens;
    for (place, piece) in tokens.iter_mut().zip(&model.pieces) {
        place.clone_from(piece);
    }
    if tokens.len() < 4 {
        return Err(OpenError::new(path, format!("it has {} pieces; at least 4 were expected", model.pieces.len())));
    }
    tokens.pop();
    tokens.splice(
        ..3,
        [
            own("<s>", TokenType::Control),
            own("<pad>", TokenType::Control),
            own("</s>", TokenType::Control),
            own("<unk>", TokenType::Unknown),
        ],
    );
    let vocabulary = Vocabulary { tokens };
    vocabulary.refuse_duplicates(path)?;
    Ok(Unigram::of(model, vocabulary))
}

fn check_unigram(path: &Path, model: &Model) -> Result<(), OpenError> {
    match model.algorithm {
        Algorithm::Unigram => Ok(()),
        Algorithm::Bpe => Err(OpenError::new(path, "its model is of the type BPE; this family has unigram models")),
    }
}

/// XLM-RoBERTa's from `tokenizer.json`.
pub(super) fn read_json(path: &Path, documents: &Documents, size: u64) -> Result<Unigram, OpenError> {
    let refuse = |problem: String| OpenError::new(path, problem);
    let (tokenizer, model) = (&documents.tokenizer, &documents.tokenizer["model"]);
    let Some(pieces) = model["vocab"].as_array() else {
        return Err(refuse("its model has no list of pieces; download it again".to_owned()));
    };
    let piece = |(id, piece): (usize, &'_ Json)| match (piece[0].as_str(), piece[1].as_f64()) {
        (Some(text), Some(score)) => Ok(Token { text: text.to_owned(), score: score as f32, kind: TokenType::Normal }),
        _ => Err(refuse(format!("its piece {id} is {piece}; a text and a score were expected"))),
    };
    let mut tokens = pieces.iter().enumerate().map(piece).collect::<Result<Vec<Token>, OpenError>>()?;
    let ids: HashMap<&str, u64> =
        pieces.iter().enumerate().filter_map(|(id, piece)| Some((piece[0].as_str()?, id as u64))).collect();
    let added = added_tokens(documents, &ids).map_err(refuse)?;
    let special: HashSet<&str> = named(documents).into_iter().collect();
    let unknown_text = documents.tokenizer_config["unk_token"].as_str();
    let unknown = added.iter().find(|token| Some(token.text.as_str()) == unknown_text).map(|token| token.id);
    let unknown = unknown.or(model["unk_id"].as_u64()).unwrap_or(3);
    for token in &added {
        if let Some(place) = usize::try_from(token.id).ok().and_then(|id| tokens.get_mut(id)) {
            place.kind = TokenType::UserDefined;
        }
    }
    for (id, token) in tokens.iter_mut().enumerate() {
        if id as u64 == unknown {
            token.kind = TokenType::Unknown;
        } else if special.contains(token.text.as_str()) {
            token.kind = TokenType::Control;
        }
    }
    let size = size.max(tokens.len() as u64);
    let mut vocabulary = Vocabulary::padded(path, size, tokens.len(), PADDING_SCORE)?;
    for (id, token) in tokens.into_iter().enumerate() {
        vocabulary.set(id as u64, token);
    }
    vocabulary.refuse_duplicates(path)?;
    let stated = |key: &str| documents.tokenizer_config[key].as_bool();
    let any = |is: &dyn Fn(&Json) -> bool| stages(&tokenizer["pre_tokenizer"], "pretokenizers").iter().any(is);
    let has_prefix = |stage: &Json| {
        stage["type"] == "Metaspace" && stage["prepend_scheme"] != "never" && stage["add_prefix_space"] != false
    };
    Ok(Unigram {
        vocabulary,
        add_space_prefix: stated("add_prefix_space").unwrap_or_else(|| any(&has_prefix)),
        remove_extra_whitespaces: stated("clean_up_tokenization_spaces")
            .unwrap_or_else(|| any(&|s| s["type"] == "WhitespaceSplit")),
        precompiled_charsmap: charsmap(path, &tokenizer["normalizer"])?,
    })
}

/// The table of a `Precompiled` normalizer, which stands alone or in a sequence.
fn charsmap(path: &Path, normalizer: &Json) -> Result<Vec<u8>, OpenError> {
    let mut stages = stages(normalizer, "normalizers").iter();
    let Some(stage) = stages.find(|stage| stage["type"] == "Precompiled") else { return Ok(Vec::new()) };
    let text = stage["precompiled_charsmap"].as_str().unwrap_or_default();
    BASE64_STANDARD.decode(text).map_err(|error| {
        OpenError::new(path, format!("its precompiled_charsmap is no base64 ({error}); download it again"))
    })
}

/// The stages of a sequence, or the one that stands alone.
fn stages<'a>(json: &'a Json, list: &str) -> &'a [Json] {
    json[list].as_array().map_or(std::slice::from_ref(json), Vec::as_slice)
}
