//! The `general.*` keys of a GGUF file, in the order of llama.cpp's converter.

use super::identity::{Extent, Identity, size_label, title};
use super::readme::FrontMatter;
use crate::arch::Tensor;
use crate::checkpoint::Documents;
use crate::gguf::{Metadata, Value};
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

/// Architecture, type, sampling settings, name and what the name tells, and what `README.md` tells, with a note where
/// that cannot be read.
pub(super) fn metadata(documents: &Documents, arch: &str, tensors: &[Tensor]) -> (Metadata, Option<String>) {
    let extent = Extent { weights: tensors.iter().map(Tensor::weights).sum(), is_adapter: false };
    metadata_of(documents, arch, "model", extent, Some(size_label(tensors)))
}

/// The same of a LoRA adapter that changes so many weights.
pub(super) fn adapter_metadata(documents: &Documents, arch: &str, weights: u64) -> (Metadata, Option<String>) {
    let extent = Extent { weights, is_adapter: true };
    let (mut metadata, note) = metadata_of(documents, arch, "adapter", extent, None);
    metadata.insert(2, ("adapter.type".to_owned(), "lora".into()));
    (metadata, note)
}

fn metadata_of(
    documents: &Documents,
    arch: &str,
    kind: &str,
    extent: Extent,
    label: Option<String>,
) -> (Metadata, Option<String>) {
    let (front, note) = match FrontMatter::read(documents.readme.as_deref(), extent) {
        Ok(front) => (front, None),
        Err(problem) => {
            let note = "the front matter of its README.md cannot be read, so licence and tags are left out";
            (FrontMatter::default(), Some(format!("{note}: {problem}")))
        }
    };
    let mut keys = vec![("architecture".to_owned(), arch.into()), ("type".to_owned(), kind.into())];
    keys.extend(sampling(&documents.generation_config));

    // "." and ".." have no name of their own.
    let resolved = documents.folder.canonicalize().unwrap_or_default();
    let folder = documents.folder.file_name().or(resolved.file_name());
    let folder = folder.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let from_config = documents.config["_name_or_path"]
        .as_str()
        .filter(|id| !id.is_empty() && id.matches('/').count() <= 1)
        .map(|id| Identity::parse(id, extent));
    let from_folder = Identity::parse(&folder, extent);
    let sources: Vec<&Identity> = from_config.iter().chain([&from_folder]).collect();
    let first = |field: fn(&Identity) -> Option<&String>| sources.iter().find_map(|identity| field(identity)).cloned();
    let titled = |field| first(field).map(|name| title(&name));

    let texts = [
        ("name", front.text(&["name", "model_name"]).or(titled(|i| i.name.as_ref())).or(Some(folder.clone()))),
        ("author", front.text(&["author", "model_author", "model_creator"])),
        ("version", front.text(&["version", "model_version"]).or(first(|i| i.version.as_ref()))),
        ("organization", front.text(&["organization", "model_organization"]).or(titled(|i| i.organization.as_ref()))),
        ("finetune", front.text(&["finetune", "model_finetune"]).or(first(|i| i.finetune.as_ref()))),
        ("basename", front.text(&["basename", "model_basename", "model_type"]).or(first(|i| i.basename.as_ref()))),
        ("description", front.text(&["description", "model_description"])),
        ("size_label", front.text(&["size_label", "model_size_label"]).or(first(|i| i.size_label.as_ref())).or(label)),
    ];
    let known = texts
        .into_iter()
        .filter_map(|(key, text)| Some((key.to_owned(), Value::String(text.filter(|t| !t.is_empty())?))));
    keys.extend(known);
    keys.extend(front.metadata());
    (keys.into_iter().map(|(key, value)| (format!("general.{key}"), value)).collect(), note)
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
