//! Families: what is opened from a folder is what is opened from the file it becomes, recipes see the same in both, and
//! llama.cpp runs it.

mod common;

use common::families::{self, Card};
use serde_json::Value as Json;
use std::path::{Path, PathBuf};
use tuck::arch::ARCHS;
use tuck::gguf::{Array, ValueType};
use tuck::model::Model;
use tuck::quant::{F32, Q8_0};
use tuck::recipe::{PRESETS, Plan, Recipe};

#[test]
fn a_folder_and_its_file_are_the_same_model() {
    let folder = tempfile::tempdir().unwrap();
    let mut seen = Vec::new();
    for card in families::make(folder.path()) {
        let name = &card.name;
        let model = Model::open(&card.folder).unwrap();
        let file = common::pack(&card.folder, "COPY", folder.path(), &["--device", "cpu"]);
        let packed = Model::open(&file).unwrap();
        assert_eq!(packed.notes, [""; 0], "{name}: every tensor is in the family's table");
        assert_eq!(model.tensors.len(), packed.tensors.len(), "{name}");
        for (tensor, packed) in model.tensors.iter().zip(&packed.tensors) {
            assert_eq!((&tensor.name, &tensor.shape), (&packed.name, &packed.shape), "{name}");
        }
        let arch = packed.hparams.arch.unwrap();
        for dim in arch.dims() {
            for layer in 0..model.hparams.layers {
                assert_eq!(model.hparams.size(dim, layer), packed.hparams.size(dim, layer), "{name}: {dim:?}");
            }
        }
        for preset in PRESETS.iter().filter(|preset| preset.format.is_some() && !preset.needs_imatrix) {
            let formats = |model: &Model| -> Vec<_> {
                let plan = Plan::new(model, &Recipe::new(preset)).unwrap();
                plan.tensors.iter().map(|planned| planned.format).collect()
            };
            // From a folder, MXFP4 stays where that is smaller.
            if !model.tensors.iter().any(|tensor| tensor.is_native_mxfp4()) {
                assert_eq!(formats(&model), formats(&packed), "{name} as {}", preset.name);
            }
        }
        seen.push(arch.name);
    }
    let unseen: Vec<&str> = ARCHS.iter().map(|arch| arch.name).filter(|name| !seen.contains(name)).collect();
    assert_eq!(unseen, [""; 0], "every family has a card");
}

/// A GGUF file with all of `from` in it replaced by `to`, which is as long.
fn renamed(folder: &Path, from: &str, to: &str) -> PathBuf {
    let path = folder.join(format!("{to}.gguf"));
    let tokens = Array::new(ValueType::String, ["a", "b"]);
    common::vocab::write_gguf(&path, &[("tokenizer.ggml.tokens".to_owned(), tokens.into())]);
    let mut bytes = std::fs::read(&path).unwrap();
    let places: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at..].starts_with(from.as_bytes())).collect();
    assert!(!places.is_empty() && from.len() == to.len());
    places.iter().for_each(|&at| bytes[at..at + to.len()].copy_from_slice(to.as_bytes()));
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn what_tuck_does_not_know_of_a_gguf_is_kept_with_a_note() {
    let folder = tempfile::tempdir().unwrap();
    for (from, to) in [("llama", "mamba"), ("ffn_up", "ffn_xy")] {
        let file = renamed(folder.path(), from, to);
        let model = Model::open(&file).unwrap();
        assert!(model.notes.len() == 1 && model.notes[0].contains(to), "{:?}", model.notes);
        let packed = common::pack(&file, "Q8_0", folder.path(), &["--device", "cpu"]);
        let packed = Model::open(&packed).unwrap();
        let format =
            |name: &str| packed.tensors.iter().find(|t| t.name == format!("blk.0.{name}.weight")).unwrap().format;
        assert_eq!((format("attn_v"), format("attn_norm")), (&Q8_0, &F32));
        let unknown = packed.tensors.iter().find(|tensor| tensor.name.contains("ffn_xy"));
        assert!(unknown.is_none_or(|tensor| tensor.format == &Q8_0));
    }
}

/// Files of these cards as F16 and as a mixture of types.
fn files(cards: &[&Card], folder: &Path) -> Vec<PathBuf> {
    let pack = |card: &&Card, preset| common::pack(&card.folder, preset, folder, &["--device", "cpu"]);
    cards.iter().flat_map(|card| ["F16", "Q4_K_M"].map(|preset| pack(card, preset))).collect()
}

fn run(files: &[PathBuf], more: &[&str]) -> Vec<Json> {
    let mut arguments: Vec<&str> = files.iter().map(|file| file.to_str().unwrap()).collect();
    arguments.extend(["--together", "--tokens", "16", "--prompt", "Once upon a time"]);
    arguments.extend(more);
    common::peer_json("generate.py", &arguments)
}

#[test]
fn llama_cpp_runs_every_family() {
    let folder = tempfile::tempdir().unwrap();
    let cards = families::make(folder.path());
    let (embedders, writers): (Vec<&Card>, Vec<&Card>) =
        cards.iter().filter(|card| card.runs()).partition(|card| card.embeds());
    let written = files(&writers, folder.path());
    for (file, answer) in written.iter().zip(run(&written, &[])) {
        assert_eq!(answer["completion_tokens"], 16, "{}: {answer}", file.display());
    }
    let embedded = files(&embedders, folder.path());
    for (file, answer) in embedded.iter().zip(run(&embedded, &["--embed"])) {
        let numbers = answer["embedding"].as_array().map_or(&[][..], Vec::as_slice);
        let is_number = |number: &Json| number.as_f64().is_some_and(f64::is_finite);
        assert!(!numbers.is_empty() && numbers.iter().all(is_number), "{}: {answer}", file.display());
    }
}
