//! Large shapes, without large files: sparse files have the length and no content.
#![cfg(target_os = "linux")]

mod common;

use common::sparse::sparse_llama;
use std::fs;
use std::io::{Read, Seek};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Runs the program, which has to succeed, and returns its peak resident bytes.
fn peak_of(arguments: &[&str]) -> u64 {
    let mut said = tempfile::tempfile().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_tuck"))
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(said.try_clone().unwrap())
        .spawn()
        .expect("the program starts");
    let mut peak = 0;
    loop {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let high_water = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = high_water.and_then(|text| text.trim().trim_end_matches(" kB").parse::<u64>().ok());
        peak = peak.max(kilobytes.unwrap_or(0) * 1024);
        if let Some(status) = child.try_wait().unwrap() {
            let mut message = String::new();
            said.rewind().unwrap();
            said.read_to_string(&mut message).unwrap();
            assert!(status.success(), "{arguments:?}: {message}");
            return peak;
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_sharded_70b_opens_within_300_mb() {
    let folder = tempfile::tempdir().unwrap();
    sparse_llama(folder.path(), 80, 8192, 28_672, 64, 8, 128_256);
    let peak = peak_of(&["inspect", folder.path().to_str().unwrap()]);
    assert!(peak < 300 << 20, "{} MiB resident", peak >> 20);
    let report = common::tuck_ok(&["inspect", folder.path().to_str().unwrap(), "--json"]);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["parameters"], 70_553_706_496u64);
}

#[test]
fn packing_stays_within_512_mb_resident() {
    // A gigabyte and a half of weights, three times the bound. One output at a time, for small disks.
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    sparse_llama(&model, 1, 4096, 14_336, 32, 8, 64_128);
    for (kind, device) in [("q4_k_m", "auto"), ("q8_0", "cpu"), ("f32", "auto"), ("copy", "cpu")] {
        let out = folder.path().join("out.gguf");
        let peak = peak_of(&[
            "pack",
            model.to_str().unwrap(),
            "--type",
            kind,
            "--device",
            device,
            "-o",
            out.to_str().unwrap(),
        ]);
        assert!(peak < 512 << 20, "{kind} on {device}: {} MiB resident", peak >> 20);
        fs::remove_file(out).unwrap();
    }
}

/// Two layers of the shape of a Llama 8B, a gigabyte and a half in all, most of it the output and the token embedding.
#[test]
fn measuring_holds_a_layer_and_the_text() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    sparse_llama(&model, 2, 4096, 14_336, 32, 8, 32_000);
    let text = folder.path().join("text.txt");
    fs::write(&text, "a b c d e f g h i j k l m n o p q r ".repeat(40)).unwrap();
    let arguments =
        ["measure", model.to_str().unwrap(), "--text", text.to_str().unwrap(), "--ctx", "64", "--chunks", "1"];
    let peak = peak_of(&arguments);
    assert!(peak < 900 << 20, "{} MiB resident", peak >> 20);
}

/// Two models of a large vocabulary in 16 bits: never both of the matrices that make logits, a gigabyte each.
#[test]
fn measuring_against_the_original_holds_one_output_matrix() {
    let folder = tempfile::tempdir().unwrap();
    let [model, other] = ["model", "other"].map(|name| folder.path().join(name));
    for path in [&model, &other] {
        sparse_llama(path, 1, 4096, 4096, 32, 8, 128_256);
    }
    let text = folder.path().join("text.txt");
    fs::write(&text, "a b c d e f g h i j k l m n o p q r ".repeat(40)).unwrap();
    let peak = peak_of(&[
        "measure",
        model.to_str().unwrap(),
        "--against",
        other.to_str().unwrap(),
        "--text",
        text.to_str().unwrap(),
        "--ctx",
        "64",
        "--chunks",
        "1",
        "--device",
        "cpu",
    ]);
    assert!(peak < 1600 << 20, "{} MiB resident", peak >> 20);
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
