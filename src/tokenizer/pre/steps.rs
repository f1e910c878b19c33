//! The rules of a `tokenizer.json` by which text is cut before merging, as steps that can be compared.

use super::pattern;
use serde_json::{Value as Json, json};
use std::borrow::Cow;

/// What GPT-2 cuts by, and what a `ByteLevel` step stands for unless it says otherwise.
pub(super) const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
/// Punctuation as the `tokenizers` crate takes it: Unicode's and ASCII's.
pub(super) const PUNCTUATION: &str = r"[\p{P}!-/:-@\[-`{-~]";
/// Runs of it.
pub(super) const PUNCTUATION_RUNS: &str = r"[\p{P}!-/:-@\[-`{-~]+";
/// A digit, as `char::is_numeric` has it.
pub(super) const DIGIT: &str = r"\p{N}";
/// Runs of them.
pub(super) const DIGIT_RUNS: &str = r"\p{N}+";

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step<'a> {
    /// Cut off each match of a regular expression; what lies between is kept.
    Split(Cow<'a, str>),
    /// Write bytes as characters. Steps after it see those.
    Bytes,
    /// Write spaces as the mark of SentencePiece, and cut no words.
    SpaceMarks,
}

impl Step<'_> {
    /// The same step with its expression in one form.
    pub(super) fn canonical(&self) -> Step<'static> {
        match self {
            Self::Split(regex) => Step::Split(Cow::Owned(pattern::canonical(regex))),
            Self::Bytes => Step::Bytes,
            Self::SpaceMarks => Step::SpaceMarks,
        }
    }

    /// As a step of a `tokenizer.json`.
    pub(super) fn json(&self) -> Json {
        let split = |pattern: Json, behavior: &str| json!({"type": "Split", "pattern": pattern, "behavior": behavior, "invert": false});
        match self {
            Self::Split(regex) => split(json!({"Regex": regex}), "Isolated"),
            Self::Bytes => {
                json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false})
            }
            // llama.cpp cuts off newlines, for no merge reaches across them there.
            Self::SpaceMarks => split(json!({"Regex": "[^\\n]+|[\\n]+"}), "Isolated"),
        }
    }
}

/// The steps of a pre-tokenizer and the normalizer before it, or none where they say what no step stands for.
pub(super) fn of<'a>(tokenizer: &'a Json) -> Option<Vec<Step<'a>>> {
    let mut steps = Vec::new();
    for stage in flat(&tokenizer["normalizer"], "normalizers") {
        match stage["type"].as_str() {
            // Looked at elsewhere: no kind of BPE in llama.cpp composes characters.
            Some("NFC") => {}
            Some("Replace") if stage["pattern"]["String"] == " " && stage["content"] == "\u{2581}" => {
                steps.push(Step::SpaceMarks);
            }
            _ => return None,
        }
    }
    for stage in flat(&tokenizer["pre_tokenizer"], "pretokenizers") {
        if steps.first() == Some(&Step::SpaceMarks) {
            // There are no spaces left to cut at.
            match (stage["type"].as_str(), stage["pattern"]["String"].as_str()) {
                (Some("Split"), Some(" ")) => continue,
                _ => return None,
            }
        }
        steps.extend(pre_tokenizer(stage)?);
    }
    Some(steps)
}

/// The stages of sequences, also of those within others, without what is null.
pub(in crate::tokenizer) fn flat<'a>(json: &'a Json, list: &str) -> Vec<&'a Json> {
    match json[list].as_array() {
        Some(stages) => stages.iter().flat_map(|stage| flat(stage, list)).collect(),
        None if json.is_null() => Vec::new(),
        None => vec![json],
    }
}

fn pre_tokenizer(json: &Json) -> Option<Vec<Step<'_>>> {
    let split = |regex| Step::Split(Cow::Borrowed(regex));
    Some(match json["type"].as_str()? {
        "ByteLevel" if json["add_prefix_space"] != true => match json["use_regex"].as_bool() {
            Some(false) => vec![Step::Bytes],
            _ => vec![split(GPT2), Step::Bytes],
        },
        "Digits" if json["individual_digits"] == true => vec![split(DIGIT)],
        "Digits" => vec![split(DIGIT_RUNS)],
        "Punctuation" => match json["behavior"].as_str() {
            Some("Contiguous") => vec![split(PUNCTUATION_RUNS)],
            Some("Isolated") | None => vec![split(PUNCTUATION)],
            _ => return None,
        },
        "Split" => {
            let regex = json["pattern"]["Regex"].as_str()?;
            match (json["behavior"].as_str()?, json["invert"] == true) {
                // Keeping only what matches is the same where everything does.
                ("Isolated", _) => vec![split(regex)],
                ("Removed", true) if pattern::matches_everything(regex) => vec![split(regex)],
                _ => return None,
            }
        }
        _ => return None,
    })
}
