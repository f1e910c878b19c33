//! Chat templates: one, or several by name.

use crate::checkpoint::Documents;
use crate::gguf::{Array, Metadata, ValueType};
use serde_json::Value as Json;

/// The default template, and named ones where a model has several. `tokenizer_config.json` wins over the files beside
/// it, and without it none is read, as in llama.cpp's converter.
pub(super) fn metadata(documents: &Documents) -> Metadata {
    let config = &documents.tokenizer_config;
    if config.as_object().is_none_or(|config| config.is_empty()) {
        return Vec::new();
    }
    let templates = match config.get("chat_template") {
        Some(stated) => of_json(stated),
        None => match &documents.chat_template {
            Some(text) => {
                let additional = documents.additional_chat_templates.iter();
                let named = additional.map(|(name, text)| (name.as_str(), text.as_str()));
                std::iter::once(("default", text.as_str())).chain(named).collect()
            }
            None => of_json(&documents.chat_template_json["chat_template"]),
        },
    };
    keys(&templates)
}

/// Names and texts of a template, or of a list of them.
fn of_json(json: &Json) -> Vec<(&str, &str)> {
    match json {
        Json::String(text) => vec![("default", text)],
        Json::Array(list) => {
            list.iter().filter_map(|entry| Some((entry["name"].as_str()?, entry["template"].as_str()?))).collect()
        }
        _ => Vec::new(),
    }
}

fn keys(templates: &[(&str, &str)]) -> Metadata {
    let mut keys = Metadata::new();
    let mut names: Vec<String> = Vec::new();
    for (name, text) in templates.iter().filter(|(name, _)| !name.is_empty() && *name != "default") {
        let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        set(&mut keys, format!("tokenizer.chat_template.{name}"), text);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if !names.is_empty() {
        keys.push(("tokenizer.chat_templates".to_owned(), Array::new(ValueType::String, names).into()));
    }
    if let Some((_, text)) = templates.iter().rev().find(|(name, _)| *name == "default") {
        keys.push(("tokenizer.chat_template".to_owned(), (*text).into()));
    }
    keys
}

/// The last text of a name counts.
fn set(keys: &mut Metadata, key: String, text: &str) {
    match keys.iter_mut().find(|(known, _)| *known == key) {
        Some((_, value)) => *value = text.into(),
        None => keys.push((key, text.into())),
    }
}
