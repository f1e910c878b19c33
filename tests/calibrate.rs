//! Calibration beyond the importance matrix of a text: Gram matrices, conversations, and going on after an end.

mod common;

use serde_json::{Value as Json, json};
use std::path::Path;
use std::process::{Command, Stdio};
use tuck::imatrix::{Gram, Imatrix};

fn calibrate(model: &Path, output: &Path, more: &[&str]) -> Json {
    let mut arguments = vec!["calibrate", model.to_str().unwrap(), "-o", output.to_str().unwrap(), "--json"];
    arguments.extend(more);
    serde_json::from_str(&common::tuck_ok(&arguments)).unwrap()
}

#[test]
fn gram_matrices_have_the_squares_in_their_diagonals() {
    let folder = tempfile::tempdir().unwrap();
    let (output, gram) = (folder.path().join("imatrix.gguf"), folder.path().join("gram.gguf"));
    let more = ["--chunks", "3", "--ctx", "128", "--process-output", "--gram", gram.to_str().unwrap()];
    calibrate(&common::sample(), &output, &more);
    assert!(!folder.path().join("gram.gguf.partial").exists());
    let (imatrix, gram) = (Imatrix::open(&output).unwrap(), Gram::open(&gram).unwrap());
    assert!(imatrix.columns.contains_key("blk.0.ffn_down.weight"));
    for (name, squares) in &imatrix.columns {
        let found = gram.read(name).unwrap().unwrap_or_else(|| panic!("{name} has no Gram matrix"));
        let matrix = found.means;
        assert_eq!(&found.counts, &imatrix.counts[name], "{name}");
        let columns = squares.len();
        assert_eq!(matrix.len(), columns * columns, "{name}");
        for (i, square) in squares.iter().enumerate() {
            assert!((matrix[i * columns + i] - square).abs() <= 1e-4 * square.abs() + 1e-9, "{name}, column {i}");
            for j in [0, columns / 2] {
                let (a, b) = (matrix[i * columns + j], matrix[j * columns + i]);
                let most = (squares[i] * squares[j]).sqrt() * 1.001 + 1e-9;
                assert!((a - b).abs() <= 1e-4 * most && a.abs() <= most, "{name}, {i} and {j}: {a} and {b}");
            }
        }
    }
    let [q, k] = ["blk.1.attn_q.weight", "blk.1.attn_k.weight"].map(|name| gram.read(name).unwrap().unwrap());
    assert_eq!(q, k);
    assert!(gram.read("blk.99.attn_q.weight").unwrap().is_none());
}

#[test]
fn every_device_gathers_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let on = |device: &str| {
        let [output, gram] =
            ["imatrix", "gram"].map(|name| folder.path().join(format!("{name} {}.gguf", device.len())));
        let text = ["--chunks", "3", "--ctx", "130", "--process-output", "--device", device];
        calibrate(&common::sample(), &output, &[&text[..], &["--gram", gram.to_str().unwrap()]].concat());
        (Imatrix::open(&output).unwrap(), Gram::open(&gram).unwrap())
    };
    let (expected, grams) = on("cpu");
    for device in common::devices::devices() {
        let (found, own_grams) = on(device.name());
        assert!(found.columns.keys().eq(expected.columns.keys()), "{device}");
        assert_eq!(found.counts, expected.counts, "{device}");
        for (name, squares) in &expected.columns {
            let [own, other] = [&own_grams, &grams].map(|grams| grams.read(name).unwrap().unwrap());
            assert_eq!(own.counts, other.counts);
            let pairs = [(&found.columns[name], squares), (&own.means, &other.means)];
            for (own, other) in pairs {
                let square = |x: f32| f64::from(x) * f64::from(x);
                let apart: f64 = own.iter().zip(other).map(|(a, b)| square(a - b)).sum();
                let error = (apart / other.iter().map(|x| square(*x)).sum::<f64>()).sqrt();
                assert!(own.len() == other.len() && error < 1e-3, "{name} on {device}: {error}");
            }
        }
    }
}

/// Ends a calibration when it has kept a state, and as often as it is faster than that begins again.
fn kill_on_the_way(model: &Path, output: &Path, more: &[&str]) {
    let state = output.with_extension("gguf.partial");
    for _ in 0..20 {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tuck"));
        command.args(["calibrate", model.to_str().unwrap(), "-o", output.to_str().unwrap(), "--force"]).args(more);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while !state.exists() && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        let _ = child.kill();
        child.wait().unwrap();
        if state.exists() {
            return;
        }
    }
    panic!("the calibration was never caught on its way");
}

#[test]
fn a_killed_calibration_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let model = common::pack(&common::sample(), "F16", folder.path(), &["--device", "cpu"]);
    let [whole, cut] = ["whole", "cut"].map(|name| folder.path().join(format!("{name}.gguf")));
    let grams = [&whole, &cut].map(|path| path.with_extension("gram"));
    calibrate(&model, &whole, &["--chunks", "40", "--gram", grams[0].to_str().unwrap()]);
    let arguments = ["--chunks", "40", "--save-every", "0", "--gram", grams[1].to_str().unwrap()];
    kill_on_the_way(&model, &cut, &arguments);
    // A state of another text is no use.
    let other = calibrate(&model, &cut, &["--chunks", "2", "--force"]);
    assert_eq!(other["resumed_at_layer"], Json::Null);
    kill_on_the_way(&model, &cut, &arguments);
    let report = calibrate(&model, &cut, &[&arguments[..], &["--force"]].concat());
    assert!(report["resumed_at_layer"].as_u64().unwrap() > 0, "{report}");
    assert!(!cut.with_extension("gguf.partial").exists());
    let read = |path: &Path| std::fs::read(path).unwrap();
    assert!(read(&whole) == read(&cut), "the importance matrices differ");
    assert!(read(&grams[0]) == read(&grams[1]), "the Gram matrices differ");
}

#[test]
fn texts_and_conversations_come_from_lines_of_json() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let template =
        write("template.jinja", "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}\n{% endfor %}".to_owned());
    let model = common::pack(&common::sample(), "F16", folder.path(), &["--chat-template", &template]);
    let text = std::fs::read_to_string(common::sample().join("evaluation.txt")).unwrap();
    let text: String = text.chars().take(4000).collect();
    let said: Vec<&str> = text.split_inclusive('.').collect();
    let columns = |file: &str| {
        let output = folder.path().join("out.gguf");
        calibrate(&model, &output, &["--text", file, "--ctx", "64", "--force"]);
        Imatrix::open(&output).unwrap().columns
    };
    let plain = columns(&write("plain.txt", text.clone()));
    assert_eq!(columns(&write("text.jsonl", json!({ "text": text }).to_string())), plain);
    assert_eq!(columns(&write("string.jsonl", json!(text).to_string())), plain);
    let turns = |role: &str, content: &str, names: [&str; 2]| -> Vec<Json> {
        let each = said.iter().enumerate();
        each.map(|(n, said)| json!({ role: names[n % 2], content: said })).collect()
    };
    let messages = json!({ "messages": turns("role", "content", ["user", "assistant"]) }).to_string();
    let conversations = json!({ "conversations": turns("from", "value", ["human", "gpt"]) }).to_string();
    let chat = columns(&write("messages.jsonl", messages.clone()));
    assert_eq!(columns(&write("conversations.jsonl", conversations)), chat);
    let written: String =
        said.iter().enumerate().map(|(n, said)| format!("<|{}|>{said}\n", ["user", "assistant"][n % 2])).collect();
    assert_eq!(columns(&write("written.txt", written)), chat);

    let output = folder.path().join("none.gguf");
    let sample = common::sample();
    let bad = write("bad.jsonl", format!("{}\n{{\"other\": 1}}\n", json!(text)));
    let chat = write("chat.jsonl", messages);
    for (model, file, words) in [(&sample, &bad, "line 2"), (&sample, &chat, "no chat template")] {
        let refused =
            common::tuck(&["calibrate", model.to_str().unwrap(), "--text", file, "-o", output.to_str().unwrap()]);
        let stderr = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success() && stderr.contains(words), "{stderr}");
    }
}
