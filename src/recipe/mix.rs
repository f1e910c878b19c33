//! A format for each tensor by name, and the file that holds it.

use super::cut::CutForm;
use super::{AdapterSize, Level, Plan, Recipe, RecipeError, preset_from_name};
use crate::arch::Tensor;
use crate::imatrix::Identity;
use crate::model::Model;
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
/// The highest rank that can be asked for.
const HIGHEST_RANK: u64 = 512;
const HEADING: &str = "# A recipe of Tuck: tuck pack MODEL --recipe THIS.toml\n";

/// Which tensor gets which format, and what that rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Mix {
    /// By GGUF name. What is not here gets what the preset gives it.
    pub formats: BTreeMap<String, FormatRef>,
    /// How it was made.
    pub level: Level,
    /// What the statistics are of; none where formats are those of a type, which needs none.
    pub identity: Option<Identity>,
    /// What is made with it.
    pub beside: Beside,
}

/// What a recipe file says beside formats.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Beside {
    /// What goes of the model before, which the statistics are of the rest of.
    pub cut: Option<Cut>,
    /// The size of an adapter that makes good some of what is lost, and the format of its factors.
    pub adapter: Option<(AdapterSize, FormatRef)>,
}

/// A file as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    version: u32,
    /// The preset, which llama.cpp is told.
    r#type: String,
    effort: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    statistics: Option<Statistics>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prune: Option<CutForm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    adapter: Option<AdapterForm>,
    tensors: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Statistics {
    model: String,
    text: String,
}

/// The table `adapter`: one of a rank and a number of bytes.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AdapterForm {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rank: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    r#type: String,
}

impl AdapterForm {
    fn of((size, format): &(AdapterSize, FormatRef)) -> Self {
        let (rank, bytes) = match size {
            AdapterSize::Rank(rank) => (Some(*rank as u64), None),
            AdapterSize::Bytes(bytes) => (None, Some(*bytes)),
        };
        Self { rank, bytes, r#type: format.name.to_owned() }
    }

    fn read(self) -> Result<(AdapterSize, FormatRef), String> {
        let size = match (self.rank, self.bytes) {
            (Some(rank), None) if (1..=HIGHEST_RANK).contains(&rank) => AdapterSize::Rank(rank as usize),
            (None, Some(bytes)) => AdapterSize::Bytes(bytes),
            (rank, bytes) => {
                let number = |number: Option<u64>| number.map_or_else(|| "no".to_owned(), |number| number.to_string());
                return Err(format!(
                    "its adapter has rank {} and {} bytes, and one of them was expected: a rank from 1 to {HIGHEST_RANK}, or a \
                     number of bytes",
                    number(rank),
                    number(bytes)
                ));
            }
        };
        let format = format_from_name(&self.r#type);
        Ok((size, format.ok_or_else(|| format!("its adapter has the type {:?}, which is none", self.r#type))?))
    }
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
    /// The formats that a recipe without a mix gives a model, each by itself: what it says of single tensors is told of them.
    pub fn of(recipe: &Recipe, model: &Model, level: Level) -> Result<Self, RecipeError> {
        let plan = Plan::new(model, recipe)?;
        let plain = Recipe::new(recipe.preset);
        let changed = model.tensors.iter().zip(&plan.tensors).filter(|(tensor, _)| plain.may_change(tensor));
        let formats = changed.map(|(tensor, planned)| (tensor.name.clone(), planned.format)).collect();
        Ok(Self { formats, level, identity: None, beside: Beside::default() })
    }

    /// The text of a file that says the same.
    pub fn write(recipe: &Recipe, mix: &Self) -> String {
        let form = Form {
            version: VERSION,
            r#type: recipe.preset.name.to_owned(),
            effort: mix.level.name().to_owned(),
            statistics: mix
                .identity
                .as_ref()
                .map(|Identity { model, text }| Statistics { model: model.clone(), text: text.clone() }),
            prune: mix.beside.cut.as_ref().map(CutForm::of),
            adapter: mix.beside.adapter.as_ref().map(AdapterForm::of),
            tensors: mix.formats.iter().map(|(name, format)| (name.clone(), format.name.to_owned())).collect(),
        };
        format!("{HEADING}{}", toml::to_string(&form).expect("texts and a number"))
    }

    /// Reads a file: a recipe without importance, which comes from statistics of the [`Identity`] named, if one is.
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
        let identity = form.statistics.map(|Statistics { model, text }| Identity { model, text });
        let cut = form.prune.map(CutForm::read).transpose()?;
        let adapter = form.adapter.map(AdapterForm::read).transpose()?;
        Ok((Recipe::new(preset), Self { formats, level, identity, beside: Beside { cut, adapter } }))
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
    use crate::quant::F16;

    #[test]
    fn a_recipe_is_read_as_it_was_written_and_nonsense_is_refused() {
        let formats = [("blk.0.attn_q.weight", "Q4_K"), ("token_embd.weight", "IQ4_XS")];
        let mix = Mix {
            formats: formats.map(|(name, of)| (name.to_owned(), format_from_name(of).unwrap())).into(),
            level: Level::Balanced,
            identity: Some(Identity { model: "a1".to_owned(), text: "b2".to_owned() }),
            beside: Beside::default(),
        };
        let sparsity = Sparsity { pattern: Pattern::Share(0.5), method: Method::Wanda, scope: Scope::Model };
        let layers = Layers::These(vec![3]);
        let cut = Cut { layers, channels: 0.1, sparsity: Some(sparsity), plain: true, ..Cut::default() };
        let beside = Beside { cut: Some(cut), adapter: Some((AdapterSize::Rank(16), &F16)) };
        let pruned = Mix { beside, identity: None, ..mix.clone() };
        let written = Mix::write(&Recipe::new(preset_from_name("Q4_K_M").unwrap()), &pruned);
        assert_eq!(Mix::parse(&written).unwrap().1, pruned);
        for (from, to, wrong) in [
            ("wanda", "luck", "luck"),
            ("rank = 16", "rank = 513", "rank 513"),
            ("type = \"F16\"", "type = \"F9\"", "F9"),
        ] {
            let problem = Mix::parse(&written.replace(from, to)).unwrap_err();
            assert!(problem.contains(wrong), "{problem}");
        }
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
