//! Which of llama.cpp's pre-tokenizers splits text as this tokenizer does.
//!
//! llama.cpp has the splitting rules compiled in, under names. A `tokenizer.json` states its rules, so they are
//! compared as stated; rules that are not in the list are an error, since a near miss gives wrong tokens silently.

use crate::checkpoint::OpenError;
use serde_json::Value as Json;
use std::path::Path;

/// One step of splitting, as far as it decides the result.
#[derive(Debug, PartialEq)]
enum Step<'a> {
    /// Split off matches of a regular expression.
    Regex(&'a str),
    /// Split before each digit.
    EachDigit,
    /// Map bytes to characters, with GPT-2's regular expression first or not.
    Bytes { gpt2_regex: bool },
}

const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Names of llama.cpp and the steps they stand for.
const KNOWN: &[(&str, &[Step<'static>])] = &[
    ("gpt-2", &[Step::Bytes { gpt2_regex: true }]),
    ("smollm", &[Step::EachDigit, Step::Bytes { gpt2_regex: true }]),
    ("llama-bpe", &[Step::Regex(LLAMA3), Step::Bytes { gpt2_regex: false }]),
    ("qwen2", &[Step::Regex(QWEN2), Step::Bytes { gpt2_regex: false }]),
];

/// The value of `tokenizer.ggml.pre`.
pub(super) fn identify(path: &Path, tokenizer: &Json) -> Result<&'static str, OpenError> {
    let stated = &tokenizer["pre_tokenizer"];
    let steps = match stated["type"].as_str() {
        Some("Sequence") => stated["pretokenizers"].as_array().map_or(&[][..], Vec::as_slice),
        _ => std::slice::from_ref(stated),
    };
    let steps: Option<Vec<Step<'_>>> = steps.iter().map(step).collect();
    let normalizer = tokenizer["normalizer"]["type"].as_str();
    let known = KNOWN.iter().find(|(_, known)| Some(*known) == steps.as_deref());
    match (known, normalizer) {
        (Some((name, _)), None | Some("NFC")) => Ok(name),
        (Some(_), Some(normalizer)) => Err(OpenError::new(
            path,
            format!("it normalizes text by {normalizer}, which llama.cpp cannot do for this kind of tokenizer"),
        )),
        (None, _) => {
            let names = KNOWN.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
            Err(OpenError::new(
                path,
                format!("its pre_tokenizer {} is none of those this version of Tuck knows ({names})", brief(stated)),
            ))
        }
    }
}

fn step(json: &Json) -> Option<Step<'_>> {
    match json["type"].as_str()? {
        "ByteLevel" if json["add_prefix_space"].as_bool() != Some(true) => {
            Some(Step::Bytes { gpt2_regex: json["use_regex"].as_bool().unwrap_or(true) })
        }
        "Digits" if json["individual_digits"].as_bool() == Some(true) => Some(Step::EachDigit),
        "Split" if json["behavior"].as_str() == Some("Isolated") && json["invert"].as_bool() != Some(true) => {
            json["pattern"]["Regex"].as_str().map(Step::Regex)
        }
        _ => None,
    }
}

/// At most 200 characters of JSON, for a message.
fn brief(json: &Json) -> String {
    let text = json.to_string();
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn known_rules_are_found_and_others_refused() {
        let bytes = |regex| json!({"type": "ByteLevel", "add_prefix_space": false, "use_regex": regex});
        let split =
            |pattern| json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false});
        let sequence = |steps: &[Json]| json!({"pre_tokenizer": {"type": "Sequence", "pretokenizers": steps}});
        let digits = json!({"type": "Digits", "individual_digits": true});
        let cases = [
            (json!({"pre_tokenizer": bytes(true)}), Some("gpt-2")),
            (sequence(&[digits.clone(), bytes(true)]), Some("smollm")),
            (sequence(&[split(LLAMA3), bytes(false)]), Some("llama-bpe")),
            (sequence(&[split(QWEN2), bytes(false)]), Some("qwen2")),
            (sequence(&[split("x+"), bytes(false)]), None),
            (sequence(&[bytes(true), digits]), None),
            (json!({"pre_tokenizer": null}), None),
        ];
        for (tokenizer, expected) in cases {
            assert_eq!(identify(Path::new("tokenizer.json"), &tokenizer).ok(), expected, "{tokenizer}");
        }
    }
}
