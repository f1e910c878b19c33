//! Large shapes, without large files: sparse files have the length and no content.
#![cfg(target_os = "linux")]

mod common;

use serde_json::json;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Runs the program and returns its exit code and its peak resident bytes.
fn measured(arguments: &[&str]) -> (Option<i32>, u64) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tuck"))
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let mut peak = 0;
    loop {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let high_water = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = high_water.and_then(|text| text.trim().trim_end_matches(" kB").parse::<u64>().ok());
        peak = peak.max(kilobytes.unwrap_or(0) * 1024);
        if let Some(status) = child.try_wait().unwrap() {
            return (status.code(), peak);
        }
        std::thread::yield_now();
    }
}

/// A sharded checkpoint of a Llama with these shapes, its weights a hole in the file.
fn sparse_llama(
    folder: &Path,
    layers: u64,
    hidden: u64,
    feed_forward: u64,
    heads: u64,
    kv_heads: u64,
    vocabulary: u64,
) {
    fs::create_dir_all(folder).unwrap();
    let kv = hidden / heads * kv_heads;
    let mut shards: Vec<Vec<(String, Vec<u64>)>> = vec![vec![
        ("model.embed_tokens.weight".to_owned(), vec![vocabulary, hidden]),
        ("model.norm.weight".to_owned(), vec![hidden]),
        ("lm_head.weight".to_owned(), vec![vocabulary, hidden]),
    ]];
    for layer in 0..layers {
        let name = |part: &str| format!("model.layers.{layer}.{part}.weight");
        shards.push(vec![
            (name("input_layernorm"), vec![hidden]),
            (name("self_attn.q_proj"), vec![hidden, hidden]),
            (name("self_attn.k_proj"), vec![kv, hidden]),
            (name("self_attn.v_proj"), vec![kv, hidden]),
            (name("self_attn.o_proj"), vec![hidden, hidden]),
            (name("post_attention_layernorm"), vec![hidden]),
            (name("mlp.gate_proj"), vec![feed_forward, hidden]),
            (name("mlp.up_proj"), vec![feed_forward, hidden]),
            (name("mlp.down_proj"), vec![hidden, feed_forward]),
        ]);
    }
    let mut map = serde_json::Map::new();
    for (index, shard) in shards.iter().enumerate() {
        let file = format!("model-{:05}-of-{:05}.safetensors", index + 1, shards.len());
        let mut header = serde_json::Map::new();
        let mut end = 0;
        for (name, shape) in shard {
            let start = end;
            end += 2 * shape.iter().product::<u64>();
            header.insert(name.clone(), json!({"dtype": "BF16", "shape": shape, "data_offsets": [start, end]}));
            map.insert(name.clone(), json!(file));
        }
        let header = serde_json::Value::Object(header).to_string();
        let mut out = File::create(folder.join(&file)).unwrap();
        out.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
        out.write_all(header.as_bytes()).unwrap();
        out.set_len(8 + header.len() as u64 + end).unwrap();
    }
    fs::write(folder.join("model.safetensors.index.json"), json!({"weight_map": map}).to_string()).unwrap();
    let config = json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": hidden,
        "intermediate_size": feed_forward, "num_hidden_layers": layers, "num_attention_heads": heads,
        "num_key_value_heads": kv_heads, "max_position_embeddings": 8192, "vocab_size": vocabulary,
        "rms_norm_eps": 1e-5, "rope_theta": 500000.0, "tie_word_embeddings": false,
    });
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
    // As many tokens and merges as Llama 3 has, since a tokenizer takes memory too.
    let vocab: serde_json::Map<String, serde_json::Value> =
        (0..vocabulary).map(|id| (format!("token{id}"), json!(id))).collect();
    let merges: Vec<String> = (0..280_147).map(|n| format!("a{n} b{n}")).collect();
    let tokenizer = json!({
        "added_tokens": [], "normalizer": null, "post_processor": null,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
        "model": {"type": "BPE", "vocab": vocab, "merges": merges},
    });
    fs::write(folder.join("tokenizer.json"), tokenizer.to_string()).unwrap();
}

#[test]
fn a_sharded_70b_opens_within_300_mb() {
    let folder = tempfile::tempdir().unwrap();
    sparse_llama(folder.path(), 80, 8192, 28_672, 64, 8, 128_256);
    let (code, peak) = measured(&["inspect", folder.path().to_str().unwrap()]);
    assert_eq!(code, Some(0));
    assert!(peak < 300 << 20, "{} MiB resident", peak >> 20);
    let report = common::tuck_ok(&["inspect", folder.path().to_str().unwrap(), "--json"]);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["parameters"], 70_553_706_496u64);
}

#[test]
fn packing_stays_within_512_mb_resident() {
    // Two gigabytes of weights, four times the bound.
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    sparse_llama(&model, 2, 4096, 14_336, 32, 8, 128_256);
    for (kind, device) in [("q4_k_m", "auto"), ("q8_0", "cpu"), ("f32", "auto"), ("copy", "cpu")] {
        let out = folder.path().join("out.gguf");
        let (code, peak) = measured(&[
            "pack",
            model.to_str().unwrap(),
            "--type",
            kind,
            "--device",
            device,
            "-o",
            out.to_str().unwrap(),
            "--force",
        ]);
        assert_eq!(code, Some(0), "{kind} on {device}");
        assert!(peak < 512 << 20, "{kind} on {device}: {} MiB resident", peak >> 20);
    }
}

/// A program killed in mid-pack leaves the old output whole.
#[test]
fn a_kill_leaves_the_old_output() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    sparse_llama(&model, 2, 4096, 14_336, 32, 8, 32_000);
    let out = folder.path().join("out.gguf");
    fs::write(&out, b"the old file").unwrap();
    let arguments =
        ["pack", model.to_str().unwrap(), "--type", "q6_k", "--device", "cpu", "-o", out.to_str().unwrap(), "--force"];
    let mut child = Command::new(env!("CARGO_BIN_EXE_tuck")).args(arguments).stderr(Stdio::null()).spawn().unwrap();
    // In the middle: the temporary file is there and has grown, and the target is untouched.
    let deadline = Instant::now() + Duration::from_secs(60);
    let growing = || {
        fs::read_dir(folder.path()).unwrap().filter_map(Result::ok).any(|entry| {
            entry.file_name().to_string_lossy().ends_with(".part") && entry.metadata().is_ok_and(|m| m.len() > 20 << 20)
        })
    };
    while !growing() {
        assert!(Instant::now() < deadline && child.try_wait().unwrap().is_none(), "the pack never was in its middle");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(fs::read(&out).unwrap(), b"the old file");
}

/// A full disk gives an error and no file: noticed before work begins (a small file system, where this may mount one),
/// and in the middle of writing.
#[test]
fn a_full_disk_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let small = folder.path().join("small");
    fs::create_dir(&small).unwrap();
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=6m", "tmpfs"]).arg(&small).output();
    full_by_limit(&folder.path().join("limited"));
    if !mount.as_ref().is_ok_and(|mount| mount.status.success()) {
        eprintln!("no right to mount a small file system here; the check before work begins was not tried");
        return;
    }
    let pack = |kind: &str| {
        let out = small.join("out.gguf");
        let sample = common::sample();
        common::tuck(&[
            "pack",
            sample.to_str().unwrap(),
            "--type",
            kind,
            "--device",
            "cpu",
            "-o",
            out.to_str().unwrap(),
        ])
    };
    let refused = pack("q8_0");
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    let left = fs::read_dir(&small).unwrap().count();
    let unmounted = Command::new("umount").arg(&small).status();
    assert!(refused.status.code() == Some(1) && message.contains("free"), "{message}");
    assert_eq!(left, 0, "nothing may be left behind");
    assert!(unmounted.is_ok_and(|status| status.success()));
}

/// The write itself fails in the middle: files may not grow past 2 MiB (`ulimit -f` counts 1,024 bytes).
fn full_by_limit(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let out = folder.join("out.gguf");
    let script = format!(
        "trap '' XFSZ; ulimit -f 2048; exec '{}' pack '{}' --type q8_0 --device cpu -o '{}'",
        env!("CARGO_BIN_EXE_tuck"),
        common::sample().display(),
        out.display()
    );
    let output = Command::new("bash").args(["-c", &script]).output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("out.gguf") && message.contains("could not be written"), "{message}");
    assert_eq!(fs::read_dir(folder).unwrap().count(), 0, "nothing may be left behind");
}
