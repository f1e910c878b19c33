//! The settings of a Hugging Face checkpoint: `config.json`, with what transformers fills in.

use super::keys::{HEADS, HIDDEN};
use super::{ARCHS, Arch, Class, supported};
use crate::checkpoint::{Documents, OpenError};
use serde_json::{Map, Value as Json};
use std::path::{Path, PathBuf};

/// No setting of a model is larger; a larger one is a damaged or hostile file.
pub(super) const MAX_SETTING: u64 = 1 << 31;

/// No model has more layers.
const MAX_LAYERS: u64 = 1 << 16;

/// What transformers' configuration class takes for a setting that `config.json` leaves out.
#[derive(Clone, Copy, Debug)]
pub enum Fill {
    /// A whole number.
    Whole(u64),
    /// A number.
    Real(f64),
    /// Another setting's value, also for a null.
    Same(&'static str),
    /// One setting by another, also for a null.
    Quotient(&'static str, &'static str),
    /// Anything else, as JSON.
    Json(&'static str),
}

/// Where a multimodal checkpoint keeps the settings of its language model.
const NESTED: &[&str] = &["text_config", "llm_config", "language_config"];

/// The settings of a checkpoint. Refusals name its `config.json`.
pub struct Config<'a> {
    /// The documents it is part of.
    pub documents: &'a Documents,
    path: PathBuf,
    settings: Map<String, Json>,
}

impl<'a> Config<'a> {
    /// Finds the family of a checkpoint and fills in its defaults.
    pub fn read(documents: &'a Documents) -> Result<(&'static Arch, Self), OpenError> {
        let mut settings = documents.config.as_object().cloned().unwrap_or_default();
        let nested = NESTED.iter().find_map(|key| documents.config[*key].as_object());
        settings.extend(nested.cloned().unwrap_or_default());
        let mut config = Self { documents, path: documents.folder.join("config.json"), settings };
        let (arch, class) = config.family()?;
        class.defaults.iter().for_each(|(key, fill)| config.fill(key, *fill));
        Ok((arch, config))
    }

    fn family(&self) -> Result<(&'static Arch, &'static Class), OpenError> {
        let named: Vec<&str> =
            self["architectures"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
        let classes = ARCHS.iter().flat_map(|arch| arch.classes.iter().map(move |class| (*arch, class)));
        let known = |(_, class): &(_, &Class)| {
            class.architectures.iter().any(|name| named.contains(name))
                && class.needs.is_none_or(|setting| self[setting].as_u64().is_some_and(|n| n > 0))
        };
        classes.into_iter().find(known).ok_or_else(|| {
            let model_type = self["model_type"].as_str().unwrap_or("not given");
            self.refuse(format!(
                "its architectures are {named:?} (model_type {model_type}), a family that this version of Tuck does not know; it \
                 knows {}",
                supported()
            ))
        })
    }

    fn fill(&mut self, key: &str, fill: Fill) {
        let absent = !self.settings.contains_key(key);
        let missing = self[key].is_null();
        let value = match fill {
            Fill::Whole(n) if absent => n.into(),
            Fill::Real(x) if absent => x.into(),
            Fill::Json(text) if absent => serde_json::from_str(text).unwrap_or_default(),
            Fill::Same(other) if missing => self[other].clone(),
            Fill::Quotient(a, b) if missing => match (self[a].as_u64(), self[b].as_u64()) {
                (Some(a), Some(b)) if b > 0 && a % b == 0 => (a / b).into(),
                _ => Json::Null,
            },
            _ => return,
        };
        self.settings.insert(key.to_owned(), value);
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A refusal that names the file.
    pub fn refuse(&self, problem: String) -> OpenError {
        OpenError::new(&self.path, problem)
    }

    /// The first of these settings that is there, and not null, with its name.
    fn find(&self, keys: &[&'static str]) -> Option<(&'static str, &Json)> {
        keys.iter().map(|key| (*key, &self[key])).find(|(_, value)| !value.is_null())
    }

    fn whole(&self, keys: &[&'static str], least: u64) -> Result<Option<u64>, OpenError> {
        let Some((key, value)) = self.find(keys) else { return Ok(None) };
        match value.as_u64() {
            Some(n) if (least..=MAX_SETTING).contains(&n) => Ok(Some(n)),
            _ => {
                Err(self
                    .refuse(format!("its {key} is {value}; a whole number from {least} to {MAX_SETTING} was expected")))
            }
        }
    }

    /// A size: a whole number from 1 up, under the first of these keys that is there.
    pub fn size(&self, keys: &[&'static str]) -> Result<Option<u64>, OpenError> {
        self.whole(keys, 1)
    }

    /// A size that has to be there.
    pub fn required(&self, keys: &[&'static str]) -> Result<u64, OpenError> {
        self.size(keys)?.ok_or_else(|| self.missing(keys[0]))
    }

    /// A whole number, which may be 0.
    pub fn count(&self, key: &'static str) -> Result<Option<u64>, OpenError> {
        self.whole(&[key], 0)
    }

    /// The same without a setting.
    pub fn without(&self, key: &str) -> Self {
        let mut settings = self.settings.clone();
        settings.remove(key);
        Self { documents: self.documents, path: self.path.clone(), settings }
    }

    /// The number of layers.
    pub fn layers(&self) -> Result<u64, OpenError> {
        self.required(&["num_hidden_layers", "n_layers", "n_layer", "num_layers"])
    }

    /// Which layers have a sliding window: what `layer_types` says, or else `default` of each.
    pub fn windowed_layers(&self, default: impl Fn(u64) -> bool) -> Result<Vec<bool>, OpenError> {
        let layers = self.layers()?;
        match self["layer_types"].as_array() {
            Some(types) if types.len() as u64 == layers => {
                Ok(types.iter().map(|kind| kind == "sliding_attention").collect())
            }
            Some(types) => {
                Err(self.refuse(format!("its layer_types are {}, and the model has {layers} layers", types.len())))
            }
            None => Ok((0..layers.min(MAX_LAYERS)).map(default).collect()),
        }
    }

    /// The size of a head, which is the model's width by its heads where it is not given.
    pub fn head(&self) -> Result<u64, OpenError> {
        match self.size(&["head_dim"])? {
            Some(size) => Ok(size),
            None => Ok(self.required(HIDDEN)? / self.required(HEADS)?),
        }
    }

    /// How much of a head rotates: `part` of it.
    pub fn rotating(&self, part: f64) -> Result<u64, OpenError> {
        Ok((part * (self.required(HIDDEN)? / self.required(HEADS)?) as f64) as u64)
    }

    /// A number.
    pub fn number(&self, keys: &[&'static str]) -> Result<Option<f64>, OpenError> {
        self.find(keys).map(|(key, value)| self.finite(key, value)).transpose()
    }

    /// A number that has to be there.
    pub fn required_number(&self, keys: &[&'static str]) -> Result<f64, OpenError> {
        self.number(keys)?.ok_or_else(|| self.missing(keys[0]))
    }

    /// `value`, which stands under `key`, as a number.
    pub(super) fn finite(&self, key: &str, value: &Json) -> Result<f64, OpenError> {
        match value.as_f64() {
            Some(n) if n.is_finite() => Ok(n),
            _ => Err(self.refuse(format!("its {key} is {value}; a number was expected"))),
        }
    }

    /// Yes or no.
    pub fn flag(&self, key: &str) -> Option<bool> {
        self[key].as_bool()
    }

    /// A text.
    pub fn text(&self, key: &str) -> Option<&str> {
        self[key].as_str()
    }

    pub(super) fn missing(&self, key: &str) -> OpenError {
        self.refuse(format!("it has no {key}, which this family of models needs"))
    }
}

/// A setting, null where it is not there.
impl std::ops::Index<&str> for Config<'_> {
    type Output = Json;

    fn index(&self, key: &str) -> &Json {
        self.settings.get(key).unwrap_or(&Json::Null)
    }
}
