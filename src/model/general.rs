//! The `general.*` keys of a GGUF file, in the order of llama.cpp's converter.

use super::identity::{Identity, size_label, title};
use crate::checkpoint::Documents;
use crate::gguf::Value;
use serde_json::Value as Json;

/// Sampling settings a model recommends: the key here and there, and whether it is a whole number.
const SAMPLING: &[(&str, &[&str], bool)] = &[
    ("top_k", &["top_k"], true),
    ("top_p", &["top_p"], false),
    ("min_p", &["min_p"], false),
    ("xtc_probability", &["xtc_probability"], false),
    ("xtc_threshold", &["xtc_threshold"], false),
    ("temp", &["temperature"], false),
    ("penalty_last_n", &["penalty_last_n"], true),
    ("penalty_repeat", &["penalty_repeat", "repetition_penalty"], false),
    ("mirostat", &["mirostat"], true),
    ("mirostat_tau", &["mirostat_tau"], false),
    ("mirostat_eta", &["mirostat_eta"], false),
];

/// Architecture, type, sampling settings, name and what the name tells.
pub(super) fn metadata(documents: &Documents, arch: &str, parameters: u64) -> Vec<(String, Value)> {
    let mut keys = vec![("architecture".to_owned(), arch.into()), ("type".to_owned(), "model".into())];
    keys.extend(sampling(&documents.generation_config));

    // "." and ".." have no name of their own.
    let resolved = documents.folder.canonicalize().unwrap_or_default();
    let folder = documents.folder.file_name().or(resolved.file_name());
    let folder = folder.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let from_config = documents.config["_name_or_path"]
        .as_str()
        .filter(|id| !id.is_empty() && id.matches('/').count() <= 1)
        .map(|id| Identity::parse(id, parameters));
    let from_folder = Identity::parse(&folder, parameters);
    let sources: Vec<&Identity> = from_config.iter().chain([&from_folder]).collect();
    let first = |field: fn(&Identity) -> Option<&String>| sources.iter().find_map(|identity| field(identity));

    let texts = [
        ("name", first(|i| i.name.as_ref()).map(|name| title(name)).or(Some(folder.clone()))),
        ("version", first(|i| i.version.as_ref()).cloned()),
        ("organization", first(|i| i.organization.as_ref()).map(|name| title(name))),
        ("finetune", first(|i| i.finetune.as_ref()).cloned()),
        ("basename", first(|i| i.basename.as_ref()).cloned()),
        ("size_label", first(|i| i.size_label.as_ref()).cloned().or(Some(size_label(parameters)))),
    ];
    let known = texts
        .into_iter()
        .filter_map(|(key, text)| Some((key.to_owned(), Value::String(text.filter(|t| !t.is_empty())?))));
    keys.extend(known);
    keys.into_iter().map(|(key, value)| (format!("general.{key}"), value)).collect()
}

fn sampling(generation: &Json) -> impl Iterator<Item = (String, Value)> + '_ {
    let sequence = generation["sequence"].as_str().map(|text| ("sampling.sequence".to_owned(), text.into()));
    let numbers = SAMPLING.iter().filter_map(|(key, names, whole)| {
        let value = names.iter().map(|name| &generation[*name]).find(|value| !value.is_null())?;
        let value = match whole {
            true => Value::I32(value.as_i64()?.try_into().ok()?),
            false => Value::F32(value.as_f64()? as f32),
        };
        Some((format!("sampling.{key}"), value))
    });
    sequence.into_iter().chain(numbers)
}
