//! Models answer: as llama.cpp does, the same twice, and two of them beside each other.

mod common;

use serde_json::{Value as Json, json};
use std::path::Path;

const TOKENS: &str = "64";

const PROMPTS: [&str; 10] = [
    "Once upon a time there was a",
    "The capital of France is",
    "In the beginning",
    "def add(a, b):",
    "It was a dark and stormy night, and",
    "The sum of two and three is",
    "Dear Sir,",
    "He opened the door and saw",
    "A recipe for bread: take flour, water and",
    "Öl und Käse — 漢字,",
];

fn compare(arguments: &[&str]) -> Json {
    let mut all = vec!["compare"];
    all.extend(arguments);
    all.push("--json");
    serde_json::from_str(&common::tuck_ok(&all)).unwrap()
}

/// Another model than the sample is named by TUCK_GENERATION_MODEL.
#[test]
fn greedy_text_equals_llama_cpps() {
    let folder = tempfile::tempdir().unwrap();
    let model = match std::env::var_os("TUCK_GENERATION_MODEL") {
        Some(path) => path.into(),
        None => common::pack(&common::sample(), "F16", folder.path(), &["--device", "cpu"]),
    };
    let model = model.to_str().unwrap();
    let prompts = folder.path().join("prompts.json");
    std::fs::write(&prompts, json!(PROMPTS).to_string()).unwrap();
    let theirs = common::peer_json("greedy.py", &[model, TOKENS, prompts.to_str().unwrap()]);
    let lines: Vec<String> = PROMPTS.iter().map(|prompt| json!(prompt).to_string()).collect();
    let file = folder.path().join("prompts.txt");
    std::fs::write(&file, lines.join("\n")).unwrap();
    let ours = compare(&[model, "--prompts", file.to_str().unwrap(), "--tokens", TOKENS, "--raw", "--ignore-eos"]);
    let ours = ours["comparisons"].as_array().unwrap();
    assert_eq!((ours.len(), theirs.len()), (PROMPTS.len(), PROMPTS.len()));
    for ((ours, theirs), prompt) in ours.iter().zip(&theirs).zip(PROMPTS) {
        let answer = &ours["answers"][0];
        assert_eq!(answer["tokens"], theirs["tokens"], "{prompt}: {} against {}", answer["text"], theirs["text"]);
        assert_eq!(answer["tokens"].as_array().unwrap().len(), 64);
        assert_eq!(answer["text"], theirs["text"], "{prompt}");
    }
}

fn pack(kind: &str, folder: &Path) -> String {
    common::pack(&common::sample(), kind, folder, &["--device", "cpu"]).to_str().unwrap().to_owned()
}

#[test]
fn two_models_part_where_their_choices_differ() {
    let folder = tempfile::tempdir().unwrap();
    let (original, packed) = (pack("F16", folder.path()), pack("Q2_K", folder.path()));
    let prompts: Vec<&str> = PROMPTS[..4].iter().flat_map(|prompt| ["--prompt", prompt]).collect();
    let report = compare(&[&[original.as_str(), &packed, "--tokens", "24"], &prompts[..]].concat());
    let comparisons = report["comparisons"].as_array().unwrap();
    let mut shares = 0.0;
    let mut parted = 0;
    for comparison in comparisons {
        let tokens = [0, 1].map(|side| comparison["answers"][side]["tokens"].as_array().unwrap());
        let same = tokens[0].iter().zip(tokens[1]).take_while(|(a, b)| a == b).count();
        shares += same as f64 / tokens[0].len().max(tokens[1].len()) as f64;
        let parting = &comparison["parting"];
        if parting.is_null() {
            assert_eq!(tokens[0], tokens[1]);
            continue;
        }
        parted += 1;
        assert_eq!(parting["at"], same);
        for side in 0..2 {
            let choice = &parting["choices"][side];
            assert_eq!(choice["token"], tokens[side][same]);
            // Each took what it held most likely, so it holds its own choice at least as likely as the other's.
            let held = |choice: usize| parting["choices"][choice]["probabilities"][side].as_f64().unwrap();
            assert!(held(side) >= held(1 - side), "{parting}");
            assert_eq!(choice["probabilities"][side], comparison["answers"][side]["probabilities"][same]);
        }
    }
    assert!(parted > 0, "Q2_K says the same as F16");
    let score = report["score"]["until_parting"].as_f64().unwrap();
    assert!((score - shares / comparisons.len() as f64).abs() < 1e-12);
    // What is not written yet says what is written says.
    let unwritten = compare(&[&[original.as_str(), "--type", "Q2_K", "--tokens", "24"], &prompts[..]].concat());
    assert_eq!(unwritten["comparisons"], report["comparisons"]);
    let shown = common::tuck_ok(&[&["compare", &original, &packed, "--tokens", "24"], &prompts[..]].concat());
    assert!(shown.contains("They part after") && shown.contains('»'), "{shown}");
}

/// A second prompt begins anew, and one is longer than what goes through the model at a time.
#[test]
fn every_device_says_the_same() {
    let sample = common::sample();
    let long = "The quick brown fox jumps over the lazy dog. ".repeat(30);
    let on = |device: &str| {
        let prompts = ["--prompt", PROMPTS[0], "--prompt", PROMPTS[6], "--prompt", &long];
        let more = ["--tokens", "24", "--raw", "--ignore-eos", "--device", device];
        compare(&[&[sample.to_str().unwrap()], &prompts[..], &more[..]].concat())
    };
    let expected = on("cpu");
    for device in common::devices::devices() {
        let found = on(device.name());
        assert!(found["device"].as_str().unwrap().contains(device.name()), "{}", found["device"]);
        for (found, expected) in
            found["comparisons"].as_array().unwrap().iter().zip(expected["comparisons"].as_array().unwrap())
        {
            assert_eq!(found["answers"][0]["tokens"], expected["answers"][0]["tokens"], "{device}");
            assert_eq!(found["prompt_tokens"], expected["prompt_tokens"]);
        }
    }
    let tokens = expected["comparisons"][2]["prompt_tokens"].as_u64().unwrap();
    assert!(tokens > 256, "the long prompt has {tokens} tokens");
}

#[test]
fn chance_is_the_same_for_the_same_seed() {
    let sample = common::sample();
    let say = |seed: &str| {
        let arguments = ["--temp", "1.5", "--seed", seed, "--tokens", "16", "--prompt", "Once"];
        compare(&[&[sample.to_str().unwrap()], &arguments[..]].concat())["comparisons"].clone()
    };
    assert_eq!(say("1"), say("1"));
    assert_ne!(say("1"), say("2"));
}

#[test]
fn what_cannot_be_answered_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let sample = common::sample();
    let sample = sample.to_str().unwrap();
    let empty = folder.path().join("empty.txt");
    std::fs::write(&empty, "\n").unwrap();
    let other = common::peer("family_models.py", &[folder.path().to_str().unwrap(), "llama3"]);
    let cases: [(&[&str], &str); 4] = [
        (&[sample, "--prompt", "a", "--tokens", "100000"], "longer than the"),
        (&[sample, "--prompts", empty.to_str().unwrap()], "no prompt"),
        (&[sample, "--prompts", "/nowhere"], "could not be read"),
        (&[sample, other.trim(), "--prompt", "a"], "different tokens"),
    ];
    for (arguments, words) in cases {
        let output = common::tuck(&[&["compare"], arguments].concat());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && stderr.contains(words), "{arguments:?}: {stderr}");
    }
}
