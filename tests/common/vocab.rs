//! Small vocabularies: folders made from `tests/data/vocab`, and GGUF files that hold little else.

use serde_json::{Value as Json, json};
use std::fs;
use std::path::{Path, PathBuf};
use tuck::gguf::{self, HeaderTensor, Metadata, Value};
use tuck::quant::F32;

pub fn data() -> PathBuf {
    super::root().join("tests/data")
}

pub fn json(path: &Path) -> Json {
    serde_json::from_slice(&fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))).unwrap()
}

/// Makes the folder of an entry of `tests/data/tokenizers/cases.json`, as `tokenizer_references.py` does.
pub fn make(case: &Json, folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    for entry in fs::read_dir(data().join("vocab").join(case["vocab"].as_str().unwrap())).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.join(path.file_name().unwrap())).unwrap();
    }
    for name in case["drop"].as_array().into_iter().flatten() {
        let _ = fs::remove_file(folder.join(name.as_str().unwrap()));
    }
    for (name, text) in case["write"].as_object().into_iter().flatten() {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text.as_str().unwrap()).unwrap();
    }
    for (name, change) in case["change"].as_object().into_iter().flatten() {
        let path = folder.join(name);
        let mut document = if path.exists() { json(&path) } else { json!({}) };
        merge(&mut document, change);
        fs::write(path, document.to_string()).unwrap();
    }
}

/// Changes an object key by key; null takes a key away.
fn merge(old: &mut Json, new: &Json) {
    match (old.as_object_mut(), new.as_object()) {
        (Some(old), Some(new)) => {
            for (key, value) in new {
                match value {
                    Json::Null => drop(old.shift_remove(key)),
                    _ => merge(old.entry(key).or_insert(Json::Null), value),
                }
            }
        }
        _ => *old = new.clone(),
    }
}

/// Writes a Llama of one layer, small enough that only its tokens matter.
pub fn write_gguf(path: &Path, tokenizer: &[(String, Value)]) {
    const WIDTH: u64 = 32;
    let tokens = tokenizer.iter().find(|(key, _)| key == "tokenizer.ggml.tokens");
    let vocabulary = tokens.and_then(|(_, value)| value.as_array()).expect("tokens").values.len() as u64;
    let mut metadata: Metadata = vec![("general.architecture".to_owned(), "llama".into())];
    for (key, n) in [("block_count", 1), ("context_length", 64), ("embedding_length", 32), ("feed_forward_length", 32)]
    {
        metadata.push((format!("llama.{key}"), Value::U32(n)));
    }
    metadata.push(("llama.attention.head_count".to_owned(), Value::U32(1)));
    metadata.push(("llama.attention.layer_norm_rms_epsilon".to_owned(), Value::F32(1e-5)));
    metadata.extend(tokenizer.iter().cloned());
    let square = [WIDTH, WIDTH];
    let mut shapes: Vec<(String, Vec<u64>)> =
        vec![("token_embd.weight".to_owned(), vec![WIDTH, vocabulary]), ("output_norm.weight".to_owned(), vec![WIDTH])];
    for name in ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"] {
        shapes.push((format!("blk.0.{name}.weight"), square.to_vec()));
    }
    for name in ["attn_norm", "ffn_norm"] {
        shapes.push((format!("blk.0.{name}.weight"), vec![WIDTH]));
    }
    let tensors: Vec<HeaderTensor<'_>> =
        shapes.iter().map(|(name, shape)| HeaderTensor { name, shape, format: &F32 }).collect();
    let bytes = |shape: &[u64]| shape.iter().product::<u64>() * 4;
    let mut end = 0;
    let mut offsets = Vec::new();
    for (_, shape) in &shapes {
        offsets.push(end);
        end += bytes(shape);
    }
    let mut file = gguf::encode_header(&metadata, &tensors, &offsets);
    file.resize(file.len().next_multiple_of(32), 0);
    file.resize(file.len() + end as usize, 0);
    fs::write(path, file).unwrap();
}
