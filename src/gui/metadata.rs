//! What the metadata tab shows: findings, rows of keys, the chat template and what comes of it. Plain data, made anew
//! when the model's metadata changes.

use crate::chat::{EXAMPLES, Template};
use crate::gguf::Value;
use crate::model::lint::{Finding, Severity, check};
use crate::model::{CHAT_TEMPLATE, Model, USUAL, Usual, UsualKind};

/// Characters of a value that a row shows.
const SHOWN: usize = 400;

/// Usual pieces that have a row although the model lacks them, for people to fill in.
const OFFERED: &[&str] = &["name", "author", "license", "description", "chat-template", "eos", "eot"];

/// The metadata tab.
#[derive(Clone, Debug, Default)]
pub struct Sheet {
    /// What is in front of it.
    pub page: Page,
    /// Part of the keys, labels or values to show, in any case.
    pub filter: String,
    /// The value being typed.
    pub editing: Option<Editing>,
    /// What is wrong with the metadata, the worst first.
    pub findings: Vec<Finding>,
    /// The finding that is told more of, by its place.
    pub unfolded: Option<usize>,
    /// Keys and values in sight.
    pub rows: Vec<Row>,
    /// The conversation of the preview, by its place in [`EXAMPLES`].
    pub example: usize,
    /// What the chat template makes of it, or why it makes nothing; none where there is no template.
    pub preview: Option<Result<String, String>>,
}

/// Parts of the metadata tab.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Page {
    /// Every key with its value.
    #[default]
    Keys,
    /// The chat template with a preview.
    Template,
}

impl Page {
    /// From left to right.
    pub const ALL: [Self; 2] = [Self::Keys, Self::Template];

    /// For people.
    pub fn label(self) -> &'static str {
        match self {
            Self::Keys => "Keys",
            Self::Template => "Chat template",
        }
    }
}

/// A value being typed.
#[derive(Clone, Debug, PartialEq)]
pub struct Editing {
    /// The piece.
    pub usual: &'static Usual,
    /// As typed so far.
    pub text: String,
    /// Why it could not be set.
    pub problem: Option<String>,
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// In the file.
    pub key: String,
    /// As a piece that can be edited here.
    pub usual: Option<&'static Usual>,
    /// For people, on one line; none where the model has no such key.
    pub value: Option<String>,
    /// The stored type.
    pub kind: String,
    /// Whether the user changed it.
    pub is_changed: bool,
}

impl Sheet {
    /// Looks at the metadata anew, of which the user changed these keys.
    pub fn update(&mut self, model: &Model, changed: &[String]) {
        self.findings = check(model);
        self.unfolded = None;
        self.list(model, changed);
        self.render(model);
    }

    /// Lists the rows anew.
    pub fn list(&mut self, model: &Model, changed: &[String]) {
        let arch = &model.hparams.architecture;
        let row = |key: &str, usual: Option<&'static Usual>| {
            let value = model.value(key);
            Row {
                key: key.to_owned(),
                usual,
                value: value.map(|value| shown(model, usual, value)),
                kind: value.map(|value| value.value_type().name().to_owned()).unwrap_or_default(),
                is_changed: changed.iter().any(|changed| changed == key),
            }
        };
        let is_listed = |usual: &&Usual| {
            let key = usual.key(arch);
            OFFERED.contains(&usual.option) || model.value(&key).is_some() || changed.contains(&key)
        };
        let usual = USUAL.iter().filter(is_listed).map(|usual| row(&usual.key(arch), Some(usual)));
        let others = model.metadata.iter().map(|(key, _)| key).filter(|key| Usual::of_key(key, arch).is_none());
        let wanted = self.filter.trim().to_lowercase();
        let is_wanted = |row: &Row| {
            let texts = [Some(row.key.as_str()), row.usual.map(|usual| usual.label), row.value.as_deref()];
            texts.into_iter().flatten().any(|text| text.to_lowercase().contains(&wanted))
        };
        self.rows = usual.chain(others.map(|key| row(key, None))).filter(is_wanted).collect();
    }

    /// The chat template while it is typed.
    pub fn typed_template(&self) -> Option<&Editing> {
        self.editing.as_ref().filter(|editing| editing.usual.kind == UsualKind::Template)
    }

    /// Renders the preview anew, of the template as typed where it is.
    pub fn render(&mut self, model: &Model) {
        let typed = self.typed_template().map(|editing| editing.text.as_str());
        let source = typed.or_else(|| model.value(CHAT_TEMPLATE)?.as_str());
        let messages = EXAMPLES[self.example.min(EXAMPLES.len() - 1)].messages;
        let render = |source: &str| Template::parse(source)?.render(messages, &model.template_texts(), true);
        self.preview = source.map(|source| render(source).map_err(|error| error.to_string()));
    }

    /// What to know before packing.
    pub fn cautions(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.severity >= Severity::Caution)
    }
}

impl Editing {
    /// Begins with what the model has.
    pub fn new(usual: &'static Usual, model: &Model) -> Self {
        let value = model.value(&usual.key(&model.hparams.architecture));
        let text = value.map(Value::to_string).unwrap_or_default();
        Self { usual, text, problem: None }
    }
}

/// A value on one line: a token with its text, a long text by its beginning, a list by its length.
fn shown(model: &Model, usual: Option<&Usual>, value: &Value) -> String {
    let text = match (usual.map(|usual| usual.kind), value) {
        (Some(UsualKind::Token), _) => {
            let token = value.as_u64().and_then(|id| model.token(id));
            token.map_or_else(|| value.to_string(), |token| format!("{value}  {token}"))
        }
        (Some(UsualKind::Template), Value::String(text)) => format!("{} characters", text.chars().count()),
        (_, Value::Bool(true)) => "yes".to_owned(),
        (_, Value::Bool(false)) => "no".to_owned(),
        (_, Value::String(text)) => text.chars().take(SHOWN + 1).collect(),
        _ => value.to_string(),
    };
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn usual_pieces_come_first_and_every_key_once() {
        let model = Model::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/sample")).unwrap();
        let mut sheet = Sheet::default();
        sheet.update(&model, &[]);
        let usual = sheet.rows.iter().take_while(|row| row.usual.is_some()).count();
        assert!(sheet.rows[usual..].iter().all(|row| row.usual.is_none()));
        for (key, _) in &model.metadata {
            assert_eq!(sheet.rows.iter().filter(|row| row.key == *key).count(), 1, "{key}");
        }
        let tokens = sheet.rows.iter().find(|row| row.key == "tokenizer.ggml.tokens").unwrap();
        assert_eq!(tokens.value.as_deref(), Some("4096 x string"));
        sheet.filter = "LICENCE".to_owned();
        sheet.list(&model, &[]);
        let [row] = &sheet.rows[..] else { panic!("{:?}", sheet.rows) };
        assert_eq!((row.key.as_str(), &row.value), ("general.license", &None));
    }
}
