//! The ids of tokens with a meaning of their own.

use super::vocabulary::Vocabulary;
use super::{Finding, Severity};
use crate::model::{Model, Setting, USUAL, UsualKind};

pub(super) fn check(model: &Model, vocabulary: &Vocabulary<'_>) -> Vec<Finding> {
    if vocabulary.is_empty() {
        return Vec::new();
    }
    let mut findings: Vec<Finding> = out_of_range(model, vocabulary).collect();
    let key = |kind: &str| format!("tokenizer.ggml.{kind}_token_id");
    let (eos, pad) = (model.token_id("eos"), model.token_id("pad"));
    if let Some(id) = eos.filter(|id| pad == Some(*id)) {
        let found = format!("the token {id} both ends a text and fills up shorter ones");
        let finding = Finding::new(Severity::Note, key("padding"), found)
            .because("Programs that train on padded text hide the end from the model, which then never learns to stop.")
            .advise("Nothing to do for running the model; give padding another token before training, with --token-id pad=ID.");
        findings.push(finding);
    }
    findings
}

fn out_of_range(model: &Model, vocabulary: &Vocabulary<'_>) -> impl Iterator<Item = Finding> {
    let tokens = vocabulary.len();
    let arch = &model.hparams.architecture;
    USUAL.iter().filter(|usual| usual.kind == UsualKind::Token).filter_map(move |usual| {
        let key = usual.key(arch);
        let value = model.value(&key)?;
        if value.as_u64().is_some_and(|id| id < tokens as u64) {
            return None;
        }
        let found = format!("it is {value}, and the vocabulary has {tokens} tokens, counted from 0");
        let finding = Finding::new(Severity::Error, &key, found)
            .because("Programs look past the end of the vocabulary for it.")
            .advise(format!("Leave it out, or name the right token with --token-id {}=ID.", usual.option));
        Some(finding.fixed_by(Setting::removal(&key).ok()))
    })
}

/// Whether a name of the model says that it answers.
pub(super) fn is_named_for_chat(model: &Model) -> bool {
    let names = ["general.name", "general.finetune", "general.basename"];
    let texts = names.iter().filter_map(|key| model.value(key)?.as_str());
    let is_word = |word: &str| ["chat", "instruct", "it", "assistant"].contains(&word.to_lowercase().as_str());
    texts.flat_map(|text| text.split(|c: char| !c.is_alphanumeric())).any(is_word)
}
