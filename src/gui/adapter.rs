//! A LoRA adapter that was opened: what it is, and what the user wants done with it.

use crate::checkpoint::Adapter;
use crate::model::AdapterChoice;
use std::path::PathBuf;

/// What the dialog holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterForm {
    /// The adapter's folder.
    pub path: PathBuf,
    /// Its name.
    pub name: String,
    /// What it is, in a sentence without an end.
    pub about: String,
    /// The model to merge it into: the opened one, or what the user chose.
    pub base: Option<PathBuf>,
    /// How strongly to merge it, as typed.
    pub scale: String,
}

impl AdapterForm {
    /// Asks about an adapter.
    pub fn new(adapter: &Adapter, base: Option<PathBuf>) -> Self {
        let (path, scale) = (adapter.path.clone(), "1".to_owned());
        Self { path, name: adapter.name(), about: adapter.describe(), base, scale }
    }

    /// What to merge, or why it is not clear.
    pub fn choice(&self) -> Result<AdapterChoice, &'static str> {
        let typed = self.scale.trim().replace(',', ".");
        match typed.parse::<f32>() {
            Ok(scale) if scale.is_finite() => Ok(AdapterChoice { path: self.path.clone(), scale }),
            _ => Err("The scale is a number, such as 1 or 0.5."),
        }
    }
}
