//! Bad input: a message that names what is wrong, exit code 1, and no file.

mod common;

use common::tiny::{Stored, Tiny, safetensors, with_header};
use serde_json::{Value as Json, json};
use std::fs;
use std::path::Path;

/// Packs what `spoil` made in a folder, and expects a refusal with all these words and nothing written.
fn refused(what: &str, words: &[&str], spoil: impl FnOnce(&Path)) {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    Tiny::default().write(&model);
    spoil(&model);
    refused_at(what, words, &model, &[]);
}

fn refused_at(what: &str, words: &[&str], model: &Path, more: &[&str]) {
    let out = tempfile::tempdir().unwrap();
    let output = out.path().join("out.gguf");
    let mut arguments =
        vec!["pack", model.to_str().unwrap(), "--type", "q8_0", "--device", "cpu", "-o", output.to_str().unwrap()];
    arguments.extend(more);
    let result = common::tuck(&arguments);
    let message = String::from_utf8_lossy(&result.stderr);
    assert_eq!(result.status.code(), Some(1), "{what}: exit code; stderr: {message}");
    for word in words {
        assert!(message.contains(word), "{what}: the message lacks {word:?}: {message}");
    }
    assert_eq!(message.trim().lines().count(), 1, "{what}: one paragraph: {message}");
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0, "{what}: nothing may be left behind");
}

fn spoil_json(path: &Path, change: impl FnOnce(&mut Json)) {
    let mut json = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    change(&mut json);
    fs::write(path, json.to_string()).unwrap();
}

#[test]
fn the_unspoilt_folder_packs() {
    let folder = tempfile::tempdir().unwrap();
    Tiny::default().write(&folder.path().join("model"));
    common::pack(&folder.path().join("model"), "q8_0", folder.path(), &["--device", "cpu"]);
}

#[test]
fn safetensors_files() {
    let weights = "model.safetensors";
    let truncate = |model: &Path, bytes: u64| {
        let file = fs::OpenOptions::new().write(true).open(model.join(weights)).unwrap();
        file.set_len(file.metadata().unwrap().len() - bytes).unwrap();
    };
    refused("cut short", &[weights, "offsets", "download it again"], |m| truncate(m, 1000));
    refused("empty file", &[weights, "0 bytes"], |m| fs::write(m.join(weights), b"").unwrap());
    refused("cut in the header", &[weights, "header claims"], |m| {
        let bytes = fs::read(m.join(weights)).unwrap();
        fs::write(m.join(weights), &bytes[..100]).unwrap();
    });
    for length in [1u64 << 63, u64::MAX, 1 << 40] {
        refused("header length", &[weights, &length.to_string(), "claims"], |m| {
            let mut bytes = fs::read(m.join(weights)).unwrap();
            bytes[..8].copy_from_slice(&length.to_le_bytes());
            fs::write(m.join(weights), bytes).unwrap();
        });
    }
    refused("header that is no JSON", &[weights, "not a valid safetensors header"], |m| {
        fs::write(m.join(weights), with_header("{not json", &[])).unwrap();
    });
    refused("header that is an array", &[weights, "an object of tensors"], |m| {
        fs::write(m.join(weights), with_header("[1,2]", &[])).unwrap();
    });
    let entry = |shape: Json, offsets: Json| json!({"dtype": "F16", "shape": shape, "data_offsets": offsets});
    let header =
        |m: &Path, header: Json| fs::write(m.join(weights), with_header(&header.to_string(), &[0; 64])).unwrap();
    refused("overlap", &["a", "b", "overlap"], |m| {
        header(m, json!({"a": entry(json!([16]), json!([0, 32])), "b": entry(json!([16]), json!([16, 48]))}));
    });
    refused("out of range", &["tensor a", "64 bytes of data"], |m| {
        header(m, json!({"a": entry(json!([64]), json!([0, 128]))}))
    });
    refused("end before start", &["tensor a", "32 to 0"], |m| {
        header(m, json!({"a": entry(json!([16]), json!([32, 0]))}))
    });
    refused("huge offsets", &["tensor a"], |m| {
        header(m, json!({"a": entry(json!([16]), json!([u64::MAX - 31, u64::MAX]))}))
    });
    refused("shape against bytes", &["tensor a", "30 bytes", "hold 32"], |m| {
        header(m, json!({"a": entry(json!([15]), json!([0, 32]))}))
    });
    refused("overflowing shape", &["tensor a", "too large"], |m| {
        header(m, json!({"a": entry(json!([u64::MAX, u64::MAX]), json!([0, 32]))}));
    });
    refused("negative shape", &[weights, "tensor a"], |m| header(m, json!({"a": entry(json!([-1]), json!([0, 32]))})));
    refused("missing offsets", &[weights, "data_offsets"], |m| {
        header(m, json!({"a": {"dtype": "F16", "shape": [16]}}))
    });
    refused("unknown precision", &["tensor a", "F7", "safetensors files do not hold"], |m| {
        header(m, json!({"a": {"dtype": "F7", "shape": [4], "data_offsets": [0, 32]}}));
    });
    refused("duplicate tensors", &["stands twice", "name a"], |m| {
        let one = r#""a":{"dtype":"F16","shape":[16],"data_offsets":[0,32]}"#;
        fs::write(m.join(weights), with_header(&format!("{{{one},{one}}}"), &[0; 64])).unwrap();
    });
    refused("no tensors", &["not one tensor"], |m| fs::write(m.join(weights), with_header("{}", &[])).unwrap());
}

#[test]
fn tensors_that_do_not_fit_the_config() {
    let write = |m: &Path, change: &dyn Fn(&mut Tiny)| {
        let mut tiny = Tiny::default();
        change(&mut tiny);
        tiny.write(m);
    };
    refused("another hidden size", &["model.embed_tokens.weight", "64 x 256", "64 x 128"], |m| {
        spoil_json(&m.join("config.json"), |c| c["hidden_size"] = json!(128));
    });
    refused("fewer layers", &["model.layers.1.", "1 layers"], |m| {
        spoil_json(&m.join("config.json"), |c| c["num_hidden_layers"] = json!(1));
    });
    refused("more layers", &["blk.2.attn_norm.weight", "missing"], |m| {
        spoil_json(&m.join("config.json"), |c| c["num_hidden_layers"] = json!(2_000_000));
    });
    refused("missing tensor", &["blk.1.ffn_up.weight", "missing"], |m| {
        write(m, &|t| t.tensors.retain(|t| t.name != "model.layers.1.mlp.up_proj.weight"));
    });
    refused("untied without an output", &["output.weight", "missing"], |m| {
        spoil_json(&m.join("config.json"), |c| c["tie_word_embeddings"] = json!(false));
    });
    refused("unknown tensor", &["model.layers.0.mlp.experts.weight", "known are"], |m| {
        write(m, &|t| {
            let name = "model.layers.0.mlp.experts.weight".to_owned();
            t.tensors.push(Stored { name, dtype: "F16", shape: vec![2], bytes: vec![0; 4] });
        });
    });
    refused("whole numbers as weights", &["model.norm.weight", "I16", "F32, F16 and BF16"], |m| {
        write(m, &|t| t.get("model.norm.weight").dtype = "I16");
    });
    refused("one tensor by two names", &["tensors model.norm.weight and norm.weight", "same part"], |m| {
        write(m, &|t| {
            let norm = t.get("model.norm.weight").clone();
            t.tensors.push(Stored { name: "norm.weight".to_owned(), ..norm });
        });
    });
    refused("empty tensor", &["model.norm.weight", "shape 0"], |m| {
        write(m, &|t| {
            let norm = t.get("model.norm.weight");
            norm.shape = vec![0];
            norm.bytes.clear();
        });
    });
    refused("scalar", &["model.norm.weight", "single number"], |m| {
        write(m, &|t| {
            let norm = t.get("model.norm.weight");
            norm.shape = vec![];
            norm.bytes.truncate(2);
        });
    });
}

#[test]
fn weights_that_are_no_numbers() {
    for (bad, at) in [(half::f16::NAN, 300), (half::f16::INFINITY, 0), (half::f16::NEG_INFINITY, 512 * 256 - 1)] {
        let name = "model.layers.1.mlp.gate_proj.weight";
        let place = format!("row {}, column {}", at / 256, at % 256);
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("model");
        let mut tiny = Tiny::default();
        tiny.get(name).bytes[2 * at..2 * at + 2].copy_from_slice(&bad.to_le_bytes());
        tiny.write(&model);
        refused_at("not finite", &[name, "blk.1.ffn_gate.weight", &place, "--allow-nonfinite"], &model, &[]);
        let out = common::pack(&model, "q8_0", folder.path(), &["--device", "cpu", "--allow-nonfinite"]);
        assert!(out.is_file());
    }
}

#[test]
fn documents() {
    refused("no config", &["config.json", "Hugging Face"], |m| fs::remove_file(m.join("config.json")).unwrap());
    refused("config that is no JSON", &["config.json", "not valid JSON"], |m| {
        fs::write(m.join("config.json"), "{").unwrap()
    });
    refused("config that is a list", &["config.json", "no JSON object"], |m| {
        fs::write(m.join("config.json"), "[]").unwrap()
    });
    let config = |change: fn(&mut Json)| move |m: &Path| spoil_json(&m.join("config.json"), change);
    refused(
        "unknown family",
        &["MambaForCausalLM", "Llama"],
        config(|c| c["architectures"] = json!(["MambaForCausalLM"])),
    );
    refused("no family", &["architectures are []"], config(|c| c["architectures"] = json!(null)));
    refused("no width", &["hidden_size"], config(|c| c["hidden_size"] = json!(null)));
    refused("width as text", &["hidden_size", "whole number"], config(|c| c["hidden_size"] = json!("256")));
    refused("negative width", &["hidden_size", "-1"], config(|c| c["hidden_size"] = json!(-1)));
    refused("zero heads", &["num_attention_heads"], config(|c| c["num_attention_heads"] = json!(0)));
    refused("huge vocabulary", &["vocab_size"], config(|c| c["vocab_size"] = json!(u64::MAX)));
    refused("heads that do not divide", &["num_key_value_heads 3"], config(|c| c["num_key_value_heads"] = json!(3)));
    refused(
        "unknown rope",
        &["rope", "spiral", "llama3"],
        config(|c| c["rope_scaling"] = json!({"rope_type": "spiral", "factor": 4.0})),
    );
    refused("rope without a factor", &["factor"], config(|c| c["rope_scaling"] = json!({"rope_type": "linear"})));

    refused("experts that are not there", &["blk.0.ffn_gate_inp.weight", "block_sparse_moe.gate", "missing"], |m| {
        spoil_json(&m.join("config.json"), |c| c["architectures"] = json!(["MixtralForCausalLM"]));
    });
    refused("a module elsewhere", &["modules.json", "../other", "refused"], |m| {
        fs::write(m.join("modules.json"), json!([{"type": "a.Pooling", "path": "../other"}]).to_string()).unwrap();
    });
    let rope = |scaling: Json| move |m: &Path| spoil_json(&m.join("config.json"), move |c| c["rope_scaling"] = scaling);
    refused("yarn without a length", &["original_max_position_embeddings"], rope(json!({"type": "yarn", "factor": 2})));
    refused("rope that shrinks to nothing", &["factor 0"], rope(json!({"type": "linear", "factor": 0})));

    let tokenizer = |change: fn(&mut Json)| move |m: &Path| spoil_json(&m.join("tokenizer.json"), change);
    refused("no tokenizer", &["tokenizer.json", "not there"], |m| fs::remove_file(m.join("tokenizer.json")).unwrap());
    refused("another tokenizer", &["Unigram", "byte-level BPE"], tokenizer(|t| t["model"]["type"] = json!("Unigram")));
    refused(
        "unknown splitting",
        &["pre-tokenizer", "nearest", "--pre-tokenizer"],
        tokenizer(|t| t["pre_tokenizer"] = json!({"type": "WhitespaceSplit"})),
    );
    refused(
        "unknown normalizer",
        &["the nearest is gpt-2", "test strings"],
        tokenizer(|t| t["normalizer"] = json!({"type": "Lowercase"})),
    );
    refused(
        "marks at the end of words",
        &["end_of_word_suffix", "</w>"],
        tokenizer(|t| t["model"]["end_of_word_suffix"] = json!("</w>")),
    );
    refused("token past the end", &["t9", "900", "64 tokens"], tokenizer(|t| t["model"]["vocab"]["t9"] = json!(900)));
    refused("shared id", &["share the id 7"], tokenizer(|t| t["model"]["vocab"]["t9"] = json!(7)));
    refused("no vocabulary", &["no vocab"], tokenizer(|t| t["model"]["vocab"] = json!([])));
    refused("bad merge", &["merge 1"], tokenizer(|t| t["model"]["merges"] = json!(["t 1", 7])));
    refused("added token past the end", &["64", "added"], tokenizer(|t| t["added_tokens"][0]["id"] = json!(64)));
}

#[test]
fn indices_and_other_files() {
    let index = |m: &Path, map: Json| {
        fs::write(m.join("model.safetensors.index.json"), json!({"weight_map": map}).to_string()).unwrap();
    };
    refused("index to another folder", &["index.json", "../model.safetensors", "plain file name"], |m| {
        index(m, json!({"model.norm.weight": "../model.safetensors"}));
    });
    refused("index to an absolute path", &["/etc/passwd", "plain file name"], |m| {
        index(m, json!({"model.norm.weight": "/etc/passwd"}))
    });
    refused("index to a missing shard", &["model-00002-of-00002.safetensors", "not there"], |m| {
        index(m, json!({"model.norm.weight": "model-00002-of-00002.safetensors"}));
    });
    refused("index to a shard without the tensor", &["other.weight", "no shard holds it"], |m| {
        index(m, json!({"other.weight": "model.safetensors"}));
    });
    refused("index without a map", &["weight_map"], |m| index(m, json!(null)));
    refused("index of numbers", &["no file name"], |m| index(m, json!({"model.norm.weight": 5})));
    refused("tensor in two shards", &["model.norm.weight", "twice"], |m| {
        let norm = Tiny::default().get("model.norm.weight").clone();
        fs::write(m.join("extra.safetensors"), safetensors(&[norm])).unwrap();
        index(m, json!({"model.norm.weight": "extra.safetensors", "model.embed_tokens.weight": "model.safetensors"}));
    });
    refused("no weights", &["neither model.safetensors nor"], |m| {
        fs::remove_file(m.join("model.safetensors")).unwrap()
    });
    refused("a pickle in the folder", &["pytorch_model.bin", "run code"], |m| {
        fs::rename(m.join("model.safetensors"), m.join("pytorch_model.bin")).unwrap();
    });

    let folder = tempfile::tempdir().unwrap();
    for (name, words) in [
        ("model.pt", &["pickle", "run code"][..]),
        ("model.bin", &["pickle"]),
        ("model.txt", &["neither"]),
        ("lonely.safetensors", &["config.json", "beside"]),
        ("empty.gguf", &["header"]),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, b"").unwrap();
        refused_at(name, words, &path, &[]);
    }
    refused_at("nothing there", &["absent", "cannot be read"], &folder.path().join("absent"), &[]);
}

#[test]
fn outputs() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    Tiny::default().write(&model);
    let (model, at) = (model.to_str().unwrap(), |name: &str| folder.path().join(name).to_str().unwrap().to_owned());
    let pack = |output: &str, more: &[&str]| {
        let result =
            common::tuck(&[&["pack", model, "--type", "q8_0", "--device", "cpu", "-o", output], more].concat());
        (result.status.code(), String::from_utf8_lossy(&result.stderr).into_owned())
    };
    fs::write(at("old.gguf"), b"old").unwrap();
    let (code, message) = pack(&at("old.gguf"), &[]);
    assert!(code == Some(1) && message.contains("--force"), "{message}");
    assert_eq!(fs::read(at("old.gguf")).unwrap(), b"old");
    assert_eq!(pack(&at("old.gguf"), &["--force"]).0, Some(0));
    assert!(fs::read(at("old.gguf")).unwrap().starts_with(b"GGUF"));

    let (code, message) = pack(&at("absent/out.gguf"), &[]);
    assert!(code == Some(1) && message.contains("does not exist"), "{message}");
    let (code, message) = pack(&at("model/model.safetensors"), &["--force"]);
    assert!(code == Some(1) && message.contains("never changed"), "{message}");
    let (code, message) = pack("/proc/out.gguf", &[]);
    assert!(code == Some(1), "{message}");
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "only the model and the one output: {left:?}");
}

#[test]
fn overrides() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    Tiny::default().write(&model);
    refused_at("no type", &["attn_v", "PATTERN=TYPE"], &model, &["--tensor-type", "attn_v"]);
    refused_at("unknown type", &["Q9_9", "Q8_0"], &model, &["--tensor-type", "attn_v=Q9_9"]);
    refused_at("bad pattern", &["regular expression"], &model, &["--tensor-type", "attn_(v=Q8_0"]);
    refused_at("no such tensor", &["nonsense", "matches no tensor"], &model, &["--tensor-type", "nonsense=Q8_0"]);
}

/// GGUF headers, by hand.
mod gguf_files {
    use super::*;

    fn string(text: &str) -> Vec<u8> {
        [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
    }

    fn file(tensors: u64, pairs: u64, rest: &[Vec<u8>]) -> Vec<u8> {
        let head = [
            b"GGUF".to_vec(),
            3u32.to_le_bytes().to_vec(),
            tensors.to_le_bytes().to_vec(),
            pairs.to_le_bytes().to_vec(),
        ];
        [head.concat(), rest.concat()].concat()
    }

    fn tensor(name: &str, shape: &[u64], format: u32, offset: u64) -> Vec<u8> {
        let shape_bytes: Vec<u8> = shape.iter().flat_map(|n| n.to_le_bytes()).collect();
        [
            string(name),
            (shape.len() as u32).to_le_bytes().to_vec(),
            shape_bytes,
            format.to_le_bytes().to_vec(),
            offset.to_le_bytes().to_vec(),
        ]
        .concat()
    }

    #[test]
    fn are_refused_by_name() {
        let u32_pair =
            |key: &str, value: u32| [string(key), 4u32.to_le_bytes().to_vec(), value.to_le_bytes().to_vec()].concat();
        let array = |key: &str, item: u32, count: u64| {
            [string(key), 9u32.to_le_bytes().to_vec(), item.to_le_bytes().to_vec(), count.to_le_bytes().to_vec()]
                .concat()
        };
        let pad = |n: usize| vec![0u8; n];
        let cases: Vec<(&str, &[&str], Vec<u8>)> = vec![
            ("magic", &["GGUF file starts with"], b"GGML0000000000000000000000000000".to_vec()),
            ("version", &["version is 1"], [b"GGUF".to_vec(), 1u32.to_le_bytes().to_vec(), pad(64)].concat()),
            ("truncated", &["ends in the middle", "tensor count"], b"GGUF\x03\0\0\0\x01\0".to_vec()),
            ("tensor count", &["announces", "tensor infos"], file(1 << 60, 0, &[pad(64)])),
            ("pair count", &["announces", "metadata pairs"], file(0, u64::MAX, &[pad(64)])),
            (
                "key length",
                &["metadata key 0", "bytes of text"],
                file(0, 1, &[(1u64 << 63).to_le_bytes().to_vec(), pad(64)]),
            ),
            (
                "value type",
                &["a.b", "unknown value type 77"],
                file(0, 1, &[string("a.b"), 77u32.to_le_bytes().to_vec(), pad(64)]),
            ),
            (
                "bool",
                &["a.b", "bool with the value 2"],
                file(0, 1, &[string("a.b"), 7u32.to_le_bytes().to_vec(), vec![2], pad(64)]),
            ),
            ("array length", &["a.b", "values"], file(0, 1, &[array("a.b", 8, u64::MAX), pad(64)])),
            ("array item", &["a.b", "unknown value type 99"], file(0, 1, &[array("a.b", 99, 1), pad(64)])),
            (
                "nested",
                &["a.b", "nests"],
                file(
                    0,
                    1,
                    &[
                        array("a.b", 9, 1),
                        [9u32.to_le_bytes(), 1u32.to_le_bytes(), 0u32.to_le_bytes(), 9u32.to_le_bytes()].concat(),
                        pad(64),
                    ],
                ),
            ),
            ("key twice", &["a.b", "stands twice"], file(0, 2, &[u32_pair("a.b", 1), u32_pair("a.b", 2), pad(64)])),
            (
                "alignment",
                &["general.alignment", "power of two"],
                file(0, 1, &[u32_pair("general.alignment", 3), pad(64)]),
            ),
            ("not UTF-8", &["not valid UTF-8"], file(0, 1, &[2u64.to_le_bytes().to_vec(), vec![0xff, 0xfe], pad(64)])),
            ("dimensions", &["tensor x", "9 dimensions"], file(1, 0, &[tensor("x", &[1; 9], 0, 0), pad(256)])),
            ("no dimensions", &["tensor x", "0 dimensions"], file(1, 0, &[tensor("x", &[], 0, 0), pad(256)])),
            ("shape", &["tensor x", "too many"], file(1, 0, &[tensor("x", &[u64::MAX, 2], 0, 0), pad(256)])),
            ("empty tensor", &["tensor x", "no weights"], file(1, 0, &[tensor("x", &[0], 0, 0), pad(256)])),
            ("type", &["tensor x", "ggml type 999"], file(1, 0, &[tensor("x", &[32], 999, 0), pad(256)])),
            ("row", &["tensor x", "multiple of 32"], file(1, 0, &[tensor("x", &[33], 8, 0), pad(256)])),
            ("misaligned", &["tensor x", "multiple of 32"], file(1, 0, &[tensor("x", &[8], 0, 5), pad(256)])),
            ("past the end", &["tensor x", "cut short"], file(1, 0, &[tensor("x", &[1 << 20], 0, 0), pad(256)])),
            ("offset overflow", &["tensor x"], file(1, 0, &[tensor("x", &[8], 0, u64::MAX - 31), pad(256)])),
            (
                "overlap",
                &["tensors x and y", "overlap"],
                file(2, 0, &[tensor("x", &[16], 0, 0), tensor("y", &[16], 0, 32), pad(256)]),
            ),
            (
                "twice",
                &["tensor x", "twice"],
                file(2, 0, &[tensor("x", &[8], 0, 0), tensor("x", &[8], 0, 32), pad(256)]),
            ),
            ("long name", &["64 bytes"], file(1, 0, &[tensor(&"x".repeat(64), &[8], 0, 0), pad(256)])),
            ("no architecture", &["general.architecture"], file(0, 0, &[pad(64)])),
        ];
        let folder = tempfile::tempdir().unwrap();
        for (what, words, bytes) in cases {
            let path = folder.path().join("hostile.gguf");
            fs::write(&path, bytes).unwrap();
            refused_at(what, &[&["hostile.gguf"], words].concat(), &path, &[]);
        }
    }
}
