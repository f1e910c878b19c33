//! Changes to a model's metadata, as they are typed, checked against the model they are made to.

use super::usual::{Usual, UsualKind};
use super::{EditError, Model};
use crate::chat::{MAX_SOURCE, Template, Trouble};
use crate::gguf::{Value, ValueType};

/// A key of llama-quantize's `--override-kv` has at most so many bytes.
const MAX_KEY: usize = 127;

/// Bytes of a name and its like, and of longer texts.
const MAX_LINE: usize = 1_000;
const MAX_TEXT: usize = 1 << 20;

/// Keys that say how the file is written.
const OWN_KEYS: &[&str] =
    &["general.architecture", "general.alignment", "general.file_type", "general.quantization_version"];

/// Keys without which no program can use a vocabulary.
const VOCABULARY_KEYS: &[&str] = &["model", "pre", "tokens", "token_type", "scores", "merges"];

/// A piece of metadata with its new value, or to be removed.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    text: String,
    key: Key,
    change: Change,
}

#[derive(Clone, Debug, PartialEq)]
enum Key {
    /// As it stands in the file.
    Full(String),
    /// Of one of the usual pieces, whose key may depend on the model.
    Usual(&'static Usual),
}

#[derive(Clone, Debug, PartialEq)]
enum Change {
    Value(Value),
    /// An id, or the text of a token.
    Token(String),
    Removed,
}

impl Setting {
    /// Reads `KEY=TYPE:VALUE` with the types `int`, `float`, `bool` and `str`.
    pub fn parse(text: &str) -> Result<Self, EditError> {
        let refuse = |problem: &str| Err(refuse(text, problem));
        let parts = text.split_once('=').and_then(|(key, typed)| Some((key, typed.split_once(':')?)));
        let Some((key, (kind, value))) = parts else {
            return refuse("is not of the form KEY=TYPE:VALUE, such as llama.context_length=int:8192");
        };
        check_key(text, key)?;
        let value = match kind {
            "int" => value.parse().ok().map(Value::U32),
            "float" => value.parse().ok().filter(|v: &f32| v.is_finite()).map(Value::F32),
            "bool" => value.parse().ok().map(Value::Bool),
            "str" => Some(Value::from(value)),
            _ => return refuse("has an unknown type; choose one of int, float, bool and str"),
        };
        match value {
            Some(value) => {
                Ok(Self { text: text.to_owned(), key: Key::Full(key.to_owned()), change: Change::Value(value) })
            }
            None if kind == "int" => refuse("has no whole number from 0 to 4294967295 after int:"),
            None if kind == "float" => refuse("has no finite number after float:"),
            None => refuse("has neither true nor false after bool:"),
        }
    }

    /// One of the usual pieces, with what was typed for it.
    pub fn usual(usual: &'static Usual, typed: &str) -> Result<Self, EditError> {
        let text = match usual.kind {
            UsualKind::Token => format!("{}={typed}", usual.option),
            UsualKind::Template => usual.option.to_owned(),
            _ => format!("{} {typed}", usual.option),
        };
        let refuse = |problem: &str| Err(refuse(&text, problem));
        let line = typed.trim();
        let change = match usual.kind {
            UsualKind::Token if line.is_empty() => return refuse("has no token; give an id, or the token's text"),
            UsualKind::Token => Change::Token(typed.to_owned()),
            UsualKind::Count => match line.parse() {
                Ok(1..) => Change::Value(Value::U32(line.parse().unwrap_or_default())),
                _ => return refuse("has no whole number from 1 to 4294967295"),
            },
            UsualKind::Flag => match line {
                "true" | "yes" => Change::Value(Value::Bool(true)),
                "false" | "no" => Change::Value(Value::Bool(false)),
                _ => return refuse("is neither yes nor no"),
            },
            UsualKind::Line if line.is_empty() => return refuse("is empty; remove it instead"),
            UsualKind::Line if line.len() > MAX_LINE || line.chars().any(char::is_control) => {
                return refuse(&format!("is not one line of at most {MAX_LINE} bytes"));
            }
            UsualKind::Line => Change::Value(line.into()),
            UsualKind::Text if line.is_empty() => return refuse("is empty; remove it instead"),
            UsualKind::Text => Change::Value(line.into()),
            UsualKind::Template => {
                if let Err(error) = Template::parse(typed)
                    && matches!(error.trouble, Trouble::Syntax | Trouble::Bounds)
                {
                    return refuse(&format!("is no chat template: {error}"));
                }
                Change::Value(typed.into())
            }
        };
        Ok(Self { text, key: Key::Usual(usual), change })
    }

    /// Reads `KIND=ID` or `KIND=TEXT`, such as `eos=128009` or `eos=<|eot_id|>`.
    pub fn token(text: &str) -> Result<Self, EditError> {
        let kinds = || super::USUAL.iter().filter(|usual| usual.kind == UsualKind::Token);
        let parts = text.split_once('=').and_then(|(kind, token)| Some((kinds().find(|u| u.option == kind)?, token)));
        match parts {
            Some((usual, token)) => Self::usual(usual, token),
            None => {
                let names: Vec<&str> = kinds().map(|usual| usual.option).collect();
                let problem = format!("is not of the form KIND=ID, with one of the kinds {}", names.join(", "));
                Err(refuse(text, &problem))
            }
        }
    }

    /// Leaves a key out.
    pub fn removal(key: &str) -> Result<Self, EditError> {
        check_key(key, key)?;
        let (text, key) = (format!("without {key}"), Key::Full(key.to_owned()));
        Ok(Self { text, key, change: Change::Removed })
    }

    /// As it was typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The key it changes in a model of this architecture.
    pub fn key(&self, architecture: &str) -> String {
        match &self.key {
            Key::Full(key) => key.clone(),
            Key::Usual(usual) => usual.key(architecture),
        }
    }

    pub(super) fn refuse(&self, problem: impl AsRef<str>) -> EditError {
        refuse(&self.text, problem.as_ref())
    }

    /// Makes the change, without a look at what else it means to the model.
    pub(super) fn apply(&self, model: &mut Model) -> Result<(), EditError> {
        let key = self.key(&model.hparams.architecture);
        let place = model.metadata.iter().position(|(known, _)| *known == key);
        let value = match (&self.change, place) {
            (Change::Removed, Some(_)) if is_needed(&key, &model.hparams.architecture) => {
                return Err(self.refuse("names a key that no program can do without"));
            }
            (Change::Removed, Some(place)) => {
                model.metadata.remove(place);
                return Ok(());
            }
            (Change::Removed, None) => {
                return Err(self.refuse("names a key that the model does not have; tuck inspect --metadata lists them"));
            }
            (Change::Token(token), _) => Value::U32(self.token_id(token, model)?),
            (Change::Value(value), _) => value.clone(),
        };
        let value = self.typed_as(value, place.map(|place| &model.metadata[place].1))?;
        self.check(&key, &value, model)?;
        match place {
            Some(place) => model.metadata[place].1 = value,
            None => model.metadata.push((key, value)),
        }
        Ok(())
    }

    /// The id of a token that was given by its id or its text. A number is always an id.
    fn token_id(&self, token: &str, model: &Model) -> Result<u32, EditError> {
        if let Ok(id) = token.trim().parse() {
            return Ok(id);
        }
        let texts = model.tokens();
        let id = texts.iter().position(|text| text.as_str() == Some(token)).and_then(|id| u32::try_from(id).ok());
        id.ok_or_else(|| {
            self.refuse(format!("names no token: none of the {} in the vocabulary has this text", texts.len()))
        })
    }

    /// The value in the type that the key has in the model, for llama.cpp refuses another; a new key is stored as given.
    fn typed_as(&self, value: Value, old: Option<&Value>) -> Result<Value, EditError> {
        let Some(kind) = old.map(Value::value_type).filter(|kind| *kind != value.value_type()) else {
            return Ok(value);
        };
        let fitting = match value {
            Value::U32(n) => whole_number(n, kind),
            Value::F32(v) if kind == ValueType::F64 => Some(Value::F64(f64::from(v))),
            _ => None,
        };
        fitting.ok_or_else(|| {
            self.refuse(format!("does not fit what the key holds in this model, which is of the type {}", kind.name()))
        })
    }

    fn check(&self, key: &str, value: &Value, model: &Model) -> Result<(), EditError> {
        let is_token = key.starts_with("tokenizer.ggml.") && key.ends_with("_token_id");
        let tokens = model.tokens().len();
        if is_token && tokens > 0 && value.as_u64().is_none_or(|id| id >= tokens as u64) {
            return Err(
                self.refuse(format!("names the token {value}, and the vocabulary has {tokens}, counted from 0"))
            );
        }
        let limit = if key.starts_with("tokenizer.chat_template") { MAX_SOURCE } else { MAX_TEXT };
        match value.as_str() {
            Some(text) if text.len() > limit => {
                Err(self.refuse(format!("has {} bytes of text, and {limit} are the most", text.len())))
            }
            Some(text) if text.contains('\0') => {
                Err(self.refuse("has a zero character, at which programs stop reading"))
            }
            _ => Ok(()),
        }
    }
}

fn refuse(text: &str, problem: &str) -> EditError {
    EditError::Setting { text: text.to_owned(), problem: problem.to_owned() }
}

fn check_key(text: &str, key: &str) -> Result<(), EditError> {
    if key.is_empty() || key.len() > MAX_KEY || key.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(refuse(text, "has no valid key before its '='; tuck inspect --metadata lists the keys of a model"));
    }
    if OWN_KEYS.contains(&key) {
        return Err(refuse(
            text,
            "names a key that describes the file itself, so it follows from the model and the type",
        ));
    }
    Ok(())
}

/// A model is no model without its hyper-parameters and vocabulary; how its context is stretched can be left out.
fn is_needed(key: &str, architecture: &str) -> bool {
    let of = |prefix: &str| key.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('.'));
    of("tokenizer.ggml").is_some_and(|key| VOCABULARY_KEYS.contains(&key))
        || of(architecture).is_some_and(|key| !key.starts_with("rope.scaling."))
}

/// `n` as an integer of another width, where it fits.
fn whole_number(n: u32, kind: ValueType) -> Option<Value> {
    match kind {
        ValueType::U8 => n.try_into().ok().map(Value::U8),
        ValueType::I8 => n.try_into().ok().map(Value::I8),
        ValueType::U16 => n.try_into().ok().map(Value::U16),
        ValueType::I16 => n.try_into().ok().map(Value::I16),
        ValueType::I32 => n.try_into().ok().map(Value::I32),
        ValueType::U64 => Some(Value::U64(n.into())),
        ValueType::I64 => Some(Value::I64(n.into())),
        _ => None,
    }
}
