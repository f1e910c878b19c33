//! Models in several GGUF files: written, read by others, opened again, and refused where they do not belong together.

mod common;

use common::jobs::{packed, request, request_all};
use serde_json::{Value as Json, json};
use std::fs;
use std::path::{Path, PathBuf};
use tuck::engine::{Engine, PackRequest};
use tuck::model::Model;
use tuck::recipe::{Plan, Split};

fn engine() -> Engine {
    Engine::start(Box::new(|| {}))
}

/// Writes the sample as `kind`, cut as `split` says; returns its files.
fn cut(engine: &mut Engine, kind: &str, split: Split, whole: &Path) -> Vec<PathBuf> {
    let report = packed(engine, PackRequest { split, ..request(&common::sample(), kind, whole) });
    let files = &report.outputs[0].files;
    let plan =
        Plan::new(&Model::open(&common::sample()).unwrap(), &request(&common::sample(), kind, whole).outputs[0].recipe);
    let plan = plan.unwrap().split(&Model::open(&common::sample()).unwrap(), split).unwrap();
    for ((path, bytes), planned) in files.iter().zip(&plan.files) {
        assert_eq!((*bytes, planned.file_bytes), (fs::metadata(path).unwrap().len(), *bytes), "{}", path.display());
    }
    files.iter().map(|(path, _)| path.clone()).collect()
}

fn describe(files: &[PathBuf]) -> Vec<Json> {
    common::peer_json("describe.py", &files.iter().map(|file| file.to_str().unwrap()).collect::<Vec<_>>())
}

fn list<'a>(description: &'a Json, what: &str) -> &'a [Json] {
    description[what].as_array().unwrap()
}

/// The package `gguf` finds the tensors of the whole file in the parts, in order, and the keys llama.cpp looks for.
#[test]
fn parts_hold_what_the_whole_holds() {
    let folder = tempfile::tempdir().unwrap();
    let mut engine = engine();
    let whole = folder.path().join("m.gguf");
    packed(&mut engine, request(&common::sample(), "Q4_K_M", &whole));
    let whole = describe(&[whole]).remove(0);
    for (name, split) in [("bytes.gguf", Split::MaxBytes(1_000_000)), ("tensors.gguf", Split::MaxTensors(20))] {
        let files = cut(&mut engine, "Q4_K_M", split, &folder.path().join(name));
        assert!(files.len() > 3, "{files:?}");
        let parts = describe(&files);
        let tensors: Vec<&Json> = parts.iter().flat_map(|part| list(part, "tensors")).collect();
        assert_eq!(tensors, list(&whole, "tensors").iter().collect::<Vec<_>>());
        let (stem, count) = (name.strip_suffix(".gguf").unwrap(), parts.len());
        for (index, part) in parts.iter().enumerate() {
            assert_eq!(part["file"], format!("{stem}-{:05}-of-{count:05}.gguf", index + 1));
            let own = [
                json!(["split.no", "UINT16", index]),
                json!(["split.tensors.count", "INT32", tensors.len()]),
                json!(["split.count", "UINT16", count]),
            ];
            let model = if index == 0 { list(&whole, "metadata") } else { &[] };
            assert_eq!(list(part, "metadata"), [model, &own].concat());
        }
    }
}

#[test]
fn llama_cpp_speaks_the_same_from_parts() {
    let folder = tempfile::tempdir().unwrap();
    let mut engine = engine();
    let whole = folder.path().join("m.gguf");
    let parts = cut(&mut engine, "Q4_K_M", Split::MaxBytes(1_500_000), &whole);
    assert!(parts.len() > 2);
    packed(&mut engine, request(&common::sample(), "Q4_K_M", &whole));
    let spoken = common::peer_json("generate.py", &[whole.to_str().unwrap(), parts[0].to_str().unwrap()]);
    assert_eq!(spoken[0]["text"], spoken[1]["text"]);
    assert_eq!(spoken[0]["tokens"], spoken[1]["tokens"]);
    assert_eq!(spoken[1]["tokens"].as_array().map(Vec::len), Some(32), "{}", spoken[1]);
}

/// From parts, opened by any of them: the whole file again, and the same parts again.
#[test]
fn parts_become_the_whole_and_the_same_parts() {
    let folder = tempfile::tempdir().unwrap();
    let mut engine = engine();
    let at = |name: &str| folder.path().join(name);
    let parts = cut(&mut engine, "F16", Split::MaxBytes(5_000_000), &at("m.gguf"));
    packed(&mut engine, request(&common::sample(), "F16", &at("m.gguf")));
    packed(&mut engine, request(&parts[1], "COPY", &at("again.gguf")));
    assert!(fs::read(at("again.gguf")).unwrap() == fs::read(at("m.gguf")).unwrap());

    let outputs = [("COPY", at("kept.gguf")), ("Q6_K", at("smaller.gguf"))];
    let report = packed(&mut engine, PackRequest { split: Split::Kept, ..request_all(&parts[0], &outputs) });
    for (part, (kept, _)) in parts.iter().zip(&report.outputs[0].files) {
        assert!(fs::read(part).unwrap() == fs::read(kept).unwrap(), "{} differs", kept.display());
    }
    let names = |files: &[PathBuf]| -> Vec<Vec<String>> {
        let names = |part: &Json| list(part, "tensors").iter().map(|tensor| tensor[0].to_string()).collect();
        describe(files).iter().map(names).collect()
    };
    let smaller: Vec<PathBuf> = report.outputs[1].files.iter().map(|(path, _)| path.clone()).collect();
    assert_eq!(names(&smaller), names(&parts));
    // One part is an ordinary file.
    let single = cut(&mut engine, "Q8_0", Split::MaxBytes(1 << 30), &at("single.gguf"));
    assert_eq!(single, [at("single.gguf")]);
}

#[test]
fn the_command_line_cuts_and_names() {
    let folder = tempfile::tempdir().unwrap();
    let sample = common::sample();
    let arguments = ["pack", sample.to_str().unwrap(), "-t", "Q8_0,q4_0", "--device", "cpu", "--json"];
    let out = folder.path().join("{type}.gguf");
    let more = ["--max-shard-size", "3M", "-o", out.to_str().unwrap()];
    let planned: Json =
        serde_json::from_str(&common::tuck_ok(&[&arguments[..], &more, &["--dry-run"]].concat())).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    let report: Json = serde_json::from_str(&common::tuck_ok(&[&arguments[..], &more].concat())).unwrap();
    for (output, planned) in list(&report, "outputs").iter().zip(list(&planned, "outputs")) {
        assert_eq!((&output["files"], &output["file_bytes"]), (&planned["files"], &planned["file_bytes"]));
        let bytes = |file: &Json| fs::metadata(file["path"].as_str().unwrap()).unwrap().len();
        assert!(list(output, "files").iter().all(|file| bytes(file) == file["bytes"]));
    }
    assert!(folder.path().join("Q4_0-00001-of-00002.gguf").is_file());

    let refused = common::tuck(&[&arguments[..], &["--max-shard-size", "500K", "-o", "."]].concat());
    let message = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(1) && message.contains("token_embd.weight"), "{message}");
    let refused = common::tuck(&[&arguments[..], &["--max-shard-size", "3M", "--keep-split"]].concat());
    assert_eq!(refused.status.code(), Some(2), "two ways to cut");
    let refused = common::tuck(&[&arguments[..], &["-o", "one.gguf"]].concat());
    let message = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(1) && message.contains("{type}"), "{message}");
}

/// Overwrites the number of a key in a file.
fn lie(path: &Path, key: &str, number: &[u8]) {
    let mut bytes = fs::read(path).unwrap();
    let at = bytes.windows(key.len()).position(|found| found == key.as_bytes()).unwrap() + key.len() + 4;
    bytes[at..at + number.len()].copy_from_slice(number);
    fs::write(path, bytes).unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::copy(from, to).unwrap();
}

/// Opens the second of three good parts after `spoil` has changed something beside it, and expects a refusal with all
/// these words.
fn refused(parts: &[PathBuf], what: &str, words: &[&str], spoil: impl FnOnce(&[PathBuf])) {
    let folder = tempfile::tempdir().unwrap();
    let copy = |part: &PathBuf| {
        let copy = folder.path().join(part.file_name().unwrap());
        fs::copy(part, &copy).unwrap();
        copy
    };
    let copies: Vec<PathBuf> = parts.iter().map(copy).collect();
    Model::open(&copies[1]).unwrap();
    spoil(&copies);
    let message = Model::open(&copies[1]).unwrap_err().to_string();
    words.iter().for_each(|word| assert!(message.contains(word), "{what}: no {word:?}: {message}"));
}

#[test]
fn parts_that_do_not_belong_together_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut engine = engine();
    let parts = cut(&mut engine, "Q4_0", Split::MaxTensors(30), &folder.path().join("m.gguf"));
    let [_, second, third] = ["m-00001-of-00003.gguf", "m-00002-of-00003.gguf", "m-00003-of-00003.gguf"];
    let tensors = Model::open(&parts[0]).unwrap().tensors.len();

    refused(&parts, "missing", &[third, "3 files", "not there"], |p| fs::remove_file(&p[2]).unwrap());
    refused(&parts, "cut short", &[third, "needs bytes"], |p| {
        let file = fs::OpenOptions::new().write(true).open(&p[2]).unwrap();
        file.set_len(file.metadata().unwrap().len() - 1000).unwrap();
    });
    refused(&parts, "count", &[second, "part 2 of 7", "-00002-of-00007.gguf"], |p| lie(&p[1], "split.count", &[7, 0]));
    refused(&parts, "huge count", &[second, "-00002-of-65535"], |p| lie(&p[1], "split.count", &[255, 255]));
    refused(&parts, "other count", &[third, "part 3 of 7", "part 3 of 3"], |p| lie(&p[2], "split.count", &[7, 0]));
    refused(&parts, "no count", &[third, "part 3 of 3", "nothing"], |p| lie(&p[2], "split.count", &[0, 0]));
    refused(&parts, "index", &[second, "split.no is 3", "split.count is 3"], |p| lie(&p[1], "split.no", &[3, 0]));
    refused(&parts, "same index", &[third, "part 2 of 3", "part 3 of 3"], |p| lie(&p[2], "split.no", &[1, 0]));
    refused(&parts, "tensors", &["999 tensors", &format!("hold {tensors}")], |p| {
        p.iter().for_each(|part| lie(part, "split.tensors.count", &999u32.to_le_bytes()));
    });
    refused(&parts, "negative tensors", &["split.tensors.count is -1"], |p| {
        lie(&p[1], "split.tensors.count", &[255; 4])
    });

    // Another cut of the same model, and parts of another model.
    let other = cut(&mut engine, "Q4_0", Split::MaxTensors(25), &folder.path().join("other.gguf"));
    refused(&parts, "another cut", &["twice"], |p| copy(&other[2], &p[2]));
    let tiny = folder.path().join("tiny");
    common::tiny::Tiny::default().write(&tiny);
    let request = PackRequest { split: Split::MaxTensors(8), ..request(&tiny, "Q4_0", &folder.path().join("t.gguf")) };
    let report = packed(&mut engine, request);
    let [(first, _), _, (last, _)] = &report.outputs[0].files[..] else { panic!("{:?}", report.outputs[0].files) };
    refused(&parts, "another model", &[third, "20 tensors"], |p| copy(last, &p[2]));
    refused(&parts, "another model's first", &[third, "another model"], |p| {
        copy(first, &p[2]);
        lie(&p[2], "split.no", &[2, 0]);
        lie(&p[2], "split.tensors.count", &(tensors as u32).to_le_bytes());
    });
}
