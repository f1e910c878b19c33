//! What a repository holds, as its hub says. The hub can be anybody's, so names are checked before they become paths.

use super::digest::Digest;
use super::error::HubError;
use serde_json::Value as Json;
use std::fmt;
use std::path::{Path, PathBuf};

/// Files of a repository that are looked at.
const MAX_FILES: usize = 100_000;

/// Bytes of a name.
const MAX_NAME: usize = 96;
const MAX_PATH: usize = 400;

/// The name of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepoId(String);

impl RepoId {
    /// Reads `owner/name`, or the address of its page.
    pub fn parse(text: &str) -> Result<Self, HubError> {
        let mut id = text.trim().trim_end_matches('/');
        if let Some((_, address)) = id.split_once("://") {
            id = address.split_once('/').map_or("", |(_, path)| path);
            // What follows names a branch or a file: owner/name/tree/main.
            id = id.match_indices('/').nth(1).map_or(id, |(end, _)| &id[..end]);
        }
        let is_plain = |part: &str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            !part.is_empty() && part.len() <= MAX_NAME && part.chars().all(plain) && !part.starts_with('.')
        };
        if id.split('/').count() > 2 || !id.split('/').all(is_plain) {
            return Err(HubError::failed(format!(
                "{text:?} is no name of a model; write owner/name, such as Qwen/Qwen3-0.6B, as it stands over the model's page"
            )));
        }
        Ok(Self(id.to_owned()))
    }

    /// Without its owner.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

impl fmt::Display for RepoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A file of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its path there, with `/` between names.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// Its content's digest, where the hub lists one.
    pub digest: Option<Digest>,
}

impl Entry {
    /// Where it goes in a folder.
    pub fn place(&self, folder: &Path) -> PathBuf {
        self.path.split('/').fold(folder.to_owned(), |path, name| path.join(name))
    }
}

/// What a repository holds at one commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The commit, by which files are asked for, so that all are of one state.
    pub commit: String,
    /// Its files.
    pub entries: Vec<Entry>,
}

impl Listing {
    /// Reads a hub's answer. Files whose name cannot be a path on every system are left out.
    pub fn parse(id: &RepoId, answer: &[u8]) -> Result<Self, HubError> {
        let refuse =
            |what: &str| HubError::failed(format!("{id}: the hub's answer {what}; check HF_ENDPOINT where it is set"));
        let json: Json = serde_json::from_slice(answer).map_err(|error| refuse(&format!("is no JSON ({error})")))?;
        let commit = json["sha"].as_str().unwrap_or_default();
        if commit.is_empty() || commit.len() > 64 || !commit.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(refuse("names no commit"));
        }
        let Some(files) = json["siblings"].as_array() else { return Err(refuse("lists no files")) };
        if files.len() > MAX_FILES {
            return Err(refuse(&format!("lists {} files, and more than {MAX_FILES} are not read", files.len())));
        }
        let entry = |file: &Json| {
            let path = file["rfilename"].as_str().filter(|path| is_path(path))?;
            let large = &file["lfs"];
            let digest = large["sha256"].as_str().or(large["oid"].as_str()).or(file["blobId"].as_str());
            let bytes = large["size"].as_u64().or(file["size"].as_u64())?;
            Some(Entry { path: path.to_owned(), bytes, digest: digest.and_then(Digest::parse) })
        };
        Ok(Self { commit: commit.to_owned(), entries: files.iter().filter_map(entry).collect() })
    }

    /// The file of this path.
    pub fn get(&self, path: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.path == path)
    }
}

/// Whether a path names a file below the folder it is used in, on any system.
fn is_path(path: &str) -> bool {
    const RESERVED: &[&str] = &["con", "prn", "aux", "nul"];
    let is_name = |name: &str| {
        let stem = name.split('.').next().unwrap_or_default().to_ascii_lowercase();
        !name.is_empty()
            && name.len() <= 200
            && !name.starts_with(' ')
            && !name.ends_with(['.', ' '])
            && !name.contains(['<', '>', ':', '"', '\\', '|', '?', '*'])
            && !name.chars().any(char::is_control)
            && !RESERVED.contains(&stem.as_str())
    };
    path.len() <= MAX_PATH && path.split('/').all(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_models_are_read_and_others_refused() {
        for (text, id, name) in [
            ("Qwen/Qwen3-0.6B", "Qwen/Qwen3-0.6B", "Qwen3-0.6B"),
            ("gpt2", "gpt2", "gpt2"),
            (" https://huggingface.co/a_b/c.d/tree/main ", "a_b/c.d", "c.d"),
            ("http://localhost:1234/a/b/", "a/b", "b"),
        ] {
            let found = RepoId::parse(text).unwrap();
            assert_eq!((found.to_string().as_str(), found.name()), (id, name), "{text}");
        }
        let long = "a/".to_owned() + &"b".repeat(97);
        for text in
            ["", "/", "a/b/c", "../etc", "a/..", "a/.git", "a b/c", "a/b?x", "a/b#c", "a//b", "a/é", "https://x", &long]
        {
            assert!(RepoId::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn hostile_listings_name_no_file_outside() {
        let id = RepoId::parse("a/b").unwrap();
        let long = "x".repeat(500);
        let names = [
            "../up",
            "/etc/passwd",
            "a/../../b",
            "a//b",
            "",
            ".",
            "..",
            "C:\\x",
            "a\\b",
            "con.gguf",
            "a/NUL",
            "x\ny",
            "a.",
            "a ",
            "b?",
            &long,
        ];
        let files: Vec<Json> = names.iter().map(|name| serde_json::json!({"rfilename": name, "size": 1})).collect();
        let answer = serde_json::json!({"sha": "abc", "siblings": files}).to_string();
        assert_eq!(Listing::parse(&id, answer.as_bytes()).unwrap().entries, []);
        for answer in
            ["", "[]", "{}", r#"{"sha": "a"}"#, r#"{"sha": "../a", "siblings": []}"#, r#"{"siblings": []}"#, "<html>"]
        {
            assert!(Listing::parse(&id, answer.as_bytes()).is_err(), "{answer}");
        }
    }

    #[test]
    fn sizes_and_digests_are_those_of_the_content() {
        let id = RepoId::parse("a/b").unwrap();
        let (sha, git) = ("5".repeat(64), "c".repeat(40));
        let answer = serde_json::json!({"sha": "abc", "siblings": [
            {"rfilename": "model.safetensors", "size": 9, "blobId": git, "lfs": {"sha256": sha, "size": 9, "pointerSize": 1}},
            {"rfilename": "config.json", "size": 7, "blobId": git},
            {"rfilename": "sub/other", "size": 3, "blobId": "?"},
            {"rfilename": "no size"},
        ]});
        let listing = Listing::parse(&id, answer.to_string().as_bytes()).unwrap();
        let found: Vec<(&str, u64, Option<&str>)> =
            listing.entries.iter().map(|e| (e.path.as_str(), e.bytes, e.digest.as_ref().map(Digest::method))).collect();
        let expected =
            [("model.safetensors", 9, Some("SHA-256")), ("config.json", 7, Some("git SHA-1")), ("sub/other", 3, None)];
        assert_eq!(found, expected);
        assert_eq!(listing.get("sub/other").unwrap().place(Path::new("x")), Path::new("x").join("sub").join("other"));
    }
}
