//! Hugging Face folders: weights in one or many safetensors files, and JSON documents beside them.

use super::{
    Adapter, Checkpoint, Contents, OpenError, PICKLE, SourceFile, StoredTensor, coded, refuse_duplicates, safetensors,
};
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

/// A document larger than this is not read: the largest tokenizer.json known has 33 MB.
const MAX_DOCUMENT: u64 = 256 << 20;

/// The documents of a folder. Those that are not there are null or absent.
#[derive(Clone, Debug, Default)]
pub struct Documents {
    /// The folder they lie in.
    pub folder: PathBuf,
    /// `config.json`, an object where there is a model.
    pub config: Json,
    /// `tokenizer.json`.
    pub tokenizer: Json,
    /// `tokenizer_config.json`.
    pub tokenizer_config: Json,
    /// `generation_config.json`.
    pub generation_config: Json,
    /// `special_tokens_map.json`.
    pub special_tokens_map: Json,
    /// How sentence-transformers makes one vector of many, of an embedder: the `config.json` of its pooling module.
    pub pooling: Json,
    /// `README.md`, as text.
    pub readme: Option<String>,
    /// `chat_template.jinja`, as text.
    pub chat_template: Option<String>,
    /// `chat_template.json`.
    pub chat_template_json: Json,
    /// `additional_chat_templates/NAME.jinja`, beside a `chat_template.jinja`: names and texts, by name.
    pub additional_chat_templates: Vec<(String, String)>,
    /// `vocab.json`, which with `merges.txt` stands in older folders for `tokenizer.json`.
    pub vocab: Json,
    /// `merges.txt`, as text.
    pub merges: Option<String>,
    /// `added_tokens.json`.
    pub added_tokens: Json,
    /// The [`SENTENCEPIECE_FILES`] that are there: names and bytes.
    pub sentencepiece: Vec<(&'static str, Vec<u8>)>,
}

/// What a SentencePiece model is called: usually, by T5, and by XLM-RoBERTa.
pub const SENTENCEPIECE_FILES: [&str; 3] = ["tokenizer.model", "spiece.model", "sentencepiece.bpe.model"];

/// Weights in one file, and the list of the files that they are in where there are several.
pub(super) const SINGLE: &str = "model.safetensors";
pub(super) const INDEX: &str = "model.safetensors.index.json";

/// A model has no more templates than this.
const MAX_TEMPLATES: usize = 100;

/// Opens a folder with a `config.json`.
pub(super) fn open_folder(folder: &Path) -> Result<Checkpoint, OpenError> {
    let (single, index) = (folder.join(SINGLE), folder.join(INDEX));
    if Adapter::folder_of(folder).is_some() {
        let problem = format!(
            "this is {}, and no model by itself; open that model with it (--lora), or make a GGUF adapter of it (tuck adapter)",
            Adapter::open(folder, 0)?.describe()
        );
        return Err(OpenError::new(folder, problem));
    }
    if !folder.join("config.json").is_file() {
        return Err(OpenError::new(
            folder,
            "there is no config.json in this folder; choose the folder of a Hugging Face model, the one that holds \
             config.json and the .safetensors files",
        ));
    }
    let paths = if index.is_file() {
        shards(&index, folder)?
    } else if single.is_file() {
        vec![single]
    } else {
        unlisted(folder)?
    };
    let checkpoint = open_files(folder, folder, &paths)?;
    if index.is_file() {
        check_index(&index, &checkpoint)?;
    }
    assembled(checkpoint)
}

/// Weights in files that no index lists: those called `model`-something.
fn unlisted(folder: &Path) -> Result<Vec<PathBuf>, OpenError> {
    let listed = std::fs::read_dir(folder).map_err(|error| OpenError::io(folder, &error))?;
    let names = listed.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|n| n.starts_with("model") && n.ends_with(".safetensors")).collect();
    names.sort();
    match names.is_empty() {
        true => Err(no_weights(folder)),
        false => Ok(names.iter().map(|name| folder.join(name)).collect()),
    }
}

/// Opens one safetensors file and the documents beside it.
pub(super) fn open_single(path: &Path) -> Result<Checkpoint, OpenError> {
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    if !folder.join("config.json").is_file() {
        return Err(OpenError::new(
            path,
            "there is no config.json beside it, and without one nobody can tell what model this is; put the model's \
             config.json and tokenizer files into the same folder",
        ));
    }
    assembled(open_files(path, folder, &[path.to_owned()])?)
}

/// With the pieces of quantized weights put together.
fn assembled(mut checkpoint: Checkpoint) -> Result<Checkpoint, OpenError> {
    if let Contents::HuggingFace(documents) = &checkpoint.contents {
        let path = documents.folder.join("config.json");
        checkpoint.tensors = coded::assemble(&checkpoint.files, checkpoint.tensors, &documents.config, &path)?;
    }
    Ok(checkpoint)
}

fn open_files(named: &Path, folder: &Path, paths: &[PathBuf]) -> Result<Checkpoint, OpenError> {
    let documents = Documents::read(folder)?;
    if !documents.config.is_object() {
        return Err(OpenError::new(folder.join("config.json"), "it holds no JSON object; download it again"));
    }
    if !documents.config.is_object() {
        return Err(OpenError::new(folder.join("config.json"), "it holds no JSON object; download it again"));
    }
    let mut files = Vec::with_capacity(paths.len());
    let mut tensors: Vec<StoredTensor> = Vec::new();
    for path in paths {
        let file = SourceFile::open(path)?;
        tensors.extend(safetensors::read_header(&file, files.len())?);
        files.push(file);
    }
    refuse_duplicates(&files, &tensors)?;
    if tensors.is_empty() {
        return Err(OpenError::new(named, "there is not one tensor in it; download it again"));
    }
    Ok(Checkpoint { path: named.to_owned(), files, tensors, contents: Contents::HuggingFace(Box::new(documents)) })
}

fn no_weights(folder: &Path) -> OpenError {
    let pickle = ["pytorch_model.bin", "pytorch_model.bin.index.json", "model.pt", "consolidated.00.pth"]
        .into_iter()
        .map(|name| folder.join(name))
        .find(|path| path.is_file());
    match pickle {
        Some(path) => OpenError::new(path, PICKLE),
        None => OpenError::new(
            folder,
            "there is neither model.safetensors nor model.safetensors.index.json in this folder; download the model's \
             safetensors files into it",
        ),
    }
}

impl Documents {
    /// Reads those that a folder has, without any weights.
    pub fn read(folder: &Path) -> Result<Self, OpenError> {
        let config = read_json(&folder.join("config.json"))?;
        let chat_template = read_text(&folder.join("chat_template.jinja"))?;
        let additional = folder.join("additional_chat_templates");
        let additional_chat_templates =
            if chat_template.is_some() && additional.is_dir() { read_templates(&additional)? } else { Vec::new() };
        Ok(Self {
            folder: folder.to_owned(),
            config,
            tokenizer: read_json(&folder.join("tokenizer.json"))?,
            tokenizer_config: read_json(&folder.join("tokenizer_config.json"))?,
            generation_config: read_json(&folder.join("generation_config.json"))?,
            special_tokens_map: read_json(&folder.join("special_tokens_map.json"))?,
            pooling: read_pooling(folder)?,
            readme: read_text(&folder.join("README.md"))?,
            chat_template,
            chat_template_json: read_json(&folder.join("chat_template.json"))?,
            additional_chat_templates,
            vocab: read_json(&folder.join("vocab.json"))?,
            merges: read_text(&folder.join("merges.txt"))?,
            added_tokens: read_json(&folder.join("added_tokens.json"))?,
            sentencepiece: read_sentencepiece(folder)?,
        })
    }
}

fn read_sentencepiece(folder: &Path) -> Result<Vec<(&'static str, Vec<u8>)>, OpenError> {
    let read = |name| Ok(read_bytes(&folder.join(name))?.map(|bytes| (name, bytes)));
    SENTENCEPIECE_FILES.into_iter().filter_map(|name| read(name).transpose()).collect()
}

fn read_templates(folder: &Path) -> Result<Vec<(String, String)>, OpenError> {
    let listed = std::fs::read_dir(folder).map_err(|error| OpenError::io(folder, &error))?;
    let paths = listed.filter_map(|entry| Some(entry.ok()?.path()));
    let mut templates: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|e| e == "jinja")).collect();
    templates.sort();
    if templates.len() > MAX_TEMPLATES {
        return Err(OpenError::new(
            folder,
            format!("it holds {} templates; more than {MAX_TEMPLATES} are not read", templates.len()),
        ));
    }
    let mut named = Vec::with_capacity(templates.len());
    for path in templates {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        named.extend(read_text(&path)?.map(|text| (name, text)));
    }
    Ok(named)
}

/// The settings of the module that `modules.json` lists as the one that pools.
fn read_pooling(folder: &Path) -> Result<Json, OpenError> {
    let modules = read_json(&folder.join("modules.json"))?;
    let pools = |module: &&Json| module["type"].as_str().is_some_and(|kind| kind.ends_with("Pooling"));
    match modules.as_array().into_iter().flatten().find(pools).and_then(|module| module["path"].as_str()) {
        Some(path) if is_plain(path) => read_json(&folder.join(path).join("config.json")),
        Some(path) => Err(OpenError::new(
            folder.join("modules.json"),
            format!("it puts a module into {path:?}, which is not a folder in this folder; refused"),
        )),
        None => Ok(Json::Null),
    }
}

/// Whether a name leads nowhere but into the folder it is looked up in.
fn is_plain(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None))
}

/// The text of a document, or nothing where there is no such file.
fn read_text(path: &Path) -> Result<Option<String>, OpenError> {
    let Some(bytes) = read_bytes(path)? else { return Ok(None) };
    String::from_utf8(bytes).map(Some).map_err(|_| OpenError::new(path, "it is not valid UTF-8; download it again"))
}

/// A document as it is, or nothing where there is no such file.
fn read_bytes(path: &Path) -> Result<Option<Vec<u8>>, OpenError> {
    if !path.exists() {
        return Ok(None);
    }
    let file = SourceFile::open(path)?;
    if file.bytes > MAX_DOCUMENT {
        return Err(OpenError::new(
            path,
            format!("it has {} bytes, and a document of more than {MAX_DOCUMENT} is not read", file.bytes),
        ));
    }
    let mut bytes = vec![0; file.bytes as usize];
    file.read_at(0, &mut bytes).map_err(|error| OpenError::io(path, &error))?;
    Ok(Some(bytes))
}

pub(super) fn read_json(path: &Path) -> Result<Json, OpenError> {
    match read_text(path)? {
        None => Ok(Json::Null),
        Some(text) => serde_json::from_str(&text)
            .map_err(|error| OpenError::new(path, format!("it is not valid JSON: {error}; download it again"))),
    }
}

/// The shard files an index names, each in the folder of the index.
fn shards(index: &Path, folder: &Path) -> Result<Vec<PathBuf>, OpenError> {
    let mut names = BTreeSet::new();
    for (tensor, file) in weight_map(index)?.as_object().into_iter().flatten() {
        let Some(file) = file.as_str() else {
            return Err(OpenError::new(index, format!("it gives the tensor {tensor} no file name")));
        };
        if !is_plain(file) {
            return Err(OpenError::new(
                index,
                format!(
                    "it puts the tensor {tensor} into {file:?}, which is not a plain file name in this folder; refused"
                ),
            ));
        }
        names.insert(file.to_owned());
    }
    if names.is_empty() {
        return Err(OpenError::new(index, "it names no files in weight_map; download it again"));
    }
    if let Some(missing) = names.iter().find(|name| !folder.join(name).is_file()) {
        return Err(OpenError::new(
            folder.join(missing),
            format!(
                "it is named by model.safetensors.index.json ({} files) and is not there; download it",
                names.len()
            ),
        ));
    }
    Ok(names.iter().map(|name| folder.join(name)).collect())
}

fn weight_map(index: &Path) -> Result<Json, OpenError> {
    match read_json(index)?.get_mut("weight_map").map(Json::take) {
        Some(map) if map.is_object() => Ok(map),
        _ => Err(OpenError::new(index, "it has no weight_map object; download it again")),
    }
}

/// Every tensor of the index has to be in the file it names.
fn check_index(index: &Path, checkpoint: &Checkpoint) -> Result<(), OpenError> {
    let found: std::collections::HashMap<&str, &Path> =
        checkpoint.tensors.iter().map(|t| (t.name.as_str(), checkpoint.files[t.file].path.as_path())).collect();
    for (tensor, file) in weight_map(index)?.as_object().into_iter().flatten() {
        let expected = file.as_str().unwrap_or_default();
        let holds = found.get(tensor.as_str()).and_then(|path| path.file_name());
        if holds.is_none_or(|name| name != expected) {
            return Err(OpenError::new(
                index,
                format!(
                    "it puts the tensor {tensor} into {expected}, and {}; the shards do not belong together, so download \
                     them again",
                    holds.map_or("no shard holds it".to_owned(), |name| format!("it is in {}", name.display()))
                ),
            ));
        }
    }
    Ok(())
}
