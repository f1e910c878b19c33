//! The text that models are run over.

use crate::engine::worker::Stop;
use crate::model::Model;
use crate::tokenizer::Encoder;
use std::path::{Path, PathBuf};

/// What is measured on where no text is given: of `assets/sample`, whose TRAINING-DATA.md states its sources.
const EVALUATION: &str = include_str!("../../../../assets/sample/evaluation.txt");
/// What is calibrated on where no text is given.
const CALIBRATION: &str = include_str!("../../../../assets/sample/calibration.txt");
/// No file is read that holds more.
const MAX_BYTES: u64 = 64 << 20;
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
        let (name, text) = match (path, built_in) {
            (Some(path), _) => (path.to_owned(), read(path)?),
            (None, BuiltIn::Evaluation) => (PathBuf::from("the built-in evaluation text"), EVALUATION.to_owned()),
            (None, BuiltIn::Calibration) => (PathBuf::from("the built-in calibration text"), CALIBRATION.to_owned()),
        };
        let encoder = Encoder::of(&model.path, &model.metadata, false)?;
        let mut tokens = encoder.encode(&text, true)?;
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
}

fn read(path: &Path) -> Result<String, Stop> {
    let refuse = |problem: String| Stop::Failed(format!("{}: {problem}", path.display()));
    let unread = |error: std::io::Error| refuse(format!("it could not be read: {error}; give a text file in UTF-8"));
    let found = std::fs::metadata(path).map_err(unread)?;
    if !found.is_file() || found.len() > MAX_BYTES {
        let bytes = found.len();
        return Err(refuse(format!("it has {bytes} bytes, and a text file of at most {MAX_BYTES} was expected")));
    }
    std::fs::read_to_string(path).map_err(unread)
}
