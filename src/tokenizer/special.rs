//! Ids of special tokens, and what a runtime adds to a prompt: what llama.cpp's converter makes of the documents
//! (`SpecialVocab` of its `gguf` package), in its order.

use crate::checkpoint::Documents;
use crate::gguf::{Metadata, Value};
use serde_json::Value as Json;

/// Kinds of special tokens in the converter's order. `eot` and `eom` are asked for only where a template makes them.
const KINDS: &[&str] = &["bos", "eos", "unk", "sep", "pad", "cls", "mask"];

/// The keys of kinds in a GGUF file (`seperator` is llama.cpp's own spelling). A `cls` token has none.
const KEYS: &[(&str, &str)] = &[
    ("bos", "bos_token_id"),
    ("eos", "eos_token_id"),
    ("unk", "unknown_token_id"),
    ("sep", "seperator_token_id"),
    ("pad", "padding_token_id"),
    ("mask", "mask_token_id"),
    ("eot", "eot_token_id"),
    ("eom", "eom_token_id"),
];

/// Special tokens by kind, and whether a runtime adds them to a prompt.
pub(super) struct Special<'a> {
    documents: &'a Documents,
    vocabulary: u64,
    /// `tokenizer_config.json`, as far as it names tokens; null where there is no such file.
    config: Json,
    /// In the order in which they are asked for.
    kinds: Vec<&'static str>,
    ids: Vec<(&'static str, u64)>,
    added: Vec<(&'static str, bool)>,
}

impl<'a> Special<'a> {
    /// Reads the post-processor of `tokenizer.json`, then `tokenizer_config.json`, then `config.json`. Ids from
    /// `vocabulary` up are left out.
    pub(super) fn read(documents: &'a Documents, vocabulary: u64) -> Self {
        let mut special = Self {
            documents,
            vocabulary,
            config: named(&documents.tokenizer_config),
            kinds: KINDS.to_vec(),
            ids: Vec::new(),
            added: Vec::new(),
        };
        if !documents.tokenizer.is_null() {
            special.read_post_processor();
        }
        special.read_tokenizer_config();
        special.read_config();
        special
    }

    /// Replaces the id of a kind.
    pub(super) fn replace(&mut self, kind: &'static str, id: u64) {
        match self.ids.iter_mut().find(|(known, _)| *known == kind) {
            Some(entry) => entry.1 = id,
            None => self.ids.push((kind, id)),
        }
    }

    /// Gives a kind that has no id yet that of a token of `tokenizer.json`.
    pub(super) fn set_by_text(&mut self, kind: &'static str, text: &str) {
        if let Some(id) = self.id_of(text) {
            self.set(kind, id);
        }
    }

    /// The keys: ids first, then what is added.
    pub(super) fn metadata(&self) -> Metadata {
        let key = |kind: &str| KEYS.iter().find(|(known, _)| *known == kind).map(|(_, key)| *key);
        let ids = self.ids.iter().filter_map(|(kind, id)| Some((key(kind)?.to_owned(), Value::U32(*id as u32))));
        let written = |kind: &str| ["bos", "eos", "sep"].contains(&kind);
        let added = self.added.iter().filter(|(kind, _)| written(kind));
        let added = added.map(|(kind, add)| (format!("add_{kind}_token"), Value::Bool(*add)));
        ids.chain(added).map(|(key, value)| (format!("tokenizer.ggml.{key}"), value)).collect()
    }

    fn set(&mut self, kind: &'static str, id: u64) {
        if id < self.vocabulary && !self.ids.iter().any(|(known, _)| *known == kind) {
            self.ids.push((kind, id));
        }
    }

    fn id_of(&self, text: &str) -> Option<u64> {
        let listed = self.documents.tokenizer["added_tokens"].as_array().into_iter().flatten();
        listed.into_iter().find(|token| token["content"].as_str() == Some(text))?["id"].as_u64()
    }

    fn mention(&mut self, kind: &'static str, add: bool, replace: bool) {
        match self.added.iter_mut().find(|(known, _)| *known == kind) {
            Some(entry) if replace => entry.1 = add,
            Some(_) => {}
            None => self.added.push((kind, add)),
        }
    }

    fn read_post_processor(&mut self) {
        // BERT names its ends cls and sep.
        for (kind, other) in [("bos_token", "cls_token"), ("eos_token", "sep_token")] {
            if !is_said(&self.config[kind]) && is_said(&self.config[other]) {
                self.config[kind] = self.config[other].clone();
            }
        }
        let post = &self.documents.tokenizer["post_processor"];
        let stages = post["processors"].as_array().map_or(std::slice::from_ref(post), Vec::as_slice);
        for stage in stages {
            match stage["type"].as_str() {
                Some("ByteLevel") => ["bos", "eos"].into_iter().for_each(|kind| self.mention(kind, false, false)),
                Some("RobertaProcessing") => self.read_roberta(stage),
                Some("TemplateProcessing") => self.read_template(stage),
                _ => {}
            }
        }
    }

    fn read_roberta(&mut self, stage: &Json) {
        ["bos", "eos", "sep"].into_iter().for_each(|kind| self.mention(kind, true, true));
        for kind in ["cls", "sep"] {
            let key = format!("{kind}_token");
            if !self.config.is_null() && !is_said(&self.config[&key]) {
                self.config[&key] = stage[kind][0].clone();
            }
        }
    }

    /// A template that closes with another token than eos makes that one eos, and the old one the end of a turn.
    fn read_template(&mut self, stage: &Json) {
        let items = |key: &str| stage[key].as_array().map_or(&[][..], Vec::as_slice);
        let single = items("single");
        let (first, last) = match single {
            [first, .., last] => (special_token(first), special_token(last)),
            _ => (Json::Null, Json::Null),
        };
        let has_config = !self.config.is_null();
        if is_said(&first) {
            let is_known = |special: &Self| ["bos_token", "cls_token"].iter().any(|key| special.config[*key] == first);
            if has_config && !is_known(self) {
                for key in ["bos_token", "cls_token"] {
                    if !is_said(&self.config[key]) {
                        self.config[key] = first.clone();
                    }
                }
            }
            let add = !has_config || is_known(self);
            self.mention("bos", add, true);
        }
        if is_said(&last) {
            if has_config && self.config["eos_token"] != last {
                let turn = ["eot", "eom"].into_iter().find(|kind| !self.kinds.contains(kind));
                if let Some(kind) = turn {
                    self.kinds.push(kind);
                    self.config[format!("{kind}_token")] = self.config["eos_token"].clone();
                }
                self.config["eos_token"] = last.clone();
            }
            self.mention("eos", true, true);
        }
        self.read_pair(items("pair"), &first, &last);
    }

    /// A pair is [first] A [separators] B [last].
    fn read_pair(&mut self, pair: &[Json], first: &Json, last: &Json) {
        let is = |item: Option<&Json>, token: &Json| is_said(token) && item.is_some_and(|i| special_token(i) == *token);
        let start = usize::from(is(pair.first(), first));
        let stop = pair.len() - usize::from(is(pair.last(), last));
        let Some([a, between @ .., b]) = pair.get(start..stop) else { return };
        if a["Sequence"]["id"] != "A" || b["Sequence"]["id"] != "B" || between.is_empty() {
            return;
        }
        let separates = |item: &Json| {
            let token = special_token(item);
            is_said(&token) && ["sep_token", "eos_token"].iter().any(|key| self.config[*key] == token)
        };
        let add = (!is_said(last) && separates(&between[0])) || (between.len() == 2 && separates(&between[1]));
        self.mention("sep", add, true);
        if add && !self.config.is_null() && !is_said(&self.config["sep_token"]) {
            self.config["sep_token"] = self.config["eos_token"].clone();
        }
    }

    fn read_tokenizer_config(&mut self) {
        for kind in self.kinds.clone() {
            if let Some(add) = self.documents.tokenizer_config[format!("add_{kind}_token")].as_bool() {
                self.mention(kind, add, false);
            }
            let token = &self.config[format!("{kind}_token")];
            let text = token.as_str().or_else(|| token["content"].as_str());
            if let Some(id) = text.and_then(|text| self.id_of(text)) {
                self.set(kind, id);
            }
        }
    }

    fn read_config(&mut self) {
        let config = &self.documents.config;
        for kind in self.kinds.clone() {
            let key = format!("{kind}_token_id");
            let id = Some(&config[&key]).filter(|id| !id.is_null()).unwrap_or(&config["text_config"][&key]);
            if let Some(id) = id.as_u64() {
                self.set(kind, id);
            }
        }
    }
}

/// The entries of `tokenizer_config.json` that name a token: texts, or objects with a content.
fn named(config: &Json) -> Json {
    match config.as_object().filter(|config| !config.is_empty()) {
        None => Json::Null,
        Some(config) => {
            config.iter().filter(|(key, _)| key.ends_with("_token")).map(|(k, v)| (k.clone(), v.clone())).collect()
        }
    }
}

/// The text of an item of a template that is a special token.
fn special_token(item: &Json) -> Json {
    item["SpecialToken"]["id"].clone()
}

/// As Python takes it: neither absent nor empty.
fn is_said(token: &Json) -> bool {
    match token {
        Json::String(text) => !text.is_empty(),
        Json::Object(object) => !object.is_empty(),
        _ => false,
    }
}

/// BERT's flags of the normalizer, which stands alone or in sequences. llama.cpp strips accents where it lower-cases,
/// unless it is told.
pub(super) fn normalizer(tokenizer: &Json) -> Metadata {
    let (mut lowercase, mut strip_accents) = (None, None);
    for stage in super::pre::stages(&tokenizer["normalizer"], "normalizers") {
        match stage["type"].as_str() {
            Some("Lowercase") => lowercase = Some(true),
            Some("StripAccents") => strip_accents = Some(true),
            Some("BertNormalizer") => {
                lowercase = stage.get("lowercase").map_or(lowercase, Json::as_bool);
                strip_accents = stage.get("strip_accents").map_or(strip_accents, Json::as_bool);
            }
            _ => {}
        }
    }
    let keys = [("lowercase", lowercase), ("strip_accents", strip_accents)];
    let said = keys.into_iter().filter_map(|(key, flag)| Some((key, flag?)));
    said.map(|(key, flag)| (format!("tokenizer.ggml.normalizer.{key}"), Value::Bool(flag))).collect()
}
