//! SentencePiece models: the pieces of `tokenizer.model`, and the settings that a runtime needs.
//!
//! The format is `sentencepiece_model.proto` of the SentencePiece project.

use super::protobuf::{Field, Fields, Malformed};
use super::vocabulary::{Token, TokenType};
use crate::checkpoint::OpenError;
use std::path::Path;

/// How a model was trained, and so how it cuts text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Unigram,
    Bpe,
}

/// A model file.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) pieces: Vec<Token>,
    pub(super) algorithm: Algorithm,
    /// Whether text gets a space in front.
    pub(super) add_dummy_prefix: bool,
    /// Whether runs of spaces become one, and those at the ends none.
    pub(super) remove_extra_whitespaces: bool,
    /// Replacements of characters, as a trie that llama.cpp reads as it is.
    pub(super) precompiled_charsmap: Vec<u8>,
}

/// Fields of `ModelProto`.
const PIECES: u64 = 1;
const TRAINER_SPEC: u64 = 2;
const NORMALIZER_SPEC: u64 = 3;

impl Model {
    pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<Self, OpenError> {
        let malformed = |error: Malformed| {
            let problem = format!("it is no SentencePiece model: at byte {} is {}", error.at, error.what);
            OpenError::new(path, format!("{problem}; download it again"))
        };
        // What the format says for absent fields.
        let mut model = Self {
            pieces: Vec::new(),
            algorithm: Algorithm::Unigram,
            add_dummy_prefix: true,
            remove_extra_whitespaces: true,
            precompiled_charsmap: Vec::new(),
        };
        for field in Fields::of(bytes) {
            match field.map_err(malformed)? {
                (PIECES, Field::Bytes(piece)) => {
                    let id = model.pieces.len();
                    model.pieces.push(piece_of(piece).map_err(malformed)?.map_err(|problem| {
                        OpenError::new(path, format!("its piece {id} {problem}; download it again"))
                    })?);
                }
                (TRAINER_SPEC, Field::Bytes(spec)) => model.read_trainer(path, spec, malformed)?,
                (NORMALIZER_SPEC, Field::Bytes(spec)) => model.read_normalizer(spec).map_err(malformed)?,
                _ => {}
            }
        }
        if model.pieces.is_empty() {
            return Err(OpenError::new(path, "it has no pieces, so it is no SentencePiece model; download it again"));
        }
        Ok(model)
    }

    fn read_trainer(
        &mut self,
        path: &Path,
        spec: &[u8],
        malformed: impl Fn(Malformed) -> OpenError,
    ) -> Result<(), OpenError> {
        const MODEL_TYPE: u64 = 3;
        for field in Fields::of(spec) {
            if let (MODEL_TYPE, Field::Varint(kind)) = field.map_err(&malformed)? {
                self.algorithm = match kind {
                    1 => Algorithm::Unigram,
                    2 => Algorithm::Bpe,
                    _ => {
                        return Err(OpenError::new(
                            path,
                            format!("its model type is {kind}; llama.cpp knows 1 (unigram) and 2 (BPE)"),
                        ));
                    }
                };
            }
        }
        Ok(())
    }

    fn read_normalizer(&mut self, spec: &[u8]) -> Result<(), Malformed> {
        for field in Fields::of(spec) {
            match field? {
                (2, Field::Bytes(map)) => self.precompiled_charsmap = map.to_vec(),
                (3, Field::Varint(add)) => self.add_dummy_prefix = add != 0,
                (4, Field::Varint(remove)) => self.remove_extra_whitespaces = remove != 0,
                _ => {}
            }
        }
        Ok(())
    }
}

/// A piece with its type as llama.cpp's converter gives it: user-defined pieces count as normal ones there, unless
/// another document says more.
fn piece_of(message: &[u8]) -> Result<Result<Token, String>, Malformed> {
    let (mut text, mut score, mut kind) = (&b""[..], 0f32, 1);
    for field in Fields::of(message) {
        match field? {
            (1, Field::Bytes(bytes)) => text = bytes,
            (2, Field::Fixed32(bytes)) => score = f32::from_le_bytes(bytes),
            (3, Field::Varint(number)) => kind = number,
            _ => {}
        }
    }
    let kind = match kind {
        1 | 4 => TokenType::Normal,
        2 => TokenType::Unknown,
        3 => TokenType::Control,
        5 => TokenType::Unused,
        6 => TokenType::Byte,
        _ => return Ok(Err(format!("has the type {kind}; 1 to 6 were expected"))),
    };
    if !score.is_finite() {
        return Ok(Err(format!("has the score {score}; a number was expected")));
    }
    Ok(match String::from_utf8(text.to_vec()) {
        Ok(text) if !text.is_empty() => Ok(Token { text, score, kind }),
        Ok(_) => Err("has no text".to_owned()),
        Err(_) => Err("is not valid UTF-8".to_owned()),
    })
}
