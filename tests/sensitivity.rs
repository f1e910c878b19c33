//! How much each tensor counts.

mod common;

use serde_json::Value as Json;

fn sensitivity(arguments: &[&str]) -> Json {
    let mut all = vec!["sensitivity"];
    all.extend(arguments);
    all.push("--json");
    serde_json::from_str(&common::tuck_ok(&all)).unwrap()
}

const TEXT: [&str; 4] = ["--ctx", "128", "--chunks", "2"];

#[test]
fn a_tensor_counts_as_much_as_when_it_is_packed_alone() {
    let folder = tempfile::tempdir().unwrap();
    let sample = common::pack(&common::sample(), "F16", folder.path(), &["--device", "cpu"]);
    let sample = sample.to_str().unwrap();
    let picture = folder.path().join("map.svg");
    let whole = sensitivity(&[&[sample, "--type", "Q2_K", "--svg", picture.to_str().unwrap()], &TEXT[..]].concat());
    let tensors = whole["tensors"].as_array().unwrap();
    let model: Json = serde_json::from_str(&common::tuck_ok(&["inspect", sample, "--json"])).unwrap();
    let matrices = model["tensors"].as_array().unwrap().iter().filter(|t| t["shape"].as_array().unwrap().len() > 1);
    assert_eq!(tensors.len(), matrices.count());
    assert!(tensors.iter().all(|tensor| tensor["kl_divergence"]["value"].as_f64().unwrap() > 0.0));

    // Twice the same, and in groups the same but for the rounding of products of other sizes.
    let again = sensitivity(&[&[sample, "--type", "Q2_K"], &TEXT[..]].concat());
    assert_eq!(again["tensors"], whole["tensors"]);
    let grouped = sensitivity(&[&[sample, "--type", "Q2_K", "--streams", "5"], &TEXT[..]].concat());
    for (a, b) in grouped["tensors"].as_array().unwrap().iter().zip(tensors) {
        let value = |tensor: &Json| tensor["kl_divergence"]["value"].as_f64().unwrap();
        assert_eq!(a["name"], b["name"]);
        assert!((value(a) / value(b) - 1.0).abs() < 1e-3, "{a} {b}");
    }

    for device in common::devices::devices() {
        let own = sensitivity(&[&[sample, "--type", "Q2_K", "--device", device.name()], &TEXT[..]].concat());
        for (a, b) in own["tensors"].as_array().unwrap().iter().zip(tensors) {
            let value = |tensor: &Json| tensor["kl_divergence"]["value"].as_f64().unwrap();
            assert_eq!(a["name"], b["name"]);
            assert!((value(a) / value(b) - 1.0).abs() < 1e-2, "{a} on {device}, {b} on the processor");
        }
    }

    // Three tensors of different kinds, packed alone.
    for name in ["token_embd.weight", "blk.0.attn_v.weight", "blk.1.ffn_down.weight"] {
        let tensor = tensors.iter().find(|tensor| tensor["name"] == name).unwrap();
        let rule = format!("{}={}", name.replace('.', "\\."), tensor["format"].as_str().unwrap());
        let alone = common::pack(&common::sample(), "F16", folder.path(), &["--force", "--tensor-type", &rule]);
        let whole = folder.path().join("whole.gguf");
        std::fs::copy(&alone, &whole).unwrap();
        let original = common::pack(&common::sample(), "F16", folder.path(), &["--force"]);
        let arguments = ["measure", whole.to_str().unwrap(), "--against", original.to_str().unwrap(), "--json"];
        let measured: Json = serde_json::from_str(&common::tuck_ok(&[&arguments[..], &TEXT].concat())).unwrap();
        let expected = measured["kl_divergence"]["mean"]["value"].as_f64().unwrap();
        let found = tensor["kl_divergence"]["value"].as_f64().unwrap();
        assert!((found / expected - 1.0).abs() < 1e-3, "{name}: {found}, and {expected} when packed");
    }

    let picture = std::fs::read_to_string(&picture).unwrap();
    assert!(picture.starts_with("<svg") && picture.matches("<rect").count() > tensors.len());
    let shown = common::tuck_ok(&[&["sensitivity", sample, "--type", "Q2_K"], &TEXT[..]].concat());
    assert!(shown.contains("By layer and role") && shown.contains("ffn_down"), "{shown}");
}

#[test]
fn nothing_to_quantize_is_said() {
    let sample = common::sample();
    let output = common::tuck(&["sensitivity", sample.to_str().unwrap(), "--type", "COPY"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && stderr.contains("no tensor"), "{stderr}");
}
