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
];

/// Keys after the merges. tokenizer_config.json is asked first, then config.json, as llama.cpp's converter does.
pub(super) fn metadata(documents: &Documents, vocabulary: u64, is_llama: bool) -> Vec<(String, Value)> {
    let mut keys = ids(documents, vocabulary);
    keys.extend(added_ends(documents, is_llama && vocabulary == 49_152));
    keys.extend(chat_templates(documents));
    keys.into_iter().map(|(key, value)| (format!("tokenizer.{key}"), value)).collect()
}

/// A token's text: a string, or an object with `content`.
fn content(token: &Json) -> Option<&str> {
    token.as_str().or_else(|| token["content"].as_str())
}

fn ids(documents: &Documents, vocabulary: u64) -> Vec<(String, Value)> {
    let added = documents.tokenizer["added_tokens"].as_array();
    let id_of = |text: &str| added.into_iter().flatten().find(|t| t["content"].as_str() == Some(text))?["id"].as_u64();
    let from_tokenizer = |kind: &str| content(&documents.tokenizer_config[format!("{kind}_token")]).and_then(id_of);
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

/// Whether a runtime adds bos and eos to a prompt: the post-processor says it, else tokenizer_config.json.
/// `never_bos`: SmolLM's vocabulary size, for which the converter switches bos off.
fn added_ends(documents: &Documents, never_bos: bool) -> Vec<(String, Value)> {
    let mut found: Vec<(&str, bool)> = Vec::new();
    let mut set = |kind: &'static str, value: bool, replace: bool| match found.iter_mut().find(|(k, _)| *k == kind) {
        Some(entry) if replace => entry.1 = value,
        Some(_) => {}
        None => found.push((kind, value)),
    };
    let post = &documents.tokenizer["post_processor"];
    let config = &documents.tokenizer_config;
    let stages = match post["processors"].as_array() {
        Some(stages) => stages.as_slice(),
        None => std::slice::from_ref(post),
    };
    for stage in stages {
        match stage["type"].as_str() {
            Some("ByteLevel") => {
                set("bos", false, false);
                set("eos", false, false);
            }
            Some("RobertaProcessing") => ["bos", "eos", "sep"].into_iter().for_each(|kind| set(kind, true, true)),
            Some("TemplateProcessing") => {
                let single = stage["single"].as_array().map_or(&[][..], Vec::as_slice);
                let special =
                    |item: Option<&Json>| item.and_then(|item| item["SpecialToken"]["id"].as_str().map(str::to_owned));
                let is = |id: &str, kinds: &[&str]| {
                    kinds.iter().any(|kind| content(&config[format!("{kind}_token")]) == Some(id))
                };
                if single.len() > 1 {
                    if let Some(id) = special(single.first()) {
                        set("bos", is(&id, &["bos", "cls"]), true);
                    }
                    if let Some(id) = special(single.last()) {
                        set("eos", is(&id, &["eos", "sep"]), true);
                    }
                }
            }
            _ => {}
        }
    }
    for (kind, _) in KINDS {
        if let Some(add) = config[format!("add_{kind}_token")].as_bool() {
            set(kind, add, false);
        }
    }
    if never_bos {
        set("bos", false, true);
    }
    let written = |kind: &str| ["bos", "eos", "sep"].contains(&kind);
    found
        .into_iter()
        .filter(|(kind, _)| written(kind))
        .map(|(kind, add)| (format!("ggml.add_{kind}_token"), Value::Bool(add)))
        .collect()
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
