//! The text that models are run over.

use super::documents::{self, Document};
use crate::engine::worker::Stop;
use crate::model::Model;
use crate::tokenizer::Encoder;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// What is measured on where no text is given: of `assets/sample`, whose TRAINING-DATA.md states its sources.
const EVALUATION: &str = include_str!("../../../../assets/sample/evaluation.txt");
/// What is calibrated on where no text is given: `assets/calibration/SOURCES.md` states what it is made of.
const CALIBRATION: &[&str] = &[
    include_str!("../../../../assets/calibration/languages.txt"),
    include_str!("../../../../assets/calibration/code.txt"),
    include_str!("../../../../assets/sample/calibration.txt"),
];
/// Fewer tokens are no context.
const MIN_CHUNK: usize = 8;

/// A text that comes with Tuck.
#[derive(Clone, Copy, Debug)]
pub(super) enum BuiltIn {
    Evaluation,
    Calibration,
}

/// Chunks of a text as tokens.
pub(super) struct Text {
    /// Its file, or what it is called.
    pub(super) name: PathBuf,
    /// Chunk by chunk, each begun by the token that begins texts, where the model wants one.
    pub(super) tokens: Vec<u32>,
    /// Tokens of a chunk.
    pub(super) chunk: usize,
}

impl Text {
    /// Reads and cuts a text as llama-perplexity does: whole chunks of one long row of tokens.
    pub(super) fn read(
        path: Option<&Path>,
        built_in: BuiltIn,
        model: &Model,
        chunk: usize,
        most: Option<usize>,
    ) -> Result<Self, Stop> {
        let longest = model.hparams.context;
        if chunk < MIN_CHUNK || chunk as u64 > longest {
            return Err(Stop::Failed(format!(
                "a context of {chunk} tokens was asked for, and {} takes from {MIN_CHUNK} to {longest}",
                model.path.display()
            )));
        }
        let (name, documents) = match (path, built_in) {
            (Some(path), _) => (path.to_owned(), documents::read(path, model)?),
            (None, BuiltIn::Evaluation) => ("the built-in evaluation text".into(), plain(&[EVALUATION])),
            (None, BuiltIn::Calibration) => ("the built-in calibration text".into(), plain(CALIBRATION)),
        };
        let encoder = Encoder::of(&model.path, &model.metadata, false)?;
        let of_chats = Encoder::of(&model.path, &model.metadata, true)?;
        let mut tokens = Vec::new();
        for document in &documents {
            let encoder = if document.is_chat { &of_chats } else { &encoder };
            tokens.extend(encoder.encode(&document.text, tokens.is_empty() && !document.is_chat)?);
        }
        let count = tokens.len() / chunk;
        if count == 0 {
            return Err(Stop::Failed(format!(
                "{} has {} tokens, fewer than the {chunk} of one chunk; take a longer text or a smaller --ctx",
                name.display(),
                tokens.len()
            )));
        }
        tokens.truncate(most.map_or(count, |most| count.min(most.max(1))) * chunk);
        if let Some(begin) = encoder.begin() {
            tokens.chunks_exact_mut(chunk).for_each(|chunk| chunk[0] = begin);
        }
        Ok(Self { name, tokens, chunk })
    }

    /// How many chunks it has.
    pub(super) fn chunks(&self) -> usize {
        self.tokens.len() / self.chunk
    }

    /// Some of its chunks, from all over it.
    pub(super) fn thinned(&self, most: usize) -> Self {
        let places = self.places(most);
        self.only(|chunk| places.contains(&chunk))
    }

    /// What [`thinned`](Self::thinned) leaves of it; all of it, where that would be less than nine tenths.
    pub(super) fn without_thinned(&self, most: usize) -> Self {
        let places = self.places(most);
        let spares = self.chunks() >= 10 * places.len();
        self.only(|chunk| !(spares && places.contains(&chunk)))
    }

    /// The chunks in the middle of each of so many equal parts.
    fn places(&self, most: usize) -> Vec<usize> {
        let (all, count) = (self.chunks(), self.chunks().min(most.max(1)));
        (0..count).map(|n| (2 * n + 1) * all / (2 * count)).collect()
    }

    fn only(&self, is_in: impl Fn(usize) -> bool) -> Self {
        let chunks = self.tokens.chunks_exact(self.chunk).enumerate().filter(|(place, _)| is_in(*place));
        let tokens = chunks.flat_map(|(_, tokens)| tokens).copied().collect();
        Self { name: self.name.clone(), tokens, chunk: self.chunk }
    }

    /// What statistics of this text say that they are of: the length of its chunks, and a digest.
    pub(super) fn identity(&self) -> String {
        format!("{}-{}", self.chunk, self.digest())
    }

    /// A digest of its tokens.
    pub(super) fn digest(&self) -> String {
        let bytes: Vec<u8> = self.tokens.iter().flat_map(|token| token.to_le_bytes()).collect();
        Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn plain(texts: &[&str]) -> Vec<Document> {
    texts.iter().map(|text| Document { text: (*text).to_owned(), is_chat: false }).collect()
}
