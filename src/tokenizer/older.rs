//! Folders from before `tokenizer.json`: `vocab.json` and `merges.txt`, with rules that only the class of the tokenizer tells.

use super::added::decoder;
use super::rules;
use crate::checkpoint::{Documents, OpenError};
use serde_json::{Value as Json, json};

/// Classes of transformers, without `Fast` at the end, and the pre-tokenizer and normalizer that each has in its code.
const CLASSES: &[(&str, &str, Option<&str>)] = &[
    ("GPT2Tokenizer", "gpt-2", None),
    ("RobertaTokenizer", "gpt-2", None),
    ("BartTokenizer", "gpt-2", None),
    ("CodeGenTokenizer", "gpt-2", None),
    ("Qwen2Tokenizer", "qwen2", Some("NFC")),
];

/// The documents with the `tokenizer.json` that transformers would make of the older files; none where there is no need,
/// or nothing to make it of. Only for encoding it lists added tokens: llama.cpp's converter looks there for the ids of special
/// tokens, and in such a folder finds those of `config.json`.
pub(super) fn completed(documents: &Documents, for_encoding: bool) -> Result<Option<Documents>, OpenError> {
    let (Some(vocab), Some(merges), Json::Null) =
        (documents.vocab.as_object(), &documents.merges, &documents.tokenizer)
    else {
        return Ok(None);
    };
    let class = documents.tokenizer_config["tokenizer_class"].as_str().unwrap_or("not given");
    let bare = class.strip_suffix("Fast").unwrap_or(class);
    let known = CLASSES.iter().find(|(name, ..)| *name == bare);
    let Some((known, normalizer)) = known.and_then(|(_, pre, normalizer)| Some((rules(pre)?, normalizer))) else {
        let classes: Vec<&str> = CLASSES.iter().map(|(class, ..)| *class).collect();
        return Err(OpenError::new(
            documents.folder.join("tokenizer.json"),
            format!(
                "it is not there, and how vocab.json and merges.txt are used is known for {}, while the tokenizer_class is \
                 {class}; save the tokenizer with a newer transformers, which writes tokenizer.json",
                classes.join(", ")
            ),
        ));
    };
    let merges: Vec<&str> = merges.lines().filter(|line| !line.is_empty() && !line.starts_with("#version")).collect();
    let added = decoder(&documents.tokenizer_config).into_iter().filter(|_| for_encoding).map(|(id, token)| {
        let flag = |key: &str| token[key] == true;
        json!({
            "id": id, "content": token["content"], "special": flag("special"), "normalized": flag("normalized"),
            "single_word": flag("single_word"), "lstrip": flag("lstrip"), "rstrip": flag("rstrip"),
        })
    });
    let tokenizer = json!({
        "added_tokens": added.collect::<Vec<_>>(),
        "normalizer": normalizer.map(|kind| json!({"type": kind})),
        "pre_tokenizer": known["pre_tokenizer"],
        "decoder": {"type": "ByteLevel"},
        "model": {"type": "BPE", "vocab": vocab, "merges": merges},
    });
    Ok(Some(Documents { tokenizer, ..documents.clone() }))
}
