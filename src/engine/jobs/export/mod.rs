//! A changed model as a Hugging Face folder: what was read from stored tensors goes back to where it was read from.
//!
//! The folder's settings and the sizes of its tensors are written first; then the folder is opened like any other, and what
//! that says of where each tensor of a GGUF file would be read from is where its weights are put.

mod config;
mod layout;
mod shape;

use super::read::fill;
use crate::arch::{Coding, Part, Tensor};
use crate::checkpoint::{Checkpoint, Contents, Kind, StoredTensor};
use crate::engine::command::ExportRequest;
use crate::engine::event::{ExportReport, Stage};
use crate::engine::meter::Meter;
use crate::engine::worker::{Context, Stop};
use crate::model::Model;
use crate::quant::{F32, FormatRef, Search};
use layout::Header;
use shape::{Kept, kept};
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// The file that all weights are in.
const WEIGHTS: &str = "model.safetensors";
/// Files of the model's folder that go along, by their endings, or by their names.
const DOCUMENTS: &[&str] = &["json", "model", "jinja", "merges.txt", "vocab.txt", "README.md", "LICENSE"];
/// What these are is said anew, or holds no more.
const OWN: &[&str] = &["config.json", "model.safetensors.index.json", "pytorch_model.bin.index.json"];
/// A document larger than this is none.
const MAX_DOCUMENT: u64 = 256 << 20;

/// Writes what a request names.
pub(in crate::engine) fn export(request: &ExportRequest, context: &Context<'_>) -> Result<ExportReport, Stop> {
    let model = &*request.model;
    let refuse = |problem: &str| Stop::Failed(format!("{}: {problem}", model.path.display()));
    if model.kind != Kind::HuggingFace || !model.adapters.is_empty() {
        return Err(refuse(
            "only what was opened as a Hugging Face folder, without adapters, can become one again; write a .gguf file instead",
        ));
    }
    if request.folder.exists()
        && std::fs::read_dir(&request.folder).map_or(true, |mut entries| entries.next().is_some())
    {
        let folder = request.folder.display();
        return Err(Stop::Failed(format!("{folder}: this exists and is no empty folder; name another")));
    }
    let checkpoint = Checkpoint::open(&model.path)?;
    let original = Model::open(&model.path)?;
    let Contents::HuggingFace(documents) = &checkpoint.contents else {
        return Err(refuse("it is no Hugging Face folder"));
    };
    let coded = |tensor: &Tensor| tensor.parts().iter().any(|part| part.coding != Coding::Plain);
    if original.tensors.iter().any(coded) {
        return Err(refuse("its weights are stored as codes, which cannot be put back; write a .gguf file instead"));
    }
    let kept = kept(&checkpoint, &original, model).map_err(|problem| refuse(&problem))?;
    let failed =
        |error: std::io::Error| Stop::Failed(format!("{} could not be written: {error}", request.folder.display()));
    let parent = request.folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let building = tempfile::tempdir_in(parent).map_err(failed)?;
    copy_documents(&documents.folder, building.path()).map_err(failed)?;
    let config = config::changed(&documents.config, &original, model, &kept.layers);
    write_json(&building.path().join("config.json"), &config).map_err(failed)?;
    // As it is opened: dense.
    let header = Header::dense(&checkpoint, &kept).map_err(|problem| refuse(&problem))?;
    let path = building.path().join(WEIGHTS);
    let file = header.create(&path).map_err(failed)?;
    let new = Model::open(building.path())?;
    check(&new, model)?;
    let meter = Meter::new(context, Stage::Packing, header.bytes);
    let copied = Copying { checkpoint: &checkpoint, model, new: &new, meter: &meter };
    match request.compressed {
        false => {
            for (place, entry) in header.entries.iter().enumerate() {
                let bytes = copied.tensor(&kept, place, &header)?;
                crate::positioned::write_at(&file, entry.offset, &bytes).map_err(failed)?;
            }
            file.sync_all().map_err(failed)?;
        }
        true => {
            let compressed = building.path().join("compressed");
            let sparse = layout::compressed(&header, &new, &compressed, |place| copied.tensor(&kept, place, &header))?;
            drop((file, new));
            std::fs::rename(&compressed, &path).map_err(failed)?;
            let mut config = config;
            config["quantization_config"] = layout::settings(sparse);
            write_json(&building.path().join("config.json"), &config).map_err(failed)?;
        }
    }
    let bytes = std::fs::metadata(&path).map_err(failed)?.len();
    if request.folder.exists() {
        std::fs::remove_dir(&request.folder).map_err(failed)?;
    }
    std::fs::rename(building.path(), &request.folder).map_err(failed)?;
    open_to_others(&request.folder).map_err(failed)?;
    Ok(ExportReport { folder: request.folder.clone(), bytes })
}

/// Refuses a folder that would be another model than the one that is written.
fn check(new: &Model, model: &Model) -> Result<(), Stop> {
    for tensor in &model.tensors {
        let found = new.tensors.iter().find(|other| other.name == tensor.name).map(|other| &other.shape);
        if found != Some(&tensor.shape) {
            return Err(Stop::Failed(format!(
                "{}: as a folder it would have the tensor {} with the shape {found:?}, and it has {:?}; write a .gguf file \
                 instead",
                model.path.display(),
                tensor.name,
                tensor.shape
            )));
        }
    }
    Ok(())
}

struct Copying<'a, 'c> {
    checkpoint: &'a Checkpoint,
    model: &'a Model,
    new: &'a Model,
    meter: &'a Meter<'a, 'c>,
}

impl Copying<'_, '_> {
    /// The bytes of a stored tensor of the new folder.
    fn tensor(&self, kept: &Kept, place: usize, header: &Header) -> Result<Vec<u8>, Stop> {
        let entry = &header.entries[place];
        let stored: &StoredTensor = &self.checkpoint.tensors[kept.tensors[place].from];
        let mut bytes = vec![0u8; entry.bytes as usize];
        if stored.bytes == entry.bytes {
            // What no tensor is read from stays as it was.
            let file = &self.checkpoint.files[stored.file];
            file.read_at(stored.offset, &mut bytes).map_err(|error| {
                Stop::Failed(format!("{}: the tensor {} could not be read: {error}", file.path.display(), stored.name))
            })?;
        }
        for tensor in &self.new.tensors {
            let mut first = 0;
            for part in tensor.parts() {
                if part.at.offset == entry.offset {
                    self.put(tensor, part, first, &mut bytes)?;
                }
                first += part.weights();
            }
        }
        self.meter.advance(entry.bytes, &entry.name)?;
        Ok(bytes)
    }

    /// Puts the weights of a part of a tensor, from the one at `first` on, where they are read from.
    fn put(&self, tensor: &Tensor, part: &Part, first: u64, bytes: &mut [u8]) -> Result<(), Stop> {
        let own = self.model.tensors.iter().find(|own| own.name == tensor.name).expect("they were compared");
        let floats = floats(self.model, own, first, part.weights())?;
        let (format, size): (FormatRef, usize) = (part.format, part.format.block_bytes);
        let shifted: Vec<f32> = floats.iter().map(|weight| weight - part.plus).collect();
        let mut ordered = vec![0; shifted.len() * size];
        (format.quantize)(&shifted, Search::default(), &mut ordered);
        for (unit, weight) in part.view.offsets().zip(ordered.chunks_exact(size)) {
            bytes[unit as usize * size..][..size].copy_from_slice(weight);
        }
        Ok(())
    }
}

/// Weights of a tensor, as floats.
fn floats(model: &Model, tensor: &Tensor, first: u64, count: u64) -> Result<Vec<f32>, Stop> {
    let format = tensor.stored_format();
    let mut bytes = vec![0; format.bytes(count) as usize];
    fill(model, tensor, first, &mut bytes)?;
    if *format == F32 {
        return Ok(bytemuck::pod_collect_to_vec(&bytes));
    }
    let mut floats = vec![0.0; count as usize];
    (format.dequantize)(&bytes, &mut floats);
    Ok(floats)
}

fn copy_documents(from: &Path, to: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        let is_one =
            |document: &&str| name == **document || path.extension().is_some_and(|ending| *ending == **document);
        let is_own = OWN.iter().any(|own| *own == name);
        let found = std::fs::metadata(&path)?;
        if DOCUMENTS.iter().any(is_one) && !is_own && found.is_file() && found.len() <= MAX_DOCUMENT {
            std::fs::write(to.join(&name), std::fs::read(&path)?)?;
        }
    }
    Ok(())
}

fn write_json(path: &Path, json: &serde_json::Value) -> std::io::Result<()> {
    let mut text = serde_json::to_string_pretty(json)?;
    text.push('\n');
    let mut file = File::create(path)?;
    file.write_all(text.as_bytes())
}

/// A temporary folder is its owner's alone.
fn open_to_others(folder: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    std::fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let _ = folder;
    Ok(())
}
