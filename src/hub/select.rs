//! Which files of a repository are fetched: those that Tuck reads.

use super::error::{Choice, HubError};
use super::listing::{Entry, Listing, RepoId};
use regex::Regex;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// What lies beside the weights.
const DOCUMENTS: &[&str] = &[
    "README.md",
    "adapter_config.json",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
    "config.json",
    "generation_config.json",
    "merges.txt",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
];

/// Which weights lie in which shard.
pub(super) const INDEX: &str = "model.safetensors.index.json";

/// Weights in one file, of a model or of an adapter.
const SINGLE: &[&str] = &["model.safetensors", "adapter_model.safetensors"];

/// The files to fetch. `index` is the text of [`INDEX`], where the repository has one; `include` chooses a GGUF model by
/// a part of its name, in any case, in which `*` stands for anything.
pub fn select<'l>(
    id: &RepoId,
    listing: &'l Listing,
    index: Option<&str>,
    include: Option<&str>,
) -> Result<Vec<&'l Entry>, HubError> {
    let models = gguf_models(listing);
    if let Some(wanted) = include {
        return chosen(id, &models, wanted);
    }
    let weights = match index {
        Some(index) => shards(id, listing, index)?,
        None => SINGLE.iter().find_map(|name| listing.get(name)).into_iter().collect(),
    };
    if !weights.is_empty() {
        let documents = DOCUMENTS.iter().chain(index.map(|_| &INDEX)).filter_map(|name| listing.get(name));
        return Ok(documents.chain(weights).collect());
    }
    let is_whole = |name: &&String| !["mmproj", "imatrix"].iter().any(|part| name.to_lowercase().contains(part));
    match &models.keys().filter(is_whole).collect::<Vec<_>>()[..] {
        [only] => Ok(models[*only].clone()),
        [] => Err(nothing(id, listing)),
        _ => Err(HubError::Choose { id: id.to_string(), wanted: None, choices: choices(&models) }),
    }
}

fn nothing(id: &RepoId, listing: &Listing) -> HubError {
    let is_pickle = |entry: &Entry| [".bin", ".pt", ".pth", ".ckpt"].iter().any(|ending| entry.path.ends_with(ending));
    HubError::failed(match listing.entries.iter().find(|entry| is_pickle(entry)) {
        Some(pickle) => format!(
            "{id} has its weights only as PyTorch pickles ({}), which can run code when they are loaded, so Tuck never opens \
             them; look for a version in safetensors or GGUF",
            pickle.path
        ),
        None => format!(
            "{id} has no weights that Tuck reads: neither model.safetensors, nor {INDEX}, nor a .gguf file among its {} files",
            listing.entries.len()
        ),
    })
}

/// The files that an index names.
fn shards<'l>(id: &RepoId, listing: &'l Listing, index: &str) -> Result<Vec<&'l Entry>, HubError> {
    let refuse = |problem: String| HubError::failed(format!("{id}: its {INDEX} {problem}"));
    let json: Json = serde_json::from_str(index).map_err(|error| refuse(format!("is no valid JSON: {error}")))?;
    let map = json["weight_map"].as_object().ok_or_else(|| refuse("has no weight_map object".to_owned()))?;
    let mut names: Vec<&str> = map.values().filter_map(Json::as_str).collect();
    names.sort_unstable();
    names.dedup();
    let entry = |name: &&str| {
        listing.get(name).ok_or_else(|| refuse(format!("names {name:?}, and the repository has no such file")))
    };
    names.iter().map(entry).collect()
}

type Models<'l> = BTreeMap<String, Vec<&'l Entry>>;

/// GGUF files by model, the parts of a split one together under the name of the first.
fn gguf_models(listing: &Listing) -> Models<'_> {
    static PART: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"-\d{5}(-of-\d{5}\.gguf)$").expect("a constant pattern"));
    let mut models = Models::new();
    for entry in listing.entries.iter().filter(|entry| entry.path.to_ascii_lowercase().ends_with(".gguf")) {
        models.entry(PART.replace(&entry.path, "-00001$1").into_owned()).or_default().push(entry);
    }
    for parts in models.values_mut() {
        parts.sort_by(|a, b| a.path.cmp(&b.path));
    }
    models
}

fn choices(models: &Models<'_>) -> Vec<Choice> {
    let choice = |(name, files): (&String, &Vec<&Entry>)| Choice {
        name: name.clone(),
        files: files.len(),
        bytes: files.iter().map(|entry| entry.bytes).fold(0, u64::saturating_add),
    };
    models.iter().map(choice).collect()
}

/// The one model whose name has the wanted text. A type is no part of a longer one: `Q4_K` is not `Q4_K_M`.
fn chosen<'l>(id: &RepoId, models: &Models<'l>, wanted: &str) -> Result<Vec<&'l Entry>, HubError> {
    let inside = wanted.trim().split('*').map(regex::escape).collect::<Vec<_>>().join(".*");
    let matching = |pattern: String| {
        let pattern = Regex::new(&pattern).ok();
        let is_match = |name: &&String| pattern.as_ref().is_some_and(|pattern| pattern.is_match(name));
        models.keys().filter(is_match).collect::<Vec<_>>()
    };
    let patterns = [
        format!("(?i)^(?:.*/)?{inside}$"),
        format!("(?i)(?:^|[^a-z0-9_]){inside}(?:[^a-z0-9_]|$)"),
        format!("(?i){inside}"),
    ];
    let found = patterns.into_iter().map(matching).find(|found| !found.is_empty()).unwrap_or_default();
    match found[..] {
        [only] if !wanted.trim().is_empty() => Ok(models[only].clone()),
        _ if models.is_empty() => {
            Err(HubError::failed(format!("{id} holds no .gguf file; pull it without --include {wanted}")))
        }
        _ => Err(HubError::Choose { id: id.to_string(), wanted: Some(wanted.to_owned()), choices: choices(models) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(paths: &[&str]) -> Listing {
        let entry = |path: &&str| Entry { path: (*path).to_owned(), bytes: 10, digest: None };
        Listing { commit: "abc".to_owned(), entries: paths.iter().map(entry).collect() }
    }

    fn selected(paths: &[&str], index: Option<&str>, include: Option<&str>) -> Result<Vec<String>, String> {
        let id = RepoId::parse("a/b").unwrap();
        let listing = listing(paths);
        let found = select(&id, &listing, index, include).map_err(|error| error.to_string())?;
        Ok(found.into_iter().map(|entry| entry.path.clone()).collect())
    }

    fn is(found: Result<Vec<String>, String>, expected: &[&str]) {
        assert_eq!(found.unwrap(), expected);
    }

    #[test]
    fn a_folder_is_what_tuck_reads_and_no_more() {
        let more =
            ["config.json", "model.safetensors", "pytorch_model.bin", "onnx/model.onnx", "tokenizer.json", "run.py"];
        is(selected(&more, None, None), &["config.json", "tokenizer.json", "model.safetensors"]);
        let index = r#"{"weight_map": {"a": "x-2.safetensors", "b": "x-1.safetensors", "c": "x-2.safetensors"}}"#;
        let sharded =
            ["x-1.safetensors", "x-2.safetensors", "consolidated.safetensors", INDEX, "config.json", "q.gguf"];
        is(selected(&sharded, Some(index), None), &["config.json", INDEX, "x-1.safetensors", "x-2.safetensors"]);
        let missing = selected(&["x-1.safetensors", INDEX], Some(index), None).unwrap_err();
        assert!(missing.contains("x-2.safetensors"), "{missing}");
        for index in ["{", "{}", r#"{"weight_map": []}"#] {
            assert!(selected(&sharded, Some(index), None).unwrap_err().contains(INDEX));
        }
        assert!(selected(&["pytorch_model.bin"], None, None).unwrap_err().contains("pickles"));
        assert!(selected(&["README.md"], None, None).unwrap_err().contains("among its 1 files"));
        is(
            selected(&["adapter_config.json", "adapter_model.safetensors"], None, None),
            &["adapter_config.json", "adapter_model.safetensors"],
        );
    }

    #[test]
    fn a_gguf_model_is_chosen_by_its_type() {
        let models = [
            "M-Q4_K_M.gguf",
            "M-Q4_K_S.gguf",
            "M-Q4_K.gguf",
            "BF16/M-BF16-00002-of-00002.gguf",
            "BF16/M-BF16-00001-of-00002.gguf",
            "mmproj-F16.gguf",
            "imatrix.gguf",
            "README.md",
        ];
        is(selected(&models, None, Some("q4_k_m")), &["M-Q4_K_M.gguf"]);
        is(selected(&models, None, Some("Q4_K")), &["M-Q4_K.gguf"]);
        is(selected(&models, None, Some("*K_S*")), &["M-Q4_K_S.gguf"]);
        is(
            selected(&models, None, Some("BF16")),
            &["BF16/M-BF16-00001-of-00002.gguf", "BF16/M-BF16-00002-of-00002.gguf"],
        );
        is(selected(&models, None, Some("mmproj")), &["mmproj-F16.gguf"]);
        for wanted in ["Q9", "M-", "", "*", "("] {
            let error = selected(&models, None, Some(wanted)).unwrap_err();
            assert!(
                error.contains("does not name one") && error.contains("M-Q4_K_S.gguf (10 bytes)"),
                "{wanted}: {error}"
            );
        }
        let error = selected(&models, None, None).unwrap_err();
        assert!(
            error.contains("--include Q4_K_M") && error.contains("M-BF16-00001-of-00002.gguf (20 bytes)"),
            "{error}"
        );
        is(selected(&["only.gguf", "mmproj.gguf"], None, None), &["only.gguf"]);
        assert!(selected(&["model.safetensors"], None, Some("Q4")).unwrap_err().contains("no .gguf file"));
    }
}
