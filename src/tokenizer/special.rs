//! Special token ids, what is added to a prompt, and the chat template.

use crate::checkpoint::Documents;
use crate::gguf::{Array, Value, ValueType};
use serde_json::Value as Json;

/// Kinds of special tokens in the converter's order, and their keys in a GGUF file (`seperator` is llama.cpp's own
/// spelling). A `cls` token has no key.
const KINDS: &[(&str, Option<&str>)] = &[
    ("bos", Some("bos_token_id")),
    ("eos", Some("eos_token_id")),
    ("unk", Some("unknown_token_id")),
    ("sep", Some("seperator_token_id")),
    ("pad", Some("padding_token_id")),
    ("cls", None),
    ("mask", Some("mask_token_id")),
    ("eot", Some("eot_token_id")),
];

/// Keys after the merges. tokenizer_config.json is asked first, then config.json, as llama.cpp's converter does.
pub(super) fn metadata(documents: &Documents, vocabulary: u64, is_llama: bool) -> Vec<(String, Value)> {
    let mut named = Named::read(&documents.tokenizer_config);
    let added = named.read_post_processor(&documents.tokenizer["post_processor"]);
    let mut keys = ids(documents, &named, vocabulary);
    keys.extend(added_ends(&documents.tokenizer_config, added));
    keys.extend(chat_templates(documents));
    if is_llama && vocabulary == SMOLLM_VOCABULARY {
        match keys.iter_mut().find(|(key, _)| key == "ggml.add_bos_token") {
            Some((_, add)) => *add = Value::Bool(false),
            None => keys.push(("ggml.add_bos_token".to_owned(), Value::Bool(false))),
        }
    }
    keys.into_iter().map(|(key, value)| (format!("tokenizer.{key}"), value)).collect()
}

/// Models with this many tokens (SmolLM, Granite) must not get a bos token, whatever their files say.
const SMOLLM_VOCABULARY: u64 = 49_152;

/// The texts of special tokens, by kind.
struct Named {
    tokens: Vec<(&'static str, String)>,
    known: bool,
}

/// Whether a runtime adds tokens of a kind to a prompt, in the order of first mention.
type Added = Vec<(&'static str, bool)>;

impl Named {
    fn read(config: &Json) -> Self {
        let named = |kind: &'static str| {
            let token = &config[format!("{kind}_token")];
            let text = token.as_str().or_else(|| token["content"].as_str())?;
            Some((kind, text.to_owned()))
        };
        Self { tokens: KINDS.iter().filter_map(|(kind, _)| named(kind)).collect(), known: !config.is_null() }
    }

    fn get(&self, kind: &str) -> Option<&str> {
        self.tokens.iter().find(|(known, _)| *known == kind).map(|(_, text)| text.as_str())
    }

    fn set(&mut self, kind: &'static str, text: &str) {
        self.tokens.retain(|(known, _)| *known != kind);
        self.tokens.push((kind, text.to_owned()));
    }

    fn is(&self, text: &str, kinds: &[&str]) -> bool {
        kinds.iter().any(|kind| self.get(kind) == Some(text))
    }

    /// What the post-processor adds to a prompt. A template that closes with another token than eos makes that one eos
    /// and the old one the end of a turn.
    fn read_post_processor(&mut self, post: &Json) -> Added {
        let mut added = Added::new();
        let stages = match post["processors"].as_array() {
            Some(stages) => stages.as_slice(),
            None => std::slice::from_ref(post),
        };
        for stage in stages {
            match stage["type"].as_str() {
                Some("ByteLevel") => {
                    ["bos", "eos"].into_iter().for_each(|kind| mention(&mut added, kind, false, false))
                }
                Some("RobertaProcessing") => {
                    ["bos", "eos", "sep"].into_iter().for_each(|kind| mention(&mut added, kind, true, true));
                }
                Some("TemplateProcessing") => self.read_template(stage, &mut added),
                _ => {}
            }
        }
        added
    }

    fn read_template(&mut self, stage: &Json, added: &mut Added) {
        let special =
            |item: Option<&Json>| item.and_then(|item| item["SpecialToken"]["id"].as_str().map(str::to_owned));
        let items = |key: &str| stage[key].as_array().map_or(&[][..], Vec::as_slice);
        let single = items("single");
        let (first, last) = match single.len() {
            0 | 1 => (None, None),
            _ => (special(single.first()), special(single.last())),
        };
        if let Some(first) = &first {
            if !self.known || (self.get("bos").is_none() && !self.is(first, &["cls"])) {
                self.set("bos", first);
            }
            mention(added, "bos", self.is(first, &["bos", "cls"]), true);
        }
        if let Some(last) = &last {
            if let Some(eos) = self.get("eos").map(str::to_owned).filter(|eos| self.known && eos != last) {
                self.set("eot", &eos);
            }
            self.set("eos", last);
            mention(added, "eos", true, true);
        }
        // A pair is [first] A [separators] B [last].
        let pair = items("pair");
        let start = usize::from(first.is_some() && special(pair.first()) == first);
        let stop = pair.len() - usize::from(last.is_some() && special(pair.last()) == last);
        if let [a, between @ .., b] = pair.get(start..stop).unwrap_or_default()
            && a["Sequence"]["id"] == "A"
            && b["Sequence"]["id"] == "B"
            && !between.is_empty()
        {
            let separates = |item: &Json| special(Some(item)).is_some_and(|id| self.is(&id, &["sep", "eos"]));
            let add = (separates(&between[0]) && last.is_none()) || (between.len() == 2 && separates(&between[1]));
            mention(added, "sep", add, true);
        }
    }
}

fn mention(added: &mut Added, kind: &'static str, add: bool, replace: bool) {
    match added.iter_mut().find(|(known, _)| *known == kind) {
        Some(entry) if replace => entry.1 = add,
        Some(_) => {}
        None => added.push((kind, add)),
    }
}

fn ids(documents: &Documents, named: &Named, vocabulary: u64) -> Vec<(String, Value)> {
    let listed = documents.tokenizer["added_tokens"].as_array();
    let id_of = |text: &str| listed.into_iter().flatten().find(|t| t["content"].as_str() == Some(text))?["id"].as_u64();
    let from_tokenizer = |kind: &str| named.get(kind).and_then(id_of);
    let from_config = |kind: &str| documents.config[format!("{kind}_token_id")].as_u64();

    let mut found: Vec<(&str, u64)> = Vec::new();
    for source in [&from_tokenizer as &dyn Fn(&str) -> Option<u64>, &from_config] {
        for (kind, key) in KINDS {
            if let Some(key) = key
                && !found.iter().any(|(known, _)| known == key)
                && let Some(id) = source(kind).filter(|id| *id < vocabulary)
            {
                found.push((key, id));
            }
        }
    }
    found.into_iter().map(|(key, id)| (format!("ggml.{key}"), Value::U32(id as u32))).collect()
}

/// What the post-processor says, else tokenizer_config.json.
fn added_ends(config: &Json, mut added: Added) -> impl Iterator<Item = (String, Value)> {
    for (kind, _) in KINDS {
        if let Some(add) = config[format!("add_{kind}_token")].as_bool() {
            mention(&mut added, kind, add, false);
        }
    }
    let written = |kind: &str| ["bos", "eos", "sep"].contains(&kind);
    let keys = added.into_iter().filter(move |(kind, _)| written(kind));
    keys.map(|(kind, add)| (format!("ggml.add_{kind}_token"), Value::Bool(add)))
}

/// The default template, and named ones where a model has several.
fn chat_templates(documents: &Documents) -> Vec<(String, Value)> {
    let config = &documents.tokenizer_config;
    if config.is_null() {
        return Vec::new();
    }
    match config.get("chat_template") {
        Some(Json::String(text)) => vec![("chat_template".to_owned(), text.as_str().into())],
        Some(Json::Array(list)) => named_templates(list),
        Some(_) => Vec::new(),
        None => documents.chat_template.iter().map(|text| ("chat_template".to_owned(), text.as_str().into())).collect(),
    }
}

fn named_templates(list: &[Json]) -> Vec<(String, Value)> {
    let mut keys = Vec::new();
    let mut names = Vec::new();
    let mut default = None;
    for entry in list {
        let (Some(name), Some(text)) = (entry["name"].as_str(), entry["template"].as_str()) else { continue };
        if name == "default" {
            default = Some(text);
            continue;
        }
        let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        keys.push((format!("chat_template.{name}"), text.into()));
        names.push(name);
    }
    if !names.is_empty() {
        keys.push(("chat_templates".to_owned(), Array::new(ValueType::String, names).into()));
    }
    keys.extend(default.map(|text| ("chat_template".to_owned(), text.into())));
    keys
}
