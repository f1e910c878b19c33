//! The front matter of a model's `README.md`: licence, parents, data sets, tags, languages.
//!
//! Its habits are the hub's (huggingface/hub-docs, `modelcard.md`); which keys they become is llama.cpp's converter's
//! choice (`gguf-py/gguf/metadata.py`).

use super::identity::{Extent, Identity, title};
use crate::gguf::{Array, Metadata, Value, ValueType};
use regex::Regex;
use serde_json::Value as Json;
use std::sync::LazyLock;

/// Longer front matter is not read: the longest known, of embedders with all their scores, has a tenth of it.
const MAX_LENGTH: usize = 8 << 20;

/// A page of the hub.
static HUB: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("^https?://huggingface.co/([^/]+/[^/]+)$").expect("a constant pattern"));

/// What a parent model or data set may state of itself, in the order of the keys.
const ENTRY: &[&str] = &["name", "author", "version", "organization", "description", "url", "doi", "uuid", "repo_url"];

/// The front matter; null where there is none.
#[derive(Debug, Default)]
pub(super) struct FrontMatter {
    json: Json,
    extent: Extent,
}

impl FrontMatter {
    /// Reads the front matter of a document. Fails where it is no YAML.
    pub(super) fn read(readme: Option<&str>, extent: Extent) -> Result<Self, String> {
        let mut lines = readme.unwrap_or_default().lines();
        if lines.next() != Some("---") {
            return Ok(Self::default());
        }
        // Norwegian is no negation, and some indent with tabs.
        let line = |line: &str| match line.trim_end() {
            bare if bare.ends_with("- no") => format!("{}\"no\"\n", &bare[..bare.len() - 2]),
            bare => format!("{}\n", bare.replace('\t', "  ")),
        };
        let yaml: String = lines.take_while(|line| *line != "---").map(line).collect();
        if yaml.len() > MAX_LENGTH {
            return Err(format!("it has {} bytes, and more than {MAX_LENGTH} are not read", yaml.len()));
        }
        let options = serde_saphyr::options! {
            duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins,
        };
        let json = serde_saphyr::from_str_with_options(&yaml, options).map_err(|error| {
            let first = error.to_string();
            first.lines().next().unwrap_or_default().to_owned()
        })?;
        Ok(Self { json, extent })
    }

    /// The text under the first of these names that has one.
    pub(super) fn text(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| Some(self.json[*name].as_str()?.to_owned()))
    }

    /// The texts under these names, each a text or a list; none where no name is there.
    fn texts(&self, names: &[&str]) -> Option<Vec<String>> {
        let lists: Vec<&[Json]> = names.iter().map(|name| &self.json[*name]).filter_map(as_list).collect();
        let texts = lists.iter().copied().flatten().filter_map(|text| text.as_str().map(str::to_owned));
        (!lists.is_empty()).then(|| texts.collect())
    }

    /// Licence, links, parents, data sets, tags and languages, without `general.`.
    pub(super) fn metadata(&self) -> Metadata {
        let mut keys = Metadata::new();
        let mut set = |key: &str, value: Option<String>| {
            keys.extend(value.map(|value| (key.to_owned(), Value::String(value))));
        };
        set("license", self.texts(&["license"]).map(|names| names.join(",")));
        set("license.name", self.text(&["license_name"]));
        set("license.link", self.text(&["license_link"]));
        set("source.url", self.text(&["url", "model_url"]));
        set("source.doi", self.text(&["doi", "model_doi"]));
        set("source.uuid", self.text(&["uuid", "model_uuid"]));
        set("source.repo_url", self.text(&["repo_url", "model_repo_url"]));
        keys.extend(self.entries("base_model", &["base_model", "base_models", "base_model_sources"]));
        keys.extend(self.entries("dataset", &["datasets", "dataset", "dataset_sources"]));
        for (key, names) in [("tags", ["tags", "pipeline_tag"]), ("languages", ["languages", "language"])] {
            if let Some(texts) = self.texts(&names).filter(|texts| !texts.is_empty()) {
                keys.push((key.to_owned(), Array::new(ValueType::String, texts).into()));
            }
        }
        keys
    }

    /// What is known of parents or data sets, numbered.
    fn entries(&self, key: &str, names: &[&str]) -> Metadata {
        let Some(found) = names.iter().find(|name| self.json.get(**name).is_some()) else { return Metadata::new() };
        let entries = as_list(&self.json[*found]).unwrap_or_default();
        let mut keys = vec![(format!("{key}.count"), Value::U32(entries.len() as u32))];
        for (n, entry) in entries.iter().enumerate() {
            let known = match entry {
                Json::String(id) => self.named(id),
                _ => ENTRY.iter().filter_map(|part| Some((*part, entry[*part].as_str()?.to_owned()))).collect(),
            };
            keys.extend(known.into_iter().map(|(part, text)| (format!("{key}.{n}.{part}"), Value::String(text))));
        }
        keys
    }

    /// What a repository's id or address tells.
    fn named(&self, id: &str) -> Vec<(&'static str, String)> {
        let is_address = ["http://", "https://", "ssh://"].iter().any(|start| id.starts_with(start));
        let repository =
            if is_address { HUB.captures(id).and_then(|found| found.get(1)).map(|id| id.as_str()) } else { Some(id) };
        let Identity { name, organization, version, .. } =
            repository.map_or_else(Identity::default, |id| Identity::parse(id, self.extent));
        let address = match (is_address, &organization, &name) {
            (true, ..) => Some(id.to_owned()),
            (false, Some(organization), Some(name)) => Some(format!("https://huggingface.co/{organization}/{name}")),
            _ => None,
        };
        let parts = [
            ("name", name.map(|name| title(&name))),
            ("version", version),
            ("organization", organization.map(|name| title(&name))),
            ("repo_url", address),
        ];
        parts.into_iter().filter_map(|(part, text)| Some((part, text?))).collect()
    }
}

/// A text or a list of texts; none for anything else.
fn as_list(json: &Json) -> Option<&[Json]> {
    match json {
        Json::Array(list) => Some(list),
        Json::String(_) => Some(std::slice::from_ref(json)),
        Json::Null => None,
        _ => Some(&[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<FrontMatter, String> {
        FrontMatter::read(Some(text), Extent { weights: 7_000_000_000, is_adapter: false })
    }

    #[test]
    fn entries_are_named_by_id_address_or_themselves() {
        let readme = "---\nlicense:\n- mit\n- apache-2.0\nlanguage:\n- no\n- en\nbase_model:\n- org/Some-Model-7B-v0.2\n\
                      - https://huggingface.co/org/other\n- name: Third\n  author: Somebody\ntags: tiny\n---\n# Title\n";
        let keys = read(readme).unwrap().metadata();
        let get = |wanted: &str| keys.iter().find(|(key, _)| key == wanted).map(|(_, value)| value.clone());
        assert_eq!(get("license"), Some("mit,apache-2.0".into()));
        assert_eq!(get("base_model.count"), Some(3u32.into()));
        assert_eq!(get("base_model.0.version"), Some("v0.2".into()));
        assert_eq!(get("base_model.0.repo_url"), Some("https://huggingface.co/org/Some-Model-7B-v0.2".into()));
        assert_eq!(get("base_model.1.name"), Some("Other".into()));
        assert_eq!(get("base_model.2.author"), Some("Somebody".into()));
        assert_eq!(get("languages"), Some(Array::new(ValueType::String, ["no", "en"]).into()));
        assert_eq!(get("tags"), Some(Array::new(ValueType::String, ["tiny"]).into()));
    }

    #[test]
    fn what_is_no_front_matter_is_none_or_an_error() {
        for text in ["", "# Title\n", "--\nlicense: mit\n--\n"] {
            assert!(read(text).unwrap().metadata().is_empty(), "{text:?}");
        }
        assert!(read("---\n- a list\n---\n").unwrap().metadata().is_empty());
        let bomb = "---\na: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\n\
                    d: &d [*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e]\n\
                    g: [*f,*f,*f,*f,*f,*f,*f,*f,*f]\n---\n";
        let deep = format!("---\na: {}\n---\n", "[".repeat(100_000));
        for text in ["---\nlicense: [mit\n---\n", "---\n\"\n---\n", bomb, &deep] {
            assert!(read(text).is_err(), "{}", &text[..text.len().min(40)]);
        }
        assert!(read(&format!("---\na: {}\n---\n", "x".repeat(MAX_LENGTH))).is_err());
    }
}
