//! Weights that are stored as codes open as what they stand for, in every layout, whatever a family does to their order.

mod common;

use common::packed::tensors;
use common::tiny::{Stored, Tiny};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Makes models by `quantized_models.py`; pairs of a quantized one and the same weights as plain F32.
fn made(folder: &Path, models: &[String]) -> Vec<[PathBuf; 2]> {
    let out = folder.join("models");
    let mut arguments = vec![out.to_str().unwrap()];
    arguments.extend(models.iter().map(String::as_str));
    let listed: Vec<PathBuf> = common::peer("quantized_models.py", &arguments).lines().map(PathBuf::from).collect();
    assert_eq!(listed.len(), 2 * models.len());
    listed.as_chunks().0.to_vec()
}

fn pack(model: &Path, kind: &str, folder: &Path) -> PathBuf {
    common::pack(model, kind, folder, &["--device", "cpu"])
}

const WAYS: &[&str] = &[
    "fp8-block",
    "fp8-e8m0",
    "fp8-tensor",
    "fp8-channel",
    "fp8-fbgemm",
    "fp8-alone",
    "fp8-e5m2",
    "int8",
    "int8-zero",
    "int4",
    "int4-zero",
    "int4-order",
    "int5",
    "packed8",
    "gptq",
    "gptq-order",
    "gptq8",
    "gptq2",
    "awq",
    "f64",
];

/// Families that permute, split, stack or transpose.
const FAMILIES: &[&str] = &["mixtral", "phi3", "deepseek-v3", "internlm2", "gptneox", "qwen3-moe"];

#[test]
fn every_layout_stands_for_the_weights_that_it_should() {
    let folder = tempfile::tempdir().unwrap();
    let of_llama = WAYS.iter().map(|way| format!("llama3:{way}"));
    let of_others = FAMILIES
        .iter()
        .flat_map(|card| ["fp8-block", "int4-order", "gptq-order", "awq"].map(|way| format!("{card}:{way}")));
    let models: Vec<String> = of_llama.chain(of_others).collect();
    for [quantized, plain] in made(folder.path(), &models) {
        let (ours, expected) = (pack(&quantized, "F32", folder.path()), pack(&plain, "F32", folder.path()));
        let (ours, expected) = (tensors(&ours), tensors(&expected));
        assert_eq!(ours.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{}", quantized.display());
        for (name, tensor) in &ours {
            assert!(*tensor == expected[name], "{}: {name}", quantized.display());
        }
    }
}

#[test]
fn what_the_converter_reads_equals_what_it_writes() {
    let folder = tempfile::tempdir().unwrap();
    let references: BTreeMap<String, BTreeMap<String, String>> =
        serde_json::from_slice(&fs::read(common::root().join("tests/data/quantized.json")).unwrap()).unwrap();
    let models: Vec<String> = references.keys().cloned().collect();
    let mut files = Vec::new();
    let mut expected = Vec::new();
    for ([quantized, _], (model, reference)) in made(folder.path(), &models).iter().zip(&references) {
        // The converter makes 16 bits of F64; Tuck keeps what a GGUF file can hold of it.
        let auto = if model.ends_with("f64") { "F16" } else { "COPY" };
        for (outtype, kind) in [("auto", auto), ("f32", "F32")] {
            files.push(pack(quantized, kind, folder.path()));
            expected.push((model, outtype, &reference[outtype]));
        }
    }
    let files: Vec<&str> = files.iter().map(|file| file.to_str().unwrap()).collect();
    let digests = common::peer("tensor_digest.py", &files);
    for (digest, (model, outtype, expected)) in digests.lines().zip(&expected) {
        assert_eq!(digest, *expected, "{model} as {outtype}");
    }
    assert_eq!(digests.lines().count(), expected.len());
}

#[test]
fn a_person_is_told_that_weights_were_quantized_before() {
    let folder = tempfile::tempdir().unwrap();
    let models = ["gptq", "fp8-block", "f64"].map(|way| format!("llama3:{way}"));
    let made = made(folder.path(), &models);
    let inspect = |model: &Path| -> Json {
        serde_json::from_str(&common::tuck_ok(&["inspect", model.to_str().unwrap(), "--json"])).unwrap()
    };
    for ([quantized, _], name) in made.iter().zip(["GPTQ 4-bit", "FP8 E4M3", ""]) {
        let found = inspect(quantized);
        let notes = found["notes"].as_array().unwrap();
        match name {
            "" => assert!(notes.is_empty(), "{notes:?}"),
            name => assert!(notes.iter().any(|c| c.as_str().unwrap().contains(name)), "{notes:?} lacks {name}"),
        }
    }
    let [gptq, _] = &made[0];
    let output = folder.path().join("out.gguf");
    let arguments = ["pack", gptq.to_str().unwrap(), "-t", "q8_0", "-o", output.to_str().unwrap(), "--dry-run"];
    let warned = String::from_utf8(common::tuck(&arguments).stderr).unwrap();
    assert!(warned.contains("already quantized") && warned.contains("GPTQ 4-bit"), "{warned}");
    let precision = inspect(gptq)["precision"].clone();
    let formats: Vec<&Json> = precision.as_array().unwrap().iter().map(|part| &part["format"]).collect();
    assert_eq!(formats, ["GPTQ 4-bit", "BF16"], "the most bytes first");
    let copied = tensors(&pack(gptq, "COPY", folder.path()));
    assert_eq!(copied["blk.0.attn_q.weight"].format.name, "BF16");
}

const Q: &str = "model.layers.0.self_attn.q_proj";

/// A tiny model whose first queries are stored in pieces: ends of names, dtypes, shapes, bytes.
fn pieces(config: Json, parts: &[(&str, &'static str, &[u64], Vec<u8>)]) -> Tiny {
    let mut tiny = Tiny::default();
    tiny.config["quantization_config"] = config;
    tiny.tensors.retain(|tensor| tensor.name != format!("{Q}.weight"));
    tiny.tensors.extend(parts.iter().map(|(end, dtype, shape, bytes)| Stored {
        name: format!("{Q}{end}"),
        dtype,
        shape: shape.to_vec(),
        bytes: bytes.clone(),
    }));
    tiny
}

fn f32s(value: f32, count: usize) -> Vec<u8> {
    value.to_le_bytes().repeat(count)
}

fn f16s(value: f32, count: usize) -> Vec<u8> {
    half::f16::from_f32(value).to_le_bytes().repeat(count)
}

fn fp8() -> Tiny {
    let parts: [(_, _, &[u64], _); 2] =
        [(".weight", "F8_E4M3", &[256, 256], vec![0x38; 65536]), (".weight_scale_inv", "F32", &[2, 2], f32s(0.5, 4))];
    pieces(json!({"quant_method": "fp8", "weight_block_size": [128, 128]}), &parts)
}

fn gptq() -> Tiny {
    let groups: Vec<u8> = (0..256).flat_map(|n: i32| (n / 128).to_le_bytes()).collect();
    let parts: [(_, _, &[u64], _); 4] = [
        (".qweight", "I32", &[32, 256], vec![0x21; 32 * 256 * 4]),
        (".qzeros", "I32", &[2, 32], vec![0x77; 2 * 32 * 4]),
        (".scales", "F16", &[2, 256], f16s(0.01, 512)),
        (".g_idx", "I32", &[256], groups),
    ];
    pieces(json!({"quant_method": "gptq", "bits": 4, "group_size": 128}), &parts)
}

fn awq() -> Tiny {
    let parts: [(_, _, &[u64], _); 3] = [
        (".qweight", "I32", &[256, 32], vec![0x21; 32 * 256 * 4]),
        (".qzeros", "I32", &[2, 32], vec![0x77; 2 * 32 * 4]),
        (".scales", "F16", &[2, 256], f16s(0.01, 512)),
    ];
    pieces(json!({"quant_method": "awq", "bits": 4, "group_size": 128, "version": "gemm"}), &parts)
}

fn packed() -> Tiny {
    let shape = [256i64, 256].iter().flat_map(|n| n.to_le_bytes()).collect();
    let parts: [(_, _, &[u64], _); 3] = [
        (".weight_packed", "I32", &[256, 32], vec![0x21; 256 * 32 * 4]),
        (".weight_scale", "F16", &[256, 2], f16s(0.01, 512)),
        (".weight_shape", "I64", &[2], shape),
    ];
    let weights = json!({"num_bits": 4, "type": "int", "group_size": 128, "strategy": "group", "symmetric": true});
    let config = json!({
        "quant_method": "compressed-tensors", "format": "pack-quantized",
        "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights}}
    });
    pieces(config, &parts)
}

/// Packs what `spoil` makes of a model, which has to be refused with all these words.
fn refused(of: fn() -> Tiny, what: &str, words: &[&str], spoil: impl FnOnce(&mut Tiny)) {
    let folder = tempfile::tempdir().unwrap();
    let (model, output) = (folder.path().join("model"), folder.path().join("out.gguf"));
    let mut tiny = of();
    spoil(&mut tiny);
    tiny.write(&model);
    let arguments = ["pack", model.to_str().unwrap(), "-t", "q8_0", "--device", "cpu", "-o", output.to_str().unwrap()];
    let result = common::tuck(&arguments);
    let message = String::from_utf8_lossy(&result.stderr);
    assert_eq!(result.status.code(), Some(1), "{what}: {message}");
    let last = message.trim().lines().last().unwrap();
    words.iter().for_each(|word| assert!(last.contains(word), "{what}: the message lacks {word:?}: {message}"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "{what}: nothing may be left behind");
}

fn part<'a>(tiny: &'a mut Tiny, end: &str) -> &'a mut Stored {
    tiny.get(&format!("{Q}{end}"))
}

fn without(tiny: &mut Tiny, end: &str) {
    tiny.tensors.retain(|tensor| tensor.name != format!("{Q}{end}"));
}

fn settings(tiny: &mut Tiny) -> &mut Json {
    &mut tiny.config["quantization_config"]
}

#[test]
fn pieces_that_do_not_belong_together_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    for (name, of) in [("fp8", fp8 as fn() -> Tiny), ("gptq", gptq), ("awq", awq), ("packed", packed)] {
        let model = folder.path().join(name);
        of().write(&model);
        pack(&model, "q8_0", folder.path());
    }
    let reshaped = |stored: &mut Stored, shape: &[u64]| {
        let width = stored.bytes.len() as u64 / stored.shape.iter().product::<u64>();
        (stored.shape, stored.bytes) = (shape.to_vec(), vec![0x11; (width * shape.iter().product::<u64>()) as usize]);
    };
    refused(fp8, "unknown method", &["config.json", "\"exl3\"", "gptq", "original model"], |t| {
        settings(t)["quant_method"] = json!("exl3");
    });
    refused(fp8, "bitsandbytes", &["q_proj.weight.absmax", "bitsandbytes", "original model"], |t| {
        settings(t)["quant_method"] = json!("bitsandbytes");
        part(t, ".weight_scale_inv").name = format!("{Q}.weight.absmax");
    });
    refused(fp8, "no codes", &["q_proj.weight", "missing", "weight_scale_inv"], |t| without(t, ".weight"));
    refused(fp8, "scales of other blocks", &["3 x 2 scales", "256 x 256", "128 x 128"], |t| {
        reshaped(part(t, ".weight_scale_inv"), &[3, 2]);
    });
    refused(fp8, "no size of a block", &["2 x 2 scales", "each row or all of it"], |t| {
        settings(t)["weight_block_size"] = Json::Null;
    });
    refused(fp8, "a block of nothing", &["2 x 2 scales"], |t| settings(t)["weight_block_size"] = json!([0, 128]));
    refused(fp8, "NaN among the codes", &["q_proj", "NaN or infinite", "row 6"], |t| {
        part(t, ".weight").bytes[3 * 256 + 9] = 0x7f;
    });
    for scale in [f32::NAN, f32::INFINITY, 0.0] {
        refused(fp8, "a scale", &["q_proj", &format!("the scale {scale}"), "row 1, column 0", "download"], |t| {
            part(t, ".weight_scale_inv").bytes[8..12].copy_from_slice(&scale.to_le_bytes());
        });
    }
    refused(fp8, "codes that need scales", &["model.norm.weight", "I8", "scales"], |t| {
        let norm = t.get("model.norm.weight");
        (norm.dtype, norm.bytes) = ("I8", vec![0; 256]);
    });
    refused(fp8, "scales of whole numbers in words", &["weight_scale_inv", "U16"], |t| {
        let scale = part(t, ".weight_scale_inv");
        (scale.dtype, scale.bytes) = ("U16", vec![1; 8]);
    });

    refused(gptq, "no scales", &["q_proj.scales", "missing", "qweight"], |t| without(t, ".scales"));
    refused(gptq, "no zero points", &["q_proj.qzeros", "missing"], |t| without(t, ".qzeros"));
    refused(gptq, "a group out of range", &["q_proj", "group 2", "input 77", "2 groups"], |t| {
        part(t, ".g_idx").bytes[77 * 4] = 2;
    });
    refused(gptq, "a negative group", &["group -5", "input 0"], |t| {
        part(t, ".g_idx").bytes[..4].copy_from_slice(&(-5i32).to_le_bytes());
    });
    refused(gptq, "too few groups listed", &["q_proj.g_idx", "255", "256"], |t| reshaped(part(t, ".g_idx"), &[255]));
    refused(gptq, "zero points of another width", &["q_proj.qzeros", "2 x 31", "2 x 32"], |t| {
        reshaped(part(t, ".qzeros"), &[2, 31]);
    });
    refused(gptq, "codes of another height", &["q_proj", "256 x 248", "256 x 256"], |t| {
        reshaped(part(t, ".qweight"), &[31, 256]);
        reshaped(part(t, ".g_idx"), &[248]);
    });
    refused(gptq, "scales of other outputs", &["q_proj.qweight", "32 x 256", "32 x 128"], |t| {
        reshaped(part(t, ".scales"), &[2, 128]);
    });
    refused(gptq, "groups of no size", &["q_proj.scales", "2 groups", "groups of 100"], |t| {
        without(t, ".g_idx");
        settings(t)["group_size"] = json!(100);
    });
    refused(gptq, "a bit width", &["config.json", "3 bits", "2, 4, 8"], |t| settings(t)["bits"] = json!(3));
    refused(gptq, "no bit width", &["config.json", "null bits"], |t| settings(t)["bits"] = Json::Null);
    refused(gptq, "a layout of kernels", &["checkpoint_format", "marlin"], |t| {
        settings(t)["checkpoint_format"] = json!("marlin");
    });
    refused(gptq, "words of another width", &["q_proj.qweight", "I64", "I32"], |t| {
        let codes = part(t, ".qweight");
        (codes.dtype, codes.bytes) = ("I64", vec![0; 32 * 256 * 8]);
    });
    refused(gptq, "plain weights beside", &["q_proj.weight", "same part"], |t| {
        let codes = t.get("model.layers.1.self_attn.q_proj.weight").clone();
        t.tensors.push(Stored { name: format!("{Q}.weight"), ..codes });
    });
    refused(awq, "the other version", &["config.json", "gemv"], |t| settings(t)["version"] = json!("gemv"));
    refused(awq, "a group of another size", &["q_proj.scales", "2 groups", "groups of 64 have 4"], |t| {
        settings(t)["group_size"] = json!(64);
    });

    refused(packed, "an unknown format", &["config.json", "marlin-24", "pack-quantized"], |t| {
        settings(t)["format"] = json!("marlin-24");
    });
    refused(packed, "groups that differ", &["config.json", "differ in bits"], |t| {
        let mut other = settings(t)["config_groups"]["group_0"].clone();
        other["weights"]["num_bits"] = json!(8);
        settings(t)["config_groups"]["group_1"] = other;
    });
    refused(packed, "a shape of its own", &["q_proj.weight_packed", "256 x 32", "256 x 64"], |t| {
        part(t, ".weight_shape").bytes[8..10].copy_from_slice(&[0, 2]);
    });
    refused(packed, "a negative shape", &["q_proj.weight_shape", "sizes were expected"], |t| {
        part(t, ".weight_shape").bytes[8..].copy_from_slice(&(-256i64).to_le_bytes());
    });
    refused(packed, "no shape", &["q_proj.weight_shape", "missing"], |t| without(t, ".weight_shape"));
    refused(packed, "no group size", &["q_proj.weight_scale", "group_size"], |t| {
        settings(t)["config_groups"]["group_0"]["weights"]["group_size"] = Json::Null;
    });
    refused(packed, "bits that no word holds", &["config.json", "num_bits 16"], |t| {
        settings(t)["config_groups"]["group_0"]["weights"]["num_bits"] = json!(16);
    });
}
