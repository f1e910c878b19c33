//! Tokenizers: the lists and settings that a GGUF file holds, from the documents of a checkpoint, and text to tokens and
//! back.
//!
//! What is written equals what llama.cpp's own `convert_hf_to_gguf.py` writes, with the differences that the tests list.

mod added;
mod bpe;
mod decode;
mod encode;
mod family;
mod older;
mod pre;
mod protobuf;
mod sentencepiece;
mod special;
mod spm;
mod spm_json;
mod stored;
mod template;
mod unigram;
mod vocabulary;
mod wordpiece;

pub use decode::Decoder;
pub use encode::Encoder;
pub use family::{Family, Kind, TokenTypes, When};
pub use pre::{Difference, Question, known_name, names as pre_tokenizers, rules};

use crate::checkpoint::{Documents, OpenError, SENTENCEPIECE_FILES};
use crate::gguf::{Metadata, Value};
use sentencepiece::Model;
use special::Special;
use std::path::PathBuf;

/// What became of a tokenizer.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// The `tokenizer.*` keys, in the order of llama.cpp's converter.
    pub keys: Metadata,
    /// Things to know that stopped nothing.
    pub notes: Vec<String>,
    /// What a person has to decide: until then `tokenizer.ggml.pre` is a proposal, and the file must not be written.
    pub question: Option<Question>,
}

/// Reads the tokenizer of a checkpoint.
///
/// `vocabulary` is the model's `vocab_size`: shorter token lists are padded to it. Errors name the document, what was
/// found in it, and what to do.
pub fn metadata(documents: &Documents, vocabulary: u64, family: &Family) -> Result<Written, OpenError> {
    let completed = older::completed(documents, false)?;
    let documents = completed.as_ref().unwrap_or(documents);
    let kind = kind(documents, family)?;
    let mut written = Writer { documents, vocabulary, family, keys: Metadata::new() };
    for (key, add) in family.first {
        written.ggml(key, Value::Bool(*add));
    }
    if family.space_prefix
        && let Some(add) = documents.tokenizer_config["add_prefix_space"].as_bool()
    {
        written.ggml("add_space_prefix", Value::Bool(add));
    }
    let found = written.read(kind)?;
    for (when, key, value) in family.last {
        let is_now = match when {
            When::Always => true,
            When::Vocabulary(size) => *size == vocabulary,
            When::Kind(of) => *of == kind,
        };
        if is_now {
            written.ggml(key, value.clone());
        }
    }
    let (notes, question) =
        found.map_or_else(Default::default, |found| (found.note.into_iter().collect(), found.question));
    Ok(Written { keys: written.keys, notes, question })
}

/// The first of a family's kinds whose files are there.
fn kind(documents: &Documents, family: &Family) -> Result<Kind, OpenError> {
    let tokenizer = &documents.tokenizer;
    let has = |name: &str| documents.sentencepiece.iter().any(|(known, _)| *known == name);
    let [usual, t5, xlm_roberta] = SENTENCEPIECE_FILES;
    let is_there = |kind: &&Kind| match kind {
        Kind::Bpe => !tokenizer.is_null() && bpe::model_type(tokenizer) == "BPE",
        Kind::Gpt2Class => documents.tokenizer_config["tokenizer_class"] == "GPT2Tokenizer",
        Kind::SentencePiece | Kind::Phi3 | Kind::InternLm2 => has(usual),
        Kind::SentencePieceJson => spm_json::is_one(tokenizer),
        Kind::WordPiece => bpe::model_type(tokenizer) == "WordPiece",
        Kind::T5 => has(usual) || has(t5),
        Kind::XlmRoberta => has(xlm_roberta) || bpe::model_type(tokenizer) == "Unigram",
    };
    family.kinds.iter().find(is_there).copied().ok_or_else(|| missing(documents, family))
}

/// Why no kind of tokenizer was found.
fn missing(documents: &Documents, family: &Family) -> OpenError {
    let wants_json = family.kinds.iter().any(|kind| matches!(kind, Kind::Bpe | Kind::WordPiece | Kind::Gpt2Class));
    let name = if wants_json { "tokenizer.json" } else { SENTENCEPIECE_FILES[0] };
    let path = documents.folder.join(name);
    if wants_json && !documents.tokenizer.is_null() {
        let found = bpe::model_type(&documents.tokenizer);
        let expected: Vec<&str> = family.kinds.iter().map(|kind| kind.label()).collect();
        return OpenError::new(
            path,
            format!("its tokenizer is of the type {found}; models of this family have {}", expected.join(" or ")),
        );
    }
    OpenError::new(path, "it is not there, and without a tokenizer the model cannot speak; put it beside the weights")
}

/// The keys so far, and what they are made from.
struct Writer<'a> {
    documents: &'a Documents,
    vocabulary: u64,
    family: &'a Family,
    keys: Metadata,
}

impl<'a> Writer<'a> {
    /// A key stays where it was written first.
    fn set(&mut self, key: String, value: Value) {
        match self.keys.iter_mut().find(|(known, _)| *known == key) {
            Some((_, known)) => *known = value,
            None => self.keys.push((key, value)),
        }
    }

    fn ggml(&mut self, key: &str, value: Value) {
        self.set(format!("tokenizer.ggml.{key}"), value);
    }

    fn extend(&mut self, keys: Metadata) {
        keys.into_iter().for_each(|(key, value)| self.set(key, value));
    }

    fn read(&mut self, kind: Kind) -> Result<Option<pre::Found>, OpenError> {
        match kind {
            Kind::Bpe | Kind::Gpt2Class => return self.read_bpe().map(Some),
            Kind::WordPiece => self.read_wordpiece()?,
            Kind::SentencePiece | Kind::Phi3 | Kind::InternLm2 => self.read_sentencepiece(kind)?,
            Kind::SentencePieceJson => {
                let path = self.json_path();
                self.pieces("llama", &spm_json::read(&path, self.documents, self.vocabulary)?);
                self.end(None);
            }
            Kind::T5 | Kind::XlmRoberta => self.read_unigram(kind)?,
        }
        Ok(None)
    }

    fn json_path(&self) -> PathBuf {
        self.documents.folder.join("tokenizer.json")
    }

    /// The first of these files that is there.
    fn model(&self, names: &[&str]) -> Result<Option<(PathBuf, Model)>, OpenError> {
        let found = names.iter().find_map(|name| self.documents.sentencepiece.iter().find(|(known, _)| known == name));
        let read = |(name, bytes): &(&str, Vec<u8>)| {
            let path = self.documents.folder.join(name);
            Model::read(&path, bytes).map(|model| (path, model))
        };
        found.map(read).transpose()
    }

    fn read_bpe(&mut self) -> Result<pre::Found, OpenError> {
        let path = self.json_path();
        bpe::refuse_marks(&path, &self.documents.tokenizer)?;
        let vocabulary = bpe::read(&path, self.documents, self.vocabulary)?;
        let found = pre::identify(&path, &self.documents.tokenizer)?;
        self.ggml("model", "gpt2".into());
        self.ggml("pre", found.name.into());
        self.extend(vocabulary.texts());
        self.extend(vocabulary.types());
        self.extend(bpe::merges(&path, &self.documents.tokenizer)?);
        self.end(None);
        if self.family.token_types == TokenTypes::FromConfig {
            let (key, value) = self.token_types();
            self.set(key, value);
        }
        Ok(found)
    }

    fn read_wordpiece(&mut self) -> Result<(), OpenError> {
        let vocabulary = wordpiece::read(&self.json_path(), self.documents, self.vocabulary)?;
        let (key, value) = self.token_types();
        self.set(key, value);
        self.ggml("model", "bert".into());
        // Only BPE has pre-tokenizers in llama.cpp; its converter writes the name that it finds for BERT's vocabulary.
        self.ggml("pre", "jina-v2-en".into());
        self.extend(vocabulary.texts());
        self.extend(vocabulary.types());
        self.end(None);
        Ok(())
    }

    fn read_sentencepiece(&mut self, kind: Kind) -> Result<(), OpenError> {
        let Some((path, model)) = self.model(&SENTENCEPIECE_FILES[..1])? else {
            return Err(missing(self.documents, self.family));
        };
        let (documents, size) = (self.documents, self.vocabulary);
        let (vocabulary, eos) = match kind {
            Kind::Phi3 => (spm::read_phi3(&path, documents, &model, size)?, None),
            Kind::InternLm2 => spm::read_internlm2(&path, documents, &model, size)?,
            _ => (spm::read(&path, documents, &model, size)?, None),
        };
        self.pieces("llama", &vocabulary);
        if kind == Kind::InternLm2 {
            self.ggml("add_space_prefix", Value::Bool(model.add_dummy_prefix));
        }
        self.end(eos);
        Ok(())
    }

    fn read_unigram(&mut self, kind: Kind) -> Result<(), OpenError> {
        let [usual, t5, xlm_roberta] = SENTENCEPIECE_FILES;
        let (documents, size) = (self.documents, self.vocabulary);
        let names: &[&str] = if kind == Kind::T5 { &[usual, t5] } else { &[xlm_roberta] };
        let unigram = match self.model(names)? {
            Some((_, model)) if kind == Kind::T5 && model.algorithm == sentencepiece::Algorithm::Bpe => {
                return self.read_sentencepiece(Kind::SentencePiece);
            }
            Some((path, model)) if kind == Kind::T5 => unigram::read_t5(&path, documents, model, size)?,
            Some((path, model)) => unigram::read_xlm_roberta(&path, model, size)?,
            None => unigram::read_json(&self.json_path(), documents, size)?,
        };
        self.pieces("t5", &unigram.vocabulary);
        let token_types = (self.family.token_types == TokenTypes::FromConfig).then(|| self.token_types());
        self.extend(unigram.metadata(token_types));
        self.end(None);
        Ok(())
    }

    fn pieces(&mut self, model: &str, vocabulary: &vocabulary::Vocabulary) {
        self.ggml("model", model.into());
        self.ggml("pre", "default".into());
        self.extend(vocabulary.texts());
        self.extend(vocabulary.scores());
        self.extend(vocabulary.types());
    }

    fn token_types(&self) -> (String, Value) {
        let count = self.documents.config["type_vocab_size"].as_u64().and_then(|count| u32::try_from(count).ok());
        ("tokenizer.ggml.token_type_count".to_owned(), Value::U32(count.unwrap_or(1)))
    }

    /// Special tokens, with `eos` in the place of what the documents say, then templates and how text is normalized.
    fn end(&mut self, eos: Option<u64>) {
        let mut special = Special::read(self.documents, self.vocabulary);
        for (kind, text) in self.family.roles {
            special.set_by_text(kind, text);
        }
        if let Some(eos) = eos {
            special.replace("eos", eos);
        }
        self.extend(special.metadata());
        self.extend(template::metadata(self.documents));
        self.extend(special::normalizer(&self.documents.tokenizer));
    }
}

impl Kind {
    /// For people.
    fn label(self) -> &'static str {
        match self {
            Self::Bpe | Self::Gpt2Class => "byte-level BPE",
            Self::SentencePiece | Self::Phi3 | Self::InternLm2 => "a SentencePiece model",
            Self::SentencePieceJson => "BPE with byte fallback",
            Self::WordPiece => "WordPiece",
            Self::T5 | Self::XlmRoberta => "Unigram",
        }
    }
}
