//! Texts of the user's: plain, or lines of JSON with texts and conversations.

use crate::chat::{Message, Template};
use crate::engine::worker::Stop;
use crate::model::{CHAT_TEMPLATE, Model};
use serde_json::Value as Json;
use std::path::Path;

/// No file is read that holds more.
const MAX_BYTES: u64 = 64 << 20;
/// Roles by the names that data sets have for them.
const ROLES: &[(&str, &str)] = &[("human", "user"), ("gpt", "assistant"), ("bot", "assistant")];

/// A text that stands for itself.
pub(super) struct Document {
    pub(super) text: String,
    /// Whether control tokens in it are meant as such: a chat template wrote them.
    pub(super) is_chat: bool,
}

/// Reads a file: one text, or where its name ends in `.jsonl` one a line, each a string or an object with `text`, or a
/// conversation in `messages` (`role`, `content`) or `conversations` (`from`, `value`), which the model's own chat template
/// writes down.
pub(super) fn read(path: &Path, model: &Model) -> Result<Vec<Document>, Stop> {
    let refuse = |problem: String| Stop::Failed(format!("{}: {problem}", path.display()));
    let unread = |error: std::io::Error| refuse(format!("it could not be read: {error}; give a text file in UTF-8"));
    let found = std::fs::metadata(path).map_err(unread)?;
    if !found.is_file() || found.len() > MAX_BYTES {
        let bytes = found.len();
        return Err(refuse(format!("it has {bytes} bytes, and a text file of at most {MAX_BYTES} was expected")));
    }
    let text = std::fs::read_to_string(path).map_err(unread)?;
    if !path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("jsonl")) {
        return Ok(vec![Document { text, is_chat: false }]);
    }
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(n, line)| document(line, model).map_err(|problem| refuse(format!("line {}: {problem}", n + 1))))
        .collect()
}

fn document(line: &str, model: &Model) -> Result<Document, String> {
    let json: Json = serde_json::from_str(line).map_err(|error| format!("it is no JSON: {error}"))?;
    if let Some(text) = json.as_str().or(json["text"].as_str()) {
        return Ok(Document { text: text.to_owned(), is_chat: false });
    }
    let said = json["messages"].as_array().or(json["conversations"].as_array());
    let said = said.ok_or("it has neither \"text\" nor \"messages\" nor \"conversations\"")?;
    let message = |said: &'_ Json| -> Option<(String, String)> {
        let role = said["role"].as_str().or(said["from"].as_str())?;
        let content = said["content"].as_str().or(said["value"].as_str())?;
        let role = ROLES.iter().find(|(name, _)| *name == role).map_or(role, |(_, usual)| usual);
        Some((role.to_owned(), content.to_owned()))
    };
    let said: Option<Vec<(String, String)>> = said.iter().map(message).collect();
    let said = said.filter(|said| !said.is_empty()).ok_or("a message has no role or no content that is text")?;
    let messages: Vec<Message<'_>> = said.iter().map(|(role, content)| Message { role, content }).collect();
    let template = model.value(CHAT_TEMPLATE).and_then(|template| template.as_str());
    let template = template.ok_or("it is a conversation, and the model has no chat template to write it down with")?;
    let rendered =
        Template::parse(template).and_then(|template| template.render(&messages, &model.template_texts(), false));
    let text = rendered.map_err(|error| format!("the model's chat template cannot write it down: {error}"))?;
    Ok(Document { text, is_chat: true })
}
