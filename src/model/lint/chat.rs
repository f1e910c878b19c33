//! The chat template: whether there is one, whether it renders, whether it agrees with the vocabulary, and whether it
//! holds what has no place in one.

use super::ids::is_named_for_chat;
use super::vocabulary::Vocabulary;
use super::{Finding, Severity};
use crate::chat::{Conversation, EXAMPLES, Template, Trouble, scan, special_tokens};
use crate::gguf::Value;
use crate::model::{CHAT_TEMPLATE, Model, Setting, Usual};
use regex::Regex;

/// Tokens of a template that are named before the rest is counted.
const NAMED: usize = 6;

/// Words in a row that no role or label has.
const PROSE: usize = 6;

pub(super) fn check(model: &Model, vocabulary: &Vocabulary<'_>) -> Vec<Finding> {
    let is_named_for_chat = is_named_for_chat(model);
    let mut findings = Vec::new();
    let template = model.value(CHAT_TEMPLATE);
    match template.map(|value| value.as_str()) {
        Some(Some(source)) => {
            findings.extend(rendering(model, vocabulary, source));
            findings.extend(suspicions(CHAT_TEMPLATE, source));
        }
        Some(None) => findings.push(broken("it is no text".to_owned())),
        None if is_named_for_chat => findings.push(missing()),
        None => {}
    }
    let ends = ["eos", "eot"].into_iter().find_map(|kind| model.token_id(kind));
    let is_said = findings.iter().any(|finding| finding.key == EOS);
    if ends.is_none() && !is_said && !vocabulary.is_empty() && (template.is_some() || is_named_for_chat) {
        findings.push(endless());
    }
    let named = model.metadata.iter().filter(|(key, _)| key.starts_with("tokenizer.chat_template."));
    for (key, value) in named {
        findings.extend(value.as_str().into_iter().flat_map(|source| suspicions(key, source)));
    }
    findings
}

const EOS: &str = "tokenizer.ggml.eos_token_id";
const EOT: &str = "tokenizer.ggml.eot_token_id";

fn endless() -> Finding {
    Finding::new(Severity::Error, EOS, "there is no token that ends an answer")
        .because("A chat goes on until the context is full.")
        .advise("Name the token that the model ends its answers with, such as --token-id 'eos=</s>'.")
}

fn missing() -> Finding {
    let found = "there is no chat template, and the model's name says that it is for chat";
    Finding::new(Severity::Caution, CHAT_TEMPLATE, found)
        .because("Programs then guess how to write a conversation down, and a model answers worse in a form it does not know.")
        .advise("Get the template from the model's publisher, and give it with --chat-template FILE.")
}

fn broken(found: String) -> Finding {
    Finding::new(Severity::Error, CHAT_TEMPLATE, found)
        .because("Programs that use it fail, or fall back to a form that the model does not know.")
        .advise("Get the template anew from the model's publisher, and give it with --chat-template FILE.")
}

fn rendering(model: &Model, vocabulary: &Vocabulary<'_>, source: &str) -> Vec<Finding> {
    let template = match Template::parse(source) {
        Ok(template) => template,
        Err(error) => return vec![broken(format!("it cannot be understood: {error}"))],
    };
    let texts = model.template_texts();
    let mut findings = Vec::new();
    let mut rendered: Vec<(&Conversation, String)> = Vec::new();
    for example in EXAMPLES {
        match template.render(example.messages, &texts, true) {
            Ok(text) => {
                findings.extend(lost(example, &text));
                rendered.push((example, text));
            }
            Err(error) => findings.push(failed(example, error.trouble, &error.to_string())),
        }
        // One that fails here fails the same way in the longer ones.
        if findings.iter().any(|finding| finding.severity == Severity::Error) {
            break;
        }
    }
    findings.extend(unknown_tokens(vocabulary, source, &rendered));
    findings.extend(end_of_turn(model, vocabulary, &template, &rendered, &texts));
    findings.extend(doubled_bos(model, source, &rendered, &texts));
    findings.extend(own_words(&rendered));
    findings
}

fn failed(example: &Conversation, trouble: Trouble, problem: &str) -> Finding {
    let has_system = example.messages[0].role == "system";
    let what = example.name.to_lowercase();
    match trouble {
        Trouble::Refused if has_system => {
            Finding::new(Severity::Note, CHAT_TEMPLATE, format!("it takes no system message: {problem}"))
                .because("The model was made without system messages; programs that send one fail or drop it.")
                .advise("Put what a system message would say into the first message of the user.")
        }
        Trouble::Refused => broken(format!("it refuses an ordinary conversation ({what}): {problem}")),
        _ => broken(format!("it does not render ({what}): {problem}")),
    }
}

/// What was said has to reach the model.
fn lost(example: &Conversation, text: &str) -> Option<Finding> {
    let message = example.messages.iter().find(|message| !text.contains(message.content))?;
    let found = format!("it leaves out what the {} says ({})", message.role, example.name.to_lowercase());
    let finding = match message.role {
        // Past answers are shortened by some templates on purpose.
        "assistant" => Finding::new(Severity::Note, CHAT_TEMPLATE, found),
        "system" => Finding::new(Severity::Caution, CHAT_TEMPLATE, found),
        _ => return Some(broken(found)),
    };
    let finding = finding.because("The model never sees it.");
    Some(finding.advise("Compare it with the template of the model's publisher."))
}

fn unknown_tokens(vocabulary: &Vocabulary<'_>, source: &str, rendered: &[(&Conversation, String)]) -> Option<Finding> {
    if vocabulary.is_empty() {
        return None;
    }
    let mut mentioned = special_tokens(source);
    mentioned.extend(rendered.iter().flat_map(|(_, text)| special_tokens(text)));
    let is_rendered = |token: &str| rendered.iter().any(|(_, text)| text.contains(token));
    let unknown: Vec<&str> = mentioned.into_iter().filter(|token| vocabulary.id(token).is_none()).collect();
    let names = unknown.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    let more = match unknown.len().saturating_sub(NAMED) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    let found = format!("it writes {names}{more}, and the vocabulary has no such token");
    let severity = if unknown.iter().any(|token| is_rendered(token)) { Severity::Caution } else { Severity::Note };
    let finding = Finding::new(severity, CHAT_TEMPLATE, found)
        .because("The model then reads it letter by letter, which is not what it was trained on.")
        .advise("Template and tokenizer come from different models; use those of one.");
    (!unknown.is_empty()).then_some(finding)
}

/// The token that ends the assistant's turn has to be one that programs stop at.
fn end_of_turn(
    model: &Model,
    vocabulary: &Vocabulary<'_>,
    template: &Template,
    rendered: &[(&Conversation, String)],
    texts: &[(&str, &str)],
) -> Option<Finding> {
    let (eos, eot, eom) = (model.token_id("eos"), model.token_id("eot"), model.token_id("eom"));
    let (example, text) = rendered.iter().find(|(example, _)| example.messages.len() > 2)?;
    let answer = example.messages.iter().find(|message| message.role == "assistant")?.content;
    let (_, after) = text.split_once(answer)?;
    let is_known_end = |id: u64| [eos, eot, eom].contains(&Some(id));
    // What begins the conversation begins the next turn, where nothing ends the one before.
    let begins = |id| vocabulary.text(id).is_some_and(|token| text.trim_start().starts_with(token));
    let next = vocabulary.special_at_start_of(after.trim_start()).map(u64::from);
    let Some(end) = next.filter(|id| is_known_end(*id) || !begins(*id)) else {
        // Some templates end the last answer only.
        let closed = template.render(&example.messages[..2], texts, false).ok();
        let written = |id| vocabulary.text(id).is_some_and(|token| closed.as_ref().is_some_and(|c| c.contains(token)));
        let mut ends = [eos, eot, eom].into_iter().flatten().peekable();
        let is_open = ends.peek().is_some() && !ends.any(written);
        let found = "it writes no token after an answer that ends a text or a turn";
        let finding = Finding::new(Severity::Note, CHAT_TEMPLATE, found)
            .because("A model that never saw its answers end may go on and answer itself.")
            .advise("Compare it with the template of the model's publisher.");
        return is_open.then_some(finding);
    };
    if is_known_end(end) {
        return None;
    }
    let name = vocabulary.text(end)?;
    let (severity, key, kind, is_now, advice) = match eos {
        Some(id) => {
            let now = format!("the end of text is {}", vocabulary.text(id).unwrap_or("another token"));
            (Severity::Caution, EOT, "eot", now, "Make it the end of a turn")
        }
        None => (Severity::Error, EOS, "eos", "there is no end of text".to_owned(), "Make it the end of text"),
    };
    let found = format!("an answer ends with {name} in the chat template, and {is_now}");
    let finding = Finding::new(severity, key, found)
        .because("Programs do not stop there: the model goes on after its answer, often in the user's name.")
        .advise(format!("{advice}, with --token-id {kind}={end}."));
    let fix = Setting::usual(Usual::named(kind)?, &end.to_string()).ok();
    Some(finding.fixed_by(fix))
}

/// A text that begins twice.
fn doubled_bos(
    model: &Model,
    source: &str,
    rendered: &[(&Conversation, String)],
    texts: &[(&str, &str)],
) -> Option<Finding> {
    let adds = model.value("tokenizer.ggml.add_bos_token") == Some(&Value::Bool(true));
    let bos =
        texts.iter().find(|(name, _)| *name == "bos_token").map(|(_, text)| *text).filter(|text| !text.is_empty())?;
    let begins = rendered.iter().all(|(_, text)| text.starts_with(bos)) && !rendered.is_empty();
    let finding = Finding::new(
        Severity::Note,
        "tokenizer.ggml.add_bos_token",
        format!("programs add {bos} to every text, and the chat template writes it as well"),
    )
    .because("llama.cpp's own programs drop one of the two; others begin each conversation with both.")
    .advise("Nothing to do for llama.cpp; elsewhere, leave the token out of the template.");
    (adds && begins).then(|| finding.fixed_by(without_bos(source, bos, rendered, texts)))
}

/// The template without its first token, where it then renders what it did, but for that.
fn without_bos(
    source: &str,
    bos: &str,
    rendered: &[(&Conversation, String)],
    texts: &[(&str, &str)],
) -> Option<Setting> {
    let written = Regex::new(r"\{\{-?\s*bos_token\s*-?\}\}").expect("a constant pattern");
    // A comment keeps the marks that trim the spaces around it.
    let changed = written.replacen(source, 1, |found: &regex::Captures<'_>| {
        let (start, end) = (found[0].starts_with("{{-"), found[0].ends_with("-}}"));
        format!("{{#{} {}#}}", if start { "-" } else { "" }, if end { "-" } else { "" })
    });
    let template = Template::parse(&changed).ok()?;
    let is_same = |(example, before): &(&Conversation, String)| {
        let after = template.render(example.messages, texts, true).ok();
        after.is_some_and(|after| before.strip_prefix(bos) == Some(after.as_str()))
    };
    let setting = || Setting::usual(Usual::named("chat-template")?, &changed).ok();
    rendered.iter().all(is_same).then(setting).flatten()
}

/// What the template tells the model of its own accord, in an ordinary conversation.
fn own_words(rendered: &[(&Conversation, String)]) -> Option<Finding> {
    let marks = Regex::new(r"<[^<>\s]*>|\[/?[A-Z_]+\]").expect("a constant pattern");
    let (example, text) = rendered.first()?;
    let mut own = text.clone();
    for message in example.messages {
        own = own.replace(message.content, " \n ");
    }
    let own = marks.replace_all(&own, " \n ");
    let line = own.lines().map(str::trim).find(|line| line.split_whitespace().count() >= PROSE)?;
    let shown: String = line.chars().take(100).collect();
    let ellipsis = if shown.len() < line.len() { "…" } else { "" };
    let finding = Finding::new(Severity::Note, CHAT_TEMPLATE, format!("it tells the model “{shown}{ellipsis}”"))
        .because(
            "Whoever uses the model does not see that, and it is part of every conversation without a system message.",
        )
        .advise("Read it, and look at the preview; it is harmless where it only says who made the model.");
    Some(finding)
}

fn suspicions(key: &str, source: &str) -> Vec<Finding> {
    let finding = |suspicion: crate::chat::Suspicion| {
        Finding::new(Severity::Caution, key, format!("{} (line {})", suspicion.found, suspicion.line))
            .because(suspicion.why)
            .advise("Read the template there, and compare it with that of the model's publisher.")
    };
    scan(source).into_iter().map(finding).collect()
}
