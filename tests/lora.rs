//! LoRA adapters: merged they equal what numpy adds up, exported what llama.cpp's converter writes, and both run alike.

mod common;

use common::packed::{Packed, tensors};
use common::tiny::{Stored, Tiny, safetensors};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A base model, an adapter for it, and the base with the adapter merged into it by numpy.
struct Made {
    name: String,
    base: PathBuf,
    adapter: PathBuf,
    merged: PathBuf,
}

/// Makes adapters by `adapter_models.py`, all of them where none is named.
fn made(folder: &Path, names: &[&str]) -> Vec<Made> {
    let out = folder.join("models");
    let arguments = [&[out.to_str().unwrap()], names].concat();
    let made = common::peer_json("adapter_models.py", &arguments).into_iter().map(|json| {
        let text = |key: &str| json[key].as_str().unwrap().to_owned();
        Made {
            name: text("name"),
            base: text("base").into(),
            adapter: text("adapter").into(),
            merged: text("merged").into(),
        }
    });
    made.collect()
}

/// Packs a model, with adapters merged, under a name of its own.
fn pack(model: &Path, kind: &str, folder: &Path, name: &str, adapters: &[&str]) -> PathBuf {
    let output = folder.join(format!("{name}.gguf"));
    let mut arguments = vec!["pack", model.to_str().unwrap(), "-t", kind, "-o", output.to_str().unwrap()];
    arguments.extend(["--device", "cpu", "--force"]);
    adapters.iter().for_each(|adapter| arguments.extend(["--lora", adapter]));
    common::tuck_ok(&arguments);
    output
}

fn export(adapter: &Path, base: &Path, kind: &str, output: &Path) {
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    common::tuck_ok(&["adapter", &path(adapter), "--base", &path(base), "-t", kind, "-o", &path(output), "--force"]);
}

/// Equal but for the order in which F32 sums were taken, relative to a matrix's largest weight.
fn assert_close(ours: &BTreeMap<String, Packed>, expected: &BTreeMap<String, Packed>, what: &str) {
    const ROUNDING: f32 = 1e-6;
    assert_eq!(ours.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{what}");
    for (name, ours) in ours {
        let (ours, expected) = (ours.weights(), expected[name].weights());
        let largest = expected.iter().fold(0f32, |largest, weight| largest.max(weight.abs()));
        let furthest = ours.iter().zip(&expected).fold(0f32, |furthest, (a, b)| furthest.max((a - b).abs()));
        assert!(furthest <= ROUNDING * largest, "{what}: {name} is off by {furthest}, of {largest}");
    }
}

#[test]
fn merged_models_equal_what_numpy_adds_up() {
    let folder = tempfile::tempdir().unwrap();
    let made = made(folder.path(), &[]);
    assert!(made.len() >= 15);
    for Made { name, base, adapter, merged } in &made {
        let ours = pack(base, "F32", folder.path(), "ours", &[adapter.to_str().unwrap()]);
        let expected = tensors(&pack(merged, "F32", folder.path(), "expected", &[]));
        let unmerged = tensors(&pack(base, "F32", folder.path(), "base", &[]));
        assert_close(&tensors(&ours), &expected, name);
        assert!(tensors(&ours) != unmerged, "{name} changes nothing");
    }
}

#[test]
fn a_merged_model_keeps_its_precision_to_the_last_bit() {
    let folder = tempfile::tempdir().unwrap();
    let [Made { base, adapter, merged, .. }] = &made(folder.path(), &["llama-lora"])[..] else { unreachable!() };
    let ours = tensors(&pack(base, "COPY", folder.path(), "ours", &[adapter.to_str().unwrap()]));
    let expected = tensors(&pack(merged, "BF16", folder.path(), "expected", &[]));
    let (mut all, mut rounded) = (0, 0);
    for (name, ours) in &ours {
        assert_eq!(ours.format, expected[name].format, "{name}");
        for (a, b) in ours.weights().iter().zip(expected[name].weights()) {
            let (a, b) = (a.to_bits().cast_signed() >> 16, b.to_bits().cast_signed() >> 16);
            assert!((a - b).abs() <= 1, "{name}: {a:#x} and {b:#x}");
            (all, rounded) = (all + 1, rounded + i32::from(a != b));
        }
    }
    assert!(rounded * 1000 < all, "{rounded} of {all} weights are rounded otherwise");
}

#[test]
fn a_gguf_base_gives_what_its_checkpoint_does() {
    let folder = tempfile::tempdir().unwrap();
    for Made { name, base, adapter, .. } in
        made(folder.path(), &["llama-lora", "phi-lora", "mixtral-lora", "gpt2-lora"])
    {
        let adapter = adapter.to_str().unwrap();
        let gguf = pack(&base, "F32", folder.path(), "base", &[]);
        let from_gguf = tensors(&pack(&gguf, "F32", folder.path(), "ours", &[adapter]));
        assert!(from_gguf == tensors(&pack(&base, "F32", folder.path(), "expected", &[adapter])), "{name}");
    }
}

#[test]
fn scales_and_several_adapters_add_up() {
    let folder = tempfile::tempdir().unwrap();
    let [Made { base, adapter, merged, .. }] = &made(folder.path(), &["llama-lora"])[..] else { unreachable!() };
    let packed = |scales: &[&str]| {
        let adapters: Vec<String> = scales.iter().map(|scale| format!("{}{scale}", adapter.display())).collect();
        tensors(&pack(base, "F32", folder.path(), "ours", &adapters.iter().map(String::as_str).collect::<Vec<_>>()))
    };
    let expected = tensors(&pack(merged, "F32", folder.path(), "expected", &[]));
    assert_close(&packed(&["=0.75", "=0.25"]), &expected, "three quarters and one");
    assert_close(&packed(&["=2", "=-1"]), &expected, "twice, less once");
    assert_close(&packed(&["=0"]), &packed(&[]), "none of it");
}

#[test]
fn exported_adapters_equal_those_of_the_converter() {
    let folder = tempfile::tempdir().unwrap();
    let references: BTreeMap<String, BTreeMap<String, Json>> =
        serde_json::from_slice(&fs::read(common::root().join("tests/data/adapters.json")).unwrap()).unwrap();
    let names: Vec<&str> = references.keys().map(String::as_str).collect();
    let mut cases = Vec::new();
    for Made { name, base, adapter, .. } in made(folder.path(), &names) {
        // The configuration of the base is enough.
        for entry in fs::read_dir(&base).unwrap().map(Result::unwrap) {
            if entry.path().extension().is_some_and(|end| end == "safetensors") {
                fs::remove_file(entry.path()).unwrap();
            }
        }
        for (kind, reference) in &references[&name] {
            let output = folder.path().join(format!("{name}-{kind}.gguf"));
            export(&adapter, &base, kind, &output);
            cases.push((output, name.clone(), kind, reference));
        }
    }
    let files: Vec<&str> = cases.iter().map(|(file, ..)| file.to_str().unwrap()).collect();
    let digests = common::peer("tensor_digest.py", &files);
    let described = common::peer_json("describe.py", &files);
    for (((_, name, kind, reference), digest), described) in cases.iter().zip(digests.lines()).zip(&described) {
        assert_eq!(described["metadata"], reference["metadata"], "{name} as {kind}");
        assert_eq!(digest, reference["tensors"], "{name} as {kind}");
    }
    assert_eq!(described.len(), cases.len());
}

#[test]
fn llama_cpp_runs_base_and_adapter_as_it_runs_the_merged_model() {
    let folder = tempfile::tempdir().unwrap();
    for Made { name, base, adapter, .. } in made(folder.path(), &["llama-lora", "llama-embedding-lora"]) {
        let plain = pack(&base, "F32", folder.path(), "plain", &[]);
        let merged = pack(&base, "F32", folder.path(), "merged", &[adapter.to_str().unwrap()]);
        let exported = folder.path().join("adapter.gguf");
        export(&adapter, &base, "F32", &exported);
        let run = |file: &Path, lora: Option<&Path>| {
            let mut arguments = vec![file.to_str().unwrap(), "--tokens", "16"];
            arguments.extend(lora.iter().flat_map(|lora| ["--lora", lora.to_str().unwrap()]));
            let answer = common::peer_json("generate.py", &arguments).remove(0);
            let numbers = answer["logprobs"].as_array().unwrap().iter().map(|n| n.as_f64().unwrap());
            (answer["tokens"].clone(), numbers.collect::<Vec<f64>>())
        };
        let ((with, probabilities), (in_one, expected)) = (run(&plain, Some(&exported)), run(&merged, None));
        assert_eq!(with, in_one, "{name}");
        let furthest = probabilities.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(furthest < 1e-2, "{name}: log probabilities differ by {furthest}");
        assert_ne!(run(&plain, None).0, in_one, "{name} changes nothing");
    }
}

#[test]
fn an_adapter_alone_says_what_it_is_and_what_it_wants() {
    let folder = tempfile::tempdir().unwrap();
    let [Made { base, adapter, .. }] = &made(folder.path(), &["llama-lora"])[..] else { unreachable!() };
    let (adapter, base) = (adapter.to_str().unwrap(), base.to_str().unwrap());
    let text = common::tuck_ok(&["inspect", adapter]);
    for word in ["LoRA adapter", "tuck/llama3", "4, alpha 6", "21 modules", "--lora"] {
        assert!(text.contains(word), "{word} is not in {text}");
    }
    let json: Json = serde_json::from_str(&common::tuck_ok(&["inspect", adapter, "--json"])).unwrap();
    assert_eq!((&json["base"], &json["rank"]), (&json!("tuck/llama3"), &json!(4.0)));
    let refused = common::tuck(&["pack", adapter, "-t", "q8_0"]);
    let message = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        message.contains("LoRA adapter") && message.contains("tuck/llama3") && message.contains("--lora"),
        "{message}"
    );
    let json: Json = serde_json::from_str(&common::tuck_ok(&["inspect", base, "--lora", adapter, "--json"])).unwrap();
    assert_eq!(json["adapters"][0]["tensors"], 21);
}

/// A tiny model and an adapter for its queries.
struct Pair {
    model: Tiny,
    settings: Json,
    tensors: Vec<Stored>,
}

impl Pair {
    fn new() -> Self {
        let tensor = |name: &str, shape: [u64; 2]| Stored {
            name: format!("base_model.model.model.layers.0.self_attn.q_proj.{name}.weight"),
            dtype: "F32",
            shape: shape.to_vec(),
            bytes: vec![0; 4 * (shape[0] * shape[1]) as usize],
        };
        Self {
            model: Tiny::default(),
            settings: json!({"peft_type": "LORA", "r": 4, "lora_alpha": 8, "base_model_name_or_path": "a/base"}),
            tensors: vec![tensor("lora_A", [4, 256]), tensor("lora_B", [256, 4])],
        }
    }

    /// Packs the model with the adapter.
    fn pack(&self, folder: &Path, more: &[&str]) -> std::process::Output {
        let (model, adapter) = (folder.join("model"), folder.join("adapter"));
        self.model.write(&model);
        fs::create_dir_all(&adapter).unwrap();
        fs::write(adapter.join("adapter_config.json"), self.settings.to_string()).unwrap();
        fs::write(adapter.join("adapter_model.safetensors"), safetensors(&self.tensors)).unwrap();
        let (model, adapter, output) = (model.to_str().unwrap(), adapter.to_str().unwrap(), folder.join("out.gguf"));
        let arguments =
            ["pack", model, "-t", "q8_0", "--device", "cpu", "-o", output.to_str().unwrap(), "--lora", adapter];
        common::tuck(&[&arguments, more].concat())
    }
}

fn refused(what: &str, words: &[&str], spoil: impl FnOnce(&mut Pair)) {
    let folder = tempfile::tempdir().unwrap();
    let mut pair = Pair::new();
    spoil(&mut pair);
    let result = pair.pack(folder.path(), &[]);
    let message = String::from_utf8_lossy(&result.stderr);
    assert_eq!(result.status.code(), Some(1), "{what}: {message}");
    words.iter().for_each(|word| assert!(message.contains(word), "{what}: the message lacks {word:?}: {message}"));
    assert_eq!(message.trim().lines().count(), 1, "{what}: one paragraph: {message}");
    assert!(!folder.path().join("out.gguf").exists(), "{what}: nothing may be left behind");
}

#[test]
fn adapters_that_do_not_fit_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Pair::new().pack(folder.path(), &[]).status.success(), "the unspoilt pair packs");

    let renamed = |pair: &mut Pair, from: &str, to: &str| {
        pair.tensors.iter_mut().for_each(|tensor| tensor.name = tensor.name.replace(from, to));
    };
    let more = |pair: &mut Pair, name: &str, shape: &[u64]| {
        let bytes = vec![0; 4 * shape.iter().product::<u64>() as usize];
        let name = format!("base_model.model.{name}");
        pair.tensors.push(Stored { name, dtype: "F32", shape: shape.to_vec(), bytes });
    };
    let reshaped = |pair: &mut Pair, index: usize, shape: &[u64]| {
        let tensor = &mut pair.tensors[index];
        (tensor.shape, tensor.bytes) = (shape.to_vec(), vec![0; 4 * shape.iter().product::<u64>() as usize]);
    };
    refused("another kind", &["adapter_config.json", "IA3", "LORA"], |p| p.settings["peft_type"] = json!("IA3"));
    refused("no rank", &["adapter_config.json", "its r is null"], |p| p.settings["r"] = Json::Null);
    refused("rank 0", &["its r is 0"], |p| p.settings["r"] = json!(0));
    refused("alpha that is no number", &["lora_alpha", "\"much\""], |p| p.settings["lora_alpha"] = json!("much"));
    refused("a pattern that is none", &["rank_pattern", "regular expression"], |p| {
        p.settings["rank_pattern"] = json!({"(": 4});
    });
    refused("layers replicated", &["layer_replication", "PEFT"], |p| p.settings["layer_replication"] = json!([[0, 2]]));
    refused("activated", &["invocation tokens", "tuck adapter"], |p| {
        p.settings["alora_invocation_tokens"] = json!([1, 2])
    });
    refused("rank of the config", &["lora_A", "rank 4", "it is 8"], |p| p.settings["r"] = json!(8));
    refused("rank of B", &["lora_B", "rank 4", "has 3"], |p| reshaped(p, 1, &[256, 3]));
    refused("no B", &["lora_A", "no lora_B"], |p| p.tensors.truncate(1));
    refused("no A", &["lora_B", "no lora_A"], |p| drop(p.tensors.remove(0)));
    refused("inputs", &["256 x 128", "256 x 256", "a/base"], |p| reshaped(p, 0, &[4, 128]));
    refused("outputs", &["128 x 256", "256 x 256"], |p| reshaped(p, 1, &[128, 4]));
    refused("three dimensions", &["lora_A", "a matrix was expected"], |p| reshaped(p, 0, &[4, 256, 1]));
    refused("whole numbers", &["lora_A", "I32"], |p| p.tensors[0].dtype = "I32");
    refused("another layer", &["layers.7", "2 layers", "a/base"], |p| renamed(p, "layers.0", "layers.7"));
    refused("an unknown module", &["q_norm", "does not have", "a/base"], |p| renamed(p, "q_proj", "q_norm"));
    refused("twice", &["second time"], |p| {
        more(p, "model.layers.0.self_attn.q_proj.lora_A.default.weight", &[4, 256]);
    });
    refused("a bias of its own", &["lora_bias", "PEFT"], |p| {
        more(p, "model.layers.0.self_attn.q_proj.lora_B.bias", &[256]);
    });
    refused("more tokens", &["vocabulary of 70 tokens", "has 64"], |p| {
        more(p, "model.embed_tokens.weight", &[70, 256])
    });
    refused("more tokens by a product", &["vocabulary of 70 tokens", "has 64"], |p| {
        more(p, "model.embed_tokens.lora_embedding_A", &[4, 70]);
        more(p, "model.embed_tokens.lora_embedding_B", &[256, 4]);
    });
    refused("an output that is shared", &["lm_head", "shares with the token embedding"], |p| {
        more(p, "lm_head.lora_A.weight", &[4, 256]);
        more(p, "lm_head.lora_B.weight", &[64, 4]);
    });
    refused("a bias that the base lacks", &["blk.0.attn_q.bias", "does not have"], |p| {
        more(p, "model.layers.0.self_attn.q_proj.bias", &[256]);
    });
    refused("magnitudes of another number", &["lora_magnitude_vector", "255 numbers", "256"], |p| {
        more(p, "model.layers.0.self_attn.q_proj.lora_magnitude_vector", &[255]);
    });
    refused("NaN in a factor", &["attn_q", "NaN or infinite"], |p| {
        p.tensors[0].bytes[..4].copy_from_slice(&f32::NAN.to_le_bytes());
        p.tensors[1].bytes = 1f32.to_le_bytes().repeat(1024);
    });
    refused("a file cut short", &["adapter_model.safetensors"], |p| p.tensors[1].bytes.truncate(100));
}
