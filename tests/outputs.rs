//! Several files from one read.

mod common;

use common::jobs::{computing, files, follow, gpu, large, packed, request, request_all};
use common::sparse::sparse_llama;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tuck::engine::{Command, DeviceChoice, Engine, EventKind, PackRequest};
use tuck::imatrix::Imatrix;

/// Kept, unpacked, and quantized, from any source.
const KINDS: &[&str] = &["COPY", "Q8_0", "Q4_K_M", "F32", "F16", "Q5_1"];

fn named(folder: &Path, prefix: &str) -> Vec<(&'static str, PathBuf)> {
    KINDS.iter().map(|kind| (*kind, folder.join(format!("{prefix}-{kind}.gguf")))).collect()
}

fn several_equal_separate(model: &Path, imatrix: Option<&Arc<Imatrix>>, device: &DeviceChoice, engine: &mut Engine) {
    let folder = tempfile::tempdir().unwrap();
    let here = |request: PackRequest| {
        let mut request = PackRequest { computing: computing(device), ..request };
        request.outputs.iter_mut().for_each(|output| output.recipe.imatrix = imatrix.cloned());
        request
    };
    let (together, alone) = (named(folder.path(), "together"), named(folder.path(), "alone"));
    let report = packed(engine, here(request_all(model, &together)));
    assert_eq!(report.outputs.len(), KINDS.len());
    for ((kind, file), (output, (_, separate))) in together.iter().zip(report.outputs.iter().zip(&alone)) {
        let single = packed(engine, here(request(model, kind, separate)));
        assert_eq!(report.source_bytes, single.source_bytes, "what several files are made of is counted once");
        assert_eq!((&output.path, output.recipe), (file, *kind));
        assert_eq!(output.file_bytes, fs::metadata(file).unwrap().len());
        assert!(fs::read(file).unwrap() == fs::read(separate).unwrap(), "{kind} differs from a pack of its own");
    }
    assert_eq!(files(folder.path()), 2 * KINDS.len(), "nothing temporary is left");
}

#[test]
fn several_files_are_those_of_separate_packs() {
    let mut engine = Engine::start(Box::new(|| {}));
    let gpu = DeviceChoice::Named(gpu(&mut engine).name);
    let folder = tempfile::tempdir().unwrap();
    let quantized = folder.path().join("sample-Q5_K_M.gguf");
    packed(&mut engine, request(&common::sample(), "Q5_K_M", &quantized));
    let imatrix = Arc::new(Imatrix::open(&common::root().join("tests/data/imatrix/sample.gguf")).unwrap());
    for device in [DeviceChoice::Cpu, gpu] {
        for (model, imatrix) in [(&common::sample(), None), (&common::sample(), Some(&imatrix)), (&quantized, None)] {
            several_equal_separate(model, imatrix, &device, &mut engine);
        }
    }
}

#[test]
fn a_cancelled_pack_of_several_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut engine = Engine::start(Box::new(|| {}));
    let model = large(folder.path());
    let job = engine.submit(Command::Pack(request_all(&model, &named(folder.path(), "out"))));
    let canceller = engine.canceller();
    let mut temporary = 0;
    let ended = follow(&engine, job, |event| {
        if matches!(event, EventKind::Progress(progress) if progress.done > 0) {
            temporary = temporary.max(files(folder.path()) - 1);
            canceller(job);
        }
    });
    assert!(matches!(ended, EventKind::Cancelled), "{ended:?}");
    assert_eq!(temporary, KINDS.len(), "each file grew under a temporary name");
    assert_eq!(files(folder.path()), 1, "only the model");
}

#[test]
fn what_cannot_be_written_refuses_all() {
    let folder = tempfile::tempdir().unwrap();
    let mut engine = Engine::start(Box::new(|| {}));
    let mut refused = |outputs: &[(&str, PathBuf)], words: &[&str]| {
        let job = engine.submit(Command::Pack(request_all(&common::sample(), outputs)));
        let EventKind::Failed(message) = follow(&engine, job, |_| {}) else { panic!("{outputs:?} was not refused") };
        words.iter().for_each(|word| assert!(message.contains(word), "no {word:?}: {message}"));
    };
    let outputs = named(folder.path(), "out");
    let (_, third) = &outputs[2];
    fs::write(third, b"old").unwrap();
    refused(&outputs, &["out-Q4_K_M.gguf", "exists", "--force"]);
    assert_eq!((fs::read(third).unwrap(), files(folder.path())), (b"old".to_vec(), 1));
    fs::remove_file(third).unwrap();

    // The same file by two names.
    let again = folder.path().join(".").join("out-COPY.gguf");
    refused(&[outputs.clone(), vec![("Q6_K", again)]].concat(), &["out-COPY.gguf", "two of the outputs"]);
    refused(&[vec![("Q6_K", folder.path().to_owned())], outputs.clone()].concat(), &["this is a folder"]);
    let source = common::sample().join("model.safetensors");
    refused(&[outputs, vec![("Q6_K", source)]].concat(), &["model.safetensors", "never changed"]);
    assert_eq!(files(folder.path()), 0);
}

/// What happens to a target while a pack of two is running decides its end: its message, and the files that are there.
fn disturbed(overwrite: bool, disturb: fn(&Path)) -> (String, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let (model, out) = (folder.path().join("model"), folder.path().join("out"));
    sparse_llama(&model, 1, 2048, 8192, 16, 4, 4096);
    fs::create_dir(&out).unwrap();
    let outputs = [("Q8_0", out.join("a.gguf")), ("Q4_K_M", out.join("b.gguf"))];
    let mut engine = Engine::start(Box::new(|| {}));
    let job = engine.submit(Command::Pack(PackRequest { overwrite, ..request_all(&model, &outputs) }));
    let mut disturbed = false;
    let ended = follow(&engine, job, |_| {
        if !std::mem::replace(&mut disturbed, true) {
            disturb(&outputs[1].1);
        }
    });
    let EventKind::Failed(message) = ended else { panic!("{ended:?}") };
    let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
    let mut left: Vec<String> = fs::read_dir(&out).unwrap().map(|entry| name(entry.unwrap())).collect();
    left.sort();
    (message, left)
}

#[test]
fn a_target_that_appears_meanwhile_is_left_alone() {
    let (message, left) = disturbed(false, |target| fs::write(target, b"new").unwrap());
    assert!(message.contains("b.gguf") && message.contains("nothing was kept"), "{message}");
    assert_eq!(left, ["b.gguf"], "only what appeared");
}

#[test]
fn a_rename_that_fails_says_what_was_kept() {
    let (message, left) = disturbed(true, |target| fs::create_dir(target).unwrap());
    assert!(message.contains("b.gguf: the finished file could not be renamed"), "{message}");
    assert!(message.contains("kept before it") && message.contains("a.gguf"), "{message}");
    assert_eq!(left, ["a.gguf", "b.gguf"], "nothing temporary");
}
