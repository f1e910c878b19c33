//! Which of llama.cpp's pre-tokenizers cuts text as a tokenizer does.
//!
//! llama.cpp has the rules compiled in, under names. A `tokenizer.json` states its rules, so they are compared as stated.
//! Rules that no name has are compared by what they do to test strings. Where a string is cut differently the nearest
//! name is only proposed, since a near miss gives wrong tokens silently.

mod compare;
mod known;
mod pattern;
mod steps;

pub use compare::Difference;
pub(in crate::tokenizer) use steps::flat as stages;

use crate::checkpoint::OpenError;
use known::{Evidence, KNOWN, Known};
use serde_json::{Value as Json, json};
use std::collections::HashSet;
use std::path::Path;
use steps::Step;

/// Whether to use a pre-tokenizer of llama.cpp that cuts some texts differently than the model's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The name that comes closest.
    pub nearest: &'static str,
    /// Test strings that are cut differently.
    pub differences: Vec<Difference>,
    /// How many test strings there are.
    pub texts: usize,
}

/// What is known of a tokenizer's rules.
#[derive(Debug)]
pub(super) struct Found {
    /// The value of `tokenizer.ggml.pre`.
    pub(super) name: &'static str,
    /// Something to know about it.
    pub(super) note: Option<String>,
    /// Where the name is only the nearest one.
    pub(super) question: Option<Question>,
}

/// The names that llama.cpp has rules for.
pub fn names() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().map(|known| known.name)
}

/// The same name as it stands in the list.
pub fn known_name(name: &str) -> Option<&'static str> {
    names().find(|known| *known == name)
}

/// The rules that a name of llama.cpp stands for, as a `tokenizer.json` states them: its `normalizer`, its `pre_tokenizer`
/// and the `ignore_merges` of its model.
pub fn rules(name: &str) -> Option<Json> {
    let known = KNOWN.iter().find(|known| known.name == name)?;
    let marks = json!({"type": "Replace", "pattern": {"String": " "}, "content": "\u{2581}"});
    let (normalizer, cuts) = match known.steps().any(|step| step == Step::SpaceMarks) {
        true => (marks, Vec::new()),
        false => (Json::Null, known.steps().map(|step| step.json()).collect()),
    };
    let pre_tokenizer = json!({"type": "Sequence", "pretokenizers": cuts});
    Some(json!({"normalizer": normalizer, "pre_tokenizer": pre_tokenizer, "ignore_merges": known.ignores_merges}))
}

/// Finds the name for the rules of a `tokenizer.json`.
pub(super) fn identify(path: &Path, tokenizer: &Json) -> Result<Found, OpenError> {
    refuse_long_patterns(path, tokenizer)?;
    let stated: Option<Vec<Step<'static>>> =
        steps::of(tokenizer).map(|steps| steps.iter().map(Step::canonical).collect());
    let same = |known: &&Known| {
        stated.as_ref().is_some_and(|stated| known.steps().map(|s| s.canonical()).eq(stated.iter().cloned()))
    };
    let same: Vec<&Known> = KNOWN.iter().filter(same).collect();
    if let Some(known) = choose(&same, tokenizer) {
        return Ok(Found { name: known.name, note: None, question: None });
    }
    let (nearest, differences) = compare::nearest(tokenizer).map_err(|problem| OpenError::new(path, problem))?;
    // Those with the same rules may fit better otherwise.
    let alike: Vec<&Known> = KNOWN.iter().filter(|known| known.steps().eq(nearest.steps())).collect();
    let name = choose(&alike, tokenizer).unwrap_or(nearest).name;
    let texts = compare::TEXTS.len();
    Ok(if differences.is_empty() {
        let note = format!(
            "the pre-tokenizer is stated in a way that is not listed; it cuts {texts} test strings as {name} does, so that \
             name is used"
        );
        Found { name, note: Some(note), question: None }
    } else {
        Found { name, note: None, question: Some(Question { nearest: name, differences, texts }) }
    })
}

/// Of names with the same rules, the one that something speaks for, and that goes about merges as the tokenizer does.
fn choose<'a>(alike: &[&'a Known], tokenizer: &Json) -> Option<&'a Known> {
    let ignores_merges = tokenizer["model"]["ignore_merges"] == true;
    let added: HashSet<&str> =
        tokenizer["added_tokens"].as_array().into_iter().flatten().filter_map(|t| t["content"].as_str()).collect();
    let has = |evidence: Evidence| match evidence {
        Evidence::Rules => true,
        Evidence::Composed => steps::flat(&tokenizer["normalizer"], "normalizers").iter().any(|n| n["type"] == "NFC"),
        Evidence::Token(text) => added.contains(text),
        Evidence::PostProcessor(kind) => {
            steps::flat(&tokenizer["post_processor"], "processors").iter().any(|stage| stage["type"] == kind)
        }
        Evidence::Asked => false,
    };
    let fitting = alike.iter().copied().filter(|known| has(known.evidence));
    let (general, special): (Vec<&Known>, Vec<&Known>) = fitting.partition(|known| known.evidence == Evidence::Rules);
    let likely = if special.is_empty() { general } else { special };
    likely.iter().find(|known| known.ignores_merges == ignores_merges).or(likely.first()).copied()
}

/// Compiling an expression costs memory and time that grow with it.
fn refuse_long_patterns(path: &Path, tokenizer: &Json) -> Result<(), OpenError> {
    const MAX_PATTERN: usize = 8192;
    const MAX_STAGES: usize = 32;
    for (part, list) in [("normalizer", "normalizers"), ("pre_tokenizer", "pretokenizers")] {
        let stages = steps::flat(&tokenizer[part], list);
        if stages.len() > MAX_STAGES {
            return Err(OpenError::new(
                path,
                format!("its {part} has {} stages; at most {MAX_STAGES} are understood", stages.len()),
            ));
        }
        let long = |stage: &&Json| stage.to_string().len() > MAX_PATTERN;
        if let Some(stage) = stages.iter().copied().find(long) {
            let length = stage.to_string().len();
            return Err(OpenError::new(
                path,
                format!("a stage of its {part} is {length} bytes long; at most {MAX_PATTERN} are understood"),
            ));
        }
    }
    Ok(())
}

impl std::fmt::Display for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "the pre-tokenizer of this model is none that llama.cpp knows; the nearest is {}, which cuts {} of {} test \
             strings differently, so the model would see other tokens than it was trained on",
            self.nearest,
            self.differences.len(),
            self.texts
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identified(tokenizer: &Json) -> Found {
        identify(Path::new("tokenizer.json"), tokenizer).unwrap()
    }

    fn bytes(regex: bool) -> Json {
        json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": regex})
    }

    fn split(pattern: &str) -> Json {
        json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false})
    }

    fn sequence(steps: &[Json]) -> Json {
        json!({"pre_tokenizer": {"type": "Sequence", "pretokenizers": steps}})
    }

    /// Llama 3's expression, in the words of this room.
    fn llama3() -> String {
        rules("llama-bpe").unwrap()["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    #[test]
    fn every_name_is_found_by_its_rules() {
        for known in KNOWN {
            let mut tokenizer = rules(known.name).unwrap();
            tokenizer["model"]["ignore_merges"] = tokenizer["ignore_merges"].clone();
            match known.evidence {
                Evidence::Composed => tokenizer["normalizer"] = json!({"type": "NFC"}),
                Evidence::Token(text) => tokenizer["added_tokens"] = json!([{"content": text}]),
                Evidence::PostProcessor(kind) => tokenizer["post_processor"]["type"] = json!(kind),
                Evidence::Rules | Evidence::Asked => {}
            }
            let found = identified(&tokenizer);
            assert!(found.question.is_none() && found.note.is_none(), "{}: {found:?}", known.name);
            if known.evidence != Evidence::Asked {
                assert_eq!(found.name, known.name);
            }
        }
    }

    #[test]
    fn a_rule_stated_otherwise_is_the_same() {
        let llama3 = llama3();
        let mut removed = split(&llama3);
        (removed["behavior"], removed["invert"]) = (json!("Removed"), json!(true));
        let possessive = llama3.replace("]?\\p{L}+", "]?+\\p{L}++");
        let contractions = llama3.replace("(?i:'s|'t|'re|'ve|'m|'ll|'d)", "'(?i:[sdmt]|ll|ve|re)");
        assert!(possessive != llama3 && contractions != llama3);
        for stated in [split(&possessive), split(&contractions), removed] {
            let found = identified(&sequence(&[stated.clone(), bytes(false)]));
            assert_eq!((found.name, found.note), ("dbrx", None), "{stated}");
        }
    }

    #[test]
    fn a_rule_that_does_the_same_is_found_by_test_strings() {
        // Alternatives that never compete, in another order.
        let swapped = llama3().replace("|\\s+(?!\\S)|\\s+", "|\\s+(?=\\s|$)|\\s+");
        let found = identified(&sequence(&[split(&swapped), bytes(false)]));
        assert_eq!(found.name, "dbrx");
        assert!(found.note.unwrap().contains("test strings"));
        assert_eq!(found.question, None);
    }

    #[test]
    fn other_rules_become_a_question() {
        let four = llama3().replace("{1,3}", "{1,4}");
        let question = identified(&sequence(&[split(&four), bytes(false)])).question.unwrap();
        assert_eq!(question.nearest, "dbrx");
        assert!((1..10).contains(&question.differences.len()), "{question:?}");
        for difference in &question.differences {
            assert!(difference.text.bytes().filter(u8::is_ascii_digit).count() > 3, "{difference:?}");
            assert_eq!(difference.stated.concat(), difference.known.concat());
            assert_ne!(difference.stated, difference.known);
        }
        let lower = json!({"normalizer": {"type": "Lowercase"}, "pre_tokenizer": bytes(true)});
        assert_eq!(identified(&lower).question.unwrap().nearest, "gpt-2");
        let none = identified(&json!({"pre_tokenizer": null})).question.unwrap();
        assert!(none.differences.len() > 5, "{none:?}");
    }

    #[test]
    fn rules_that_cannot_be_read_are_refused() {
        let long = "a".repeat(10_000);
        for (tokenizer, words) in [
            (sequence(&[json!({"type": "Magic"})]), "not understood"),
            (sequence(&[split("(")]), "not understood"),
            (sequence(&[split(&long)]), "bytes long"),
            (sequence(&vec![bytes(true); 100]), "100 stages"),
            (json!({"normalizer": {"type": "Magic"}, "pre_tokenizer": bytes(true)}), "normalizer"),
        ] {
            let error = identify(Path::new("tokenizer.json"), &tokenizer).unwrap_err();
            assert!(error.problem.contains(words), "{error}");
        }
    }
}
