//! LoRA adapters as PEFT writes them: a folder with `adapter_config.json` and `adapter_model.safetensors`.

use super::huggingface::{INDEX, SINGLE, read_json};
use super::{Documents, OpenError, PICKLE, SourceFile, StoredTensor, refuse_duplicates, safetensors};
use regex::Regex;
use serde_json::Value as Json;
use std::path::{Path, PathBuf};

const SETTINGS: &str = "adapter_config.json";
const WEIGHTS: &str = "adapter_model.safetensors";

/// No rank or alpha is larger; a larger one is a damaged or hostile file.
const MAX_RANK: f64 = (1u64 << 31) as f64;

/// An opened adapter. Its weights are still in its file.
#[derive(Clone, Debug)]
pub struct Adapter {
    /// Its folder.
    pub path: PathBuf,
    /// Its weights.
    pub file: SourceFile,
    /// What is in there, named as it is stored.
    pub tensors: Vec<StoredTensor>,
    /// What its weights mean.
    pub settings: LoraSettings,
}

/// What the weights of an adapter mean.
#[derive(Clone, Debug)]
pub struct LoraSettings {
    /// The model it was made for: a repository's id or a path; none where it does not say.
    pub base: Option<String>,
    /// Columns of B where no pattern says otherwise.
    pub rank: f64,
    /// What the product of B and A is multiplied by, times the rank.
    pub alpha: f64,
    /// Whether it is divided by the square root of the rank instead of the rank.
    pub rank_stabilized: bool,
    /// Whether the layers store columns first, as GPT-2 does.
    pub transposed: bool,
    /// Ranks of some modules.
    ranks: Vec<(Regex, f64)>,
    /// Alphas of some modules.
    alphas: Vec<(Regex, f64)>,
    /// Tokens after which alone it works (activated LoRA).
    pub invocation: Vec<u32>,
    /// How A and B were begun, where that changed the base model too: `pissa`, `olora`...
    pub changed_base: Option<String>,
}

impl Adapter {
    /// Whether a folder is one.
    pub fn is_at(folder: &Path) -> bool {
        folder.join(SETTINGS).is_file()
    }

    /// The folder of the adapter that a path means: the folder, or one of the two files that make it one. None where it
    /// holds a model besides, or is something else.
    pub fn folder_of(path: &Path) -> Option<&Path> {
        let is_part = path.file_name().is_some_and(|name| name == SETTINGS || name == WEIGHTS);
        let folder = if is_part { path.parent()? } else { path };
        let is_model = [SINGLE, INDEX].iter().any(|name| folder.join(name).is_file());
        (Self::is_at(folder) && (is_part || !is_model)).then_some(folder)
    }

    /// Opens a folder, reading headers and documents only. Its file is to have the place `index` in a list of files.
    pub fn open(folder: &Path, index: usize) -> Result<Self, OpenError> {
        let path = folder.join(SETTINGS);
        if !path.is_file() {
            return Err(OpenError::new(
                folder,
                format!("there is no {SETTINGS} in it; choose the folder of a LoRA adapter, as PEFT saves it"),
            ));
        }
        let settings = LoraSettings::read(&read_json(&path)?, &path)?;
        let weights = folder.join(WEIGHTS);
        if !weights.is_file() {
            let pickle = folder.join("adapter_model.bin");
            return Err(match pickle.is_file() {
                true => OpenError::new(pickle, PICKLE),
                false => OpenError::new(weights, "it is not there; download it into the folder of the adapter"),
            });
        }
        let file = SourceFile::open(&weights)?;
        let mut tensors = safetensors::read_header(&file, 0)?;
        refuse_duplicates(std::slice::from_ref(&file), &tensors)?;
        tensors.iter_mut().for_each(|tensor| tensor.file = index);
        Ok(Self { path: folder.to_owned(), file, tensors, settings })
    }

    /// The documents beside the weights.
    pub fn documents(&self) -> Result<Documents, OpenError> {
        Documents::read(&self.path)
    }

    /// A refusal of its settings.
    pub fn refuse(&self, problem: impl Into<String>) -> OpenError {
        OpenError::new(self.path.join(SETTINGS), problem)
    }

    /// A refusal of a tensor of its.
    pub fn wrong(&self, tensor: &StoredTensor, problem: &str) -> OpenError {
        OpenError::new(&self.file.path, format!("the tensor {} {problem}", tensor.name))
    }

    /// Modules that it changes by a product of A and B.
    pub fn modules(&self) -> usize {
        self.tensors.iter().filter(|t| t.name.contains(".lora_A.") || t.name.ends_with(".lora_embedding_A")).count()
    }

    /// Its name, for people.
    pub fn name(&self) -> String {
        let resolved = self.path.canonicalize().unwrap_or_else(|_| self.path.clone());
        resolved.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// What it is, in a sentence without an end.
    pub fn describe(&self) -> String {
        let LoraSettings { rank, alpha, base, .. } = &self.settings;
        let base = base.as_deref().unwrap_or("a model that it does not name");
        format!("a LoRA adapter of rank {rank}, alpha {alpha}, for {} modules of {base}", self.modules())
    }
}

impl LoraSettings {
    fn read(json: &Json, path: &Path) -> Result<Self, OpenError> {
        let refuse = |problem: String| OpenError::new(path, problem);
        let kind = json["peft_type"].as_str().unwrap_or("not given");
        if kind != "LORA" {
            return Err(refuse(format!("its peft_type is {kind}, and this version of Tuck reads LORA")));
        }
        // What PEFT computes in other ways than by adding a product of two matrices.
        for key in ["layer_replication", "use_qalora", "trainable_token_indices", "target_parameters", "arrow_config"] {
            let value = &json[key];
            if !(value.is_null() || *value == Json::Bool(false) || value.as_array().is_some_and(Vec::is_empty)) {
                return Err(refuse(format!(
                    "its {key} is {value}, which this version of Tuck does not read; merge it with PEFT and open the result"
                )));
            }
        }
        let number = |key: &str, value: &Json| match value.as_f64() {
            Some(n) if n.is_finite() && n.abs() <= MAX_RANK => Ok(n),
            _ => Err(refuse(format!("its {key} is {value}; a number up to {MAX_RANK} was expected"))),
        };
        let positive = |key: &str, value: &Json| match number(key, value)? {
            n if n >= 1.0 => Ok(n),
            n => Err(refuse(format!("its {key} is {n}; a rank is 1 or more"))),
        };
        let patterns =
            |key: &'static str, of: &dyn Fn(&str, &Json) -> Result<f64, OpenError>| -> Result<Vec<_>, OpenError> {
                let entries = json[key].as_object().into_iter().flatten();
                entries.map(|(pattern, value)| Ok((module_pattern(pattern, key, path)?, of(key, value)?))).collect()
            };
        let initial = json["init_lora_weights"].as_str().filter(|text| {
            ["pissa", "olora", "corda", "loftq"].iter().any(|known| text.to_lowercase().starts_with(known))
        });
        let tokens = json["alora_invocation_tokens"].as_array().into_iter().flatten();
        Ok(Self {
            base: json["base_model_name_or_path"].as_str().filter(|name| !name.is_empty()).map(str::to_owned),
            rank: positive("r", &json["r"])?,
            alpha: number("lora_alpha", &json["lora_alpha"])?,
            rank_stabilized: json["use_rslora"].as_bool().unwrap_or(false),
            transposed: json["fan_in_fan_out"].as_bool().unwrap_or(false),
            ranks: patterns("rank_pattern", &positive)?,
            alphas: patterns("alpha_pattern", &number)?,
            invocation: tokens.filter_map(|token| token.as_u64()?.try_into().ok()).collect(),
            changed_base: initial.map(str::to_owned),
        })
    }

    /// The rank of a module.
    pub fn rank(&self, module: &str) -> f64 {
        first(&self.ranks, module).unwrap_or(self.rank)
    }

    /// What the product of a module's B and A is multiplied by.
    pub fn scale(&self, module: &str) -> f64 {
        let (rank, alpha) = (self.rank(module), first(&self.alphas, module).unwrap_or(self.alpha));
        alpha / if self.rank_stabilized { rank.sqrt() } else { rank }
    }
}

/// The end of a module's name, or all of it after `^`, as PEFT takes the keys of its patterns.
fn module_pattern(pattern: &str, key: &str, path: &Path) -> Result<Regex, OpenError> {
    let whole = match pattern.strip_prefix('^') {
        Some(rest) => format!("^(?:{rest})$"),
        None => format!(r"^(?:.*\.)?(?:{pattern})$"),
    };
    Regex::new(&whole).map_err(|_| {
        OpenError::new(
            path,
            format!("its {key} has the key {pattern:?}, which is no regular expression that can be read"),
        )
    })
}

fn first(patterns: &[(Regex, f64)], module: &str) -> Option<f64> {
    patterns.iter().find(|(pattern, _)| pattern.is_match(module)).map(|(_, value)| *value)
}
