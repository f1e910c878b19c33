//! Tiny models of every family, from the cards in `tests/data/families`.

use serde_json::Value as Json;
use std::path::{Path, PathBuf};

/// A tiny model.
pub struct Card {
    /// Of the card and of the folder.
    pub name: String,
    /// Its Hugging Face folder.
    pub folder: PathBuf,
    json: Json,
}

/// Makes all of them that are whole models in `folder`.
pub fn make(folder: &Path) -> Vec<Card> {
    let made = super::peer("family_models.py", &[folder.join("models").to_str().unwrap()]);
    let card = |line: &str| {
        let folder = PathBuf::from(line);
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let json = super::vocab::json(&data().join(format!("{name}.json")));
        Card { name, folder, json }
    };
    let cards: Vec<Card> = made.lines().map(card).filter(|card| card.json["base"].is_null()).collect();
    assert!(cards.len() > 40, "family_models.py made {} models", cards.len());
    cards
}

fn data() -> PathBuf {
    super::root().join("tests/data/families")
}

impl Card {
    /// What llama.cpp's converter makes of it, by output type.
    pub fn references(&self) -> Json {
        super::vocab::json(&data().join(format!("{}.reference.json", self.name)))
    }

    /// The stored precision.
    pub fn dtype(&self) -> &str {
        self.json["dtype"].as_str().unwrap()
    }

    /// Whether llama.cpp can run it, and whether it embeds texts instead of writing them.
    pub fn runs(&self) -> bool {
        self.json["not_run"].is_null()
    }

    pub fn embeds(&self) -> bool {
        self.json["embeds"] == true
    }
}
