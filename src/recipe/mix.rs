//! A format for each tensor by name, and the file that holds it.

use super::cut::CutForm;
use super::{Level, Recipe, RecipeError, preset_from_name};
use crate::arch::Tensor;
use crate::imatrix::Identity;
use crate::prune::Cut;
use crate::quant::{FormatRef, format_from_name};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use std::io::Read;
use std::path::{Path, PathBuf};

/// What a recipe with a mix is called.
pub const MIX: &str = "MIX";
/// The form of files.
const VERSION: u32 = 1;
/// A file is no longer; a line of it is a tensor.
const LONGEST: u64 = 16 << 20;
const HEADING: &str = "# A recipe of Tuck: tuck pack MODEL --recipe THIS.toml\n";

/// Which tensor gets which format, and what that rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Mix {
    /// By GGUF name. What is not here gets what the preset gives it.
    pub formats: BTreeMap<String, FormatRef>,
    /// How it was made.
    pub level: Level,
    /// What the statistics are of.
    pub identity: Identity,
    /// What went of the model before, which the statistics are of the rest of.
    pub cut: Option<Cut>,
}

/// A file as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    version: u32,
    /// The preset, which llama.cpp is told.
    r#type: String,
    effort: String,
    statistics: Statistics,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prune: Option<CutForm>,
    tensors: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Statistics {
    model: String,
    text: String,
}

/// Why a recipe file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct MixError {
    /// The file.
    pub path: PathBuf,
    /// What was found, what was expected, and what to do.
    pub problem: String,
}

impl Mix {
    /// The text of a file that says the same.
    pub fn write(recipe: &Recipe, mix: &Self) -> String {
        let form = Form {
            version: VERSION,
            r#type: recipe.preset.name.to_owned(),
            effort: mix.level.name().to_owned(),
            statistics: Statistics { model: mix.identity.model.clone(), text: mix.identity.text.clone() },
            prune: mix.cut.as_ref().map(CutForm::of),
            tensors: mix.formats.iter().map(|(name, format)| (name.clone(), format.name.to_owned())).collect(),
        };
        format!("{HEADING}{}", toml::to_string(&form).expect("texts and a number"))
    }

    /// Reads a file: a recipe without importance, which comes from statistics of the [`Identity`] named.
    pub fn open(path: &Path) -> Result<(Recipe, Self), MixError> {
        let refuse = |problem: String| MixError { path: path.to_owned(), problem };
        let file = std::fs::File::open(path).map_err(|error| refuse(format!("it could not be read: {error}")))?;
        let mut text = String::new();
        let read = file.take(LONGEST + 1).read_to_string(&mut text);
        read.map_err(|error| refuse(format!("it could not be read: {error}")))?;
        if text.len() as u64 > LONGEST {
            return Err(refuse(format!("it is longer than {LONGEST} bytes, and no recipe is")));
        }
        Self::parse(&text).map_err(refuse)
    }

    fn parse(text: &str) -> Result<(Recipe, Self), String> {
        let form: Form = toml::from_str(text).map_err(|error| {
            format!(
                "it is no recipe that tuck pack --recipe-out wrote: {}",
                error.to_string().trim().replace('\n', " ")
            )
        })?;
        if form.version != VERSION {
            return Err(format!("it is of version {}, and this version of Tuck reads {VERSION}", form.version));
        }
        let preset = preset_from_name(&form.r#type).ok_or_else(|| format!("there is no type {:?}", form.r#type))?;
        let level = Level::ALL.iter().find(|level| level.name() == form.effort);
        let level = *level.ok_or_else(|| format!("there is no effort {:?}", form.effort))?;
        let format = |(name, format): (String, String)| match format_from_name(&format) {
            Some(found) => Ok((name, found)),
            None => Err(format!("the tensor {name} has the type {format:?}, which is none")),
        };
        let formats = form.tensors.into_iter().map(format).collect::<Result<_, _>>()?;
        let Statistics { model, text } = form.statistics;
        let cut = form.prune.map(CutForm::read).transpose()?;
        Ok((Recipe::new(preset), Self { formats, level, identity: Identity { model, text }, cut }))
    }

    /// Refuses a mix that names a tensor which the model does not have, or which no recipe changes.
    pub(super) fn check(&self, recipe: &Recipe, tensors: &[Tensor]) -> Result<(), RecipeError> {
        let changed = tensors.iter().filter(|tensor| recipe.may_change(tensor));
        let known: HashSet<&str> = changed.map(|tensor| tensor.name.as_str()).collect();
        match self.formats.keys().find(|name| !known.contains(name.as_str())) {
            None => Ok(()),
            Some(name) => Err(RecipeError::Mix { tensor: name.clone() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prune::{Layers, Method, Pattern, Scope, Sparsity};

    #[test]
    fn a_recipe_is_read_as_it_was_written_and_nonsense_is_refused() {
        let formats = [("blk.0.attn_q.weight", "Q4_K"), ("token_embd.weight", "IQ4_XS")];
        let mix = Mix {
            formats: formats.map(|(name, of)| (name.to_owned(), format_from_name(of).unwrap())).into(),
            level: Level::Balanced,
            identity: Identity { model: "a1".to_owned(), text: "b2".to_owned() },
            cut: None,
        };
        let sparsity = Sparsity { pattern: Pattern::Share(0.5), method: Method::Wanda, scope: Scope::Model };
        let layers = Layers::These(vec![3]);
        let cut = Cut { layers, channels: 0.1, sparsity: Some(sparsity), plain: true, ..Cut::default() };
        let pruned = Mix { cut: Some(cut), ..mix.clone() };
        let written = Mix::write(&Recipe::new(preset_from_name("Q4_K_M").unwrap()), &pruned);
        assert_eq!(Mix::parse(&written).unwrap().1, pruned);
        assert!(Mix::parse(&written.replace("wanda", "luck")).unwrap_err().contains("luck"));
        let recipe = Recipe::new(preset_from_name("Q4_K_M").unwrap());
        let text = Mix::write(&recipe, &mix);
        let (read, again) = Mix::parse(&text).unwrap();
        assert_eq!((read.preset.name, &again), ("Q4_K_M", &mix));
        for (from, to, wrong) in [
            ("version = 1", "version = 2", "version 2"),
            ("Q4_K_M", "Q9", "Q9"),
            ("balanced", "heroic", "heroic"),
            ("IQ4_XS", "IQ9", "IQ9"),
            ("[statistics]", "[other]", "no recipe"),
            ("effort", "power", "no recipe"),
        ] {
            let problem = Mix::parse(&text.replace(from, to)).unwrap_err();
            assert!(problem.contains(wrong), "{problem}");
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long.toml");
        std::fs::write(&path, vec![b'#'; LONGEST as usize + 1]).unwrap();
        assert!(Mix::open(&path).unwrap_err().to_string().contains("longer"));
        assert!(Mix::open(folder.path()).is_err());
    }
}
