//! A window to test with, and models to open in it.

use crate::common::tiny::{Stored, safetensors};
use egui_kittest::Harness;
use serde_json::{Value as Json, json};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use tuck::gguf::{HeaderTensor, Metadata, Value, encode_header, lay_out};
use tuck::gui::{App, Options, State};
use tuck::model::Model;
use tuck::quant::F16;
use tuck::recipe::{Plan, Preset, Recipe};
use tuck::units;

pub(crate) type Window = Harness<'static, App>;

/// A window of this size in points, with so many pixels per point, on this model.
pub(crate) fn scaled(size: [f32; 2], scale: f32, path: Option<&Path>) -> Window {
    let options = Options { path: path.map(Path::to_owned), ..Options::default() };
    with_options(size, scale, options)
}

/// A window of this size in points, with so many pixels per point, started with these options.
pub(crate) fn with_options(size: [f32; 2], scale: f32, options: Options) -> Window {
    Harness::builder()
        .with_size(size)
        .with_pixels_per_point(scale)
        .with_max_steps(60)
        // Models write in scripts that only the system's fonts have, which this window does without.
        .allow_missing_glyphs()
        .build_eframe(|creation| App::new(&creation.egui_ctx, options))
}

/// A window of this size, on this model.
pub(crate) fn window(size: [f32; 2], path: Option<&Path>) -> Window {
    scaled(size, 1.0, path)
}

/// A window with this model open.
pub(crate) fn window_with(size: [f32; 2], path: &Path) -> Window {
    opened_scaled(size, 1.0, path)
}

/// A window with this model open, with so many pixels per point.
pub(crate) fn opened_scaled(size: [f32; 2], scale: f32, path: &Path) -> Window {
    let mut window = scaled(size, scale, Some(path));
    wait(&mut window, "the model to open", |state| state.opened.is_some() && state.listing.is_none());
    window
}

/// Draws frames until something is so.
pub(crate) fn wait(window: &mut Window, what: &str, is_so: impl Fn(&State) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(240);
    while !is_so(window.state().state()) {
        let State { dialog, packing, opening, .. } = window.state().state();
        assert!(Instant::now() < deadline, "waited four minutes for {what}: {dialog:?}, {packing:?}, {opening:?}");
        window.step();
        thread::sleep(Duration::from_millis(2));
    }
    // What the last frame asked for is done and drawn.
    window.run_steps(4);
}

/// What a screen reader says for a type.
pub(crate) fn type_label(model: &Model, preset: &'static Preset) -> String {
    let plan = Plan::new(model, &Recipe::new(preset)).unwrap();
    format!("{}, {}, {:.2} bits per weight", preset.name, units::bytes(plan.file_bytes), plan.bits_per_weight)
}

/// The bundled sample.
pub(crate) fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/sample")
}

/// A copy of the sample in this folder, so that what is packed goes there.
pub(crate) fn copied_sample(folder: &Path) -> PathBuf {
    let copy = folder.join("sample");
    std::fs::create_dir(&copy).unwrap();
    for name in ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"] {
        std::fs::copy(sample().join(name), copy.join(name)).unwrap();
    }
    copy
}

/// A Llama-shaped GGUF whose weights are a hole in the file: `hidden` wide, with `layers` layers.
pub(crate) fn hollow_model(folder: &Path, name: &str, hidden: u64, layers: u64) -> PathBuf {
    hollow_with(folder, name, (hidden, layers), |_| {})
}

/// The same, with metadata that is changed.
pub(crate) fn hollow_with(
    folder: &Path,
    name: &str,
    (hidden, layers): (u64, u64),
    change: impl FnOnce(&mut Metadata),
) -> PathBuf {
    let sample = Model::open(&sample()).unwrap();
    let mut metadata = sample.metadata.clone();
    for (key, value) in &mut metadata {
        match key.as_str() {
            "general.name" => *value = Value::from(name),
            "llama.block_count" => *value = Value::U32(layers as u32),
            "llama.embedding_length" => *value = Value::U32(hidden as u32),
            _ => {}
        }
    }
    change(&mut metadata);
    let widen = |shape: &[u64]| -> Vec<u64> { shape.iter().map(|&n| if n == 256 { hidden } else { n }).collect() };
    let mut tensors: Vec<(String, Vec<u64>, tuck::quant::FormatRef)> = Vec::new();
    for tensor in &sample.tensors {
        // Of the sample, 256 is its width, and also that of its queries, which keep theirs.
        let mut shape = widen(&tensor.shape);
        if tensor.name.contains("attn_q.") {
            shape[1] = tensor.shape[1];
        } else if tensor.name.contains("attn_output.") {
            shape[0] = tensor.shape[0];
        }
        let format = if shape.len() == 1 { tensor.format } else { &F16 };
        match tensor.name.strip_prefix("blk.0.") {
            Some(rest) => {
                tensors.extend((0..layers).map(|layer| (format!("blk.{layer}.{rest}"), shape.clone(), format)))
            }
            None if tensor.layer().is_none() => tensors.push((tensor.name.clone(), shape, format)),
            None => {}
        }
    }
    let listed: Vec<HeaderTensor<'_>> =
        tensors.iter().map(|(name, shape, format)| HeaderTensor { name, shape, format }).collect();
    let sizes = tensors.iter().map(|(_, shape, format)| format.bytes(shape.iter().product()));
    let header_len = encode_header(&metadata, &listed, &vec![0; listed.len()]).len() as u64;
    let layout = lay_out(header_len, sizes, 32);
    let offsets: Vec<u64> = layout.offsets.iter().map(|offset| offset - layout.header_bytes).collect();
    let path = folder.join("hollow.gguf");
    let mut file = File::create(&path).unwrap();
    file.write_all(&encode_header(&metadata, &listed, &offsets)).unwrap();
    file.set_len(layout.file_bytes).unwrap();
    path
}

#[derive(Debug)]
struct Dropped(PathBuf);

impl egui::DroppedFile for Dropped {
    fn path(&self) -> &Path {
        &self.0
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        Err("Tuck opens dropped files by their path".to_owned())
    }
}

/// Drops a file or folder on the window.
pub(crate) fn let_go(window: &mut Window, path: &Path) {
    window.input_mut().dropped_files.push(Arc::new(Dropped(path.to_owned())));
    window.run_steps(3);
}

/// A LoRA adapter for the queries and values of the sample's first two layers, as PEFT saves it.
pub(crate) fn adapter(folder: &Path, name: &str) -> PathBuf {
    const RANK: u64 = 4;
    let adapter = folder.join(name);
    std::fs::create_dir(&adapter).unwrap();
    let settings = json!({
        "peft_type": "LORA", "r": RANK, "lora_alpha": 8, "base_model_name_or_path": "somebody/sample",
        "target_modules": ["q_proj", "v_proj"],
    });
    std::fs::write(adapter.join("adapter_config.json"), settings.to_string()).unwrap();
    let model = Model::open(&sample()).unwrap();
    let mut tensors = Vec::new();
    for (module, gguf) in [("q_proj", "attn_q"), ("v_proj", "attn_v")] {
        for layer in 0..2 {
            let changed = format!("blk.{layer}.{gguf}.weight");
            let changed = model.tensors.iter().find(|tensor| tensor.name == changed).unwrap();
            for (factor, shape) in [("A", [RANK, changed.shape[0]]), ("B", [changed.shape[1], RANK])] {
                let values = (0..shape[0] * shape[1]).map(|n| f32::from((n % 7) as u8) * 0.01 - 0.03);
                tensors.push(Stored {
                    name: format!("base_model.model.model.layers.{layer}.self_attn.{module}.lora_{factor}.weight"),
                    dtype: "F32",
                    shape: shape.to_vec(),
                    bytes: values.flat_map(f32::to_le_bytes).collect(),
                });
            }
        }
    }
    std::fs::write(adapter.join("adapter_model.safetensors"), safetensors(&tensors)).unwrap();
    adapter
}

/// A copy of the sample that cuts text in a way of its own: numbers in pairs.
pub(crate) fn sample_of_own_cut(folder: &Path) -> PathBuf {
    let copy = copied_sample(folder);
    let path = copy.join("tokenizer.json");
    let mut tokenizer: Json = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let pattern = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,2}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    tokenizer["pre_tokenizer"] = json!({"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false},
        {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false},
    ]});
    std::fs::write(path, tokenizer.to_string()).unwrap();
    copy
}
