//! What ways to keep keys and values do to a model, against llama.cpp and against each other.

mod common;

use common::devices::devices;
use common::jobs::{computing, follow};
use serde_json::Value as Json;
use std::sync::Arc;
use tuck::cache::{CHOICES, choice_from_name};
use tuck::engine::{Command, DeviceChoice, Engine, EventKind, KvReport, KvRequest, cache_bytes};
use tuck::fit::{Settings, Subject};
use tuck::model::Model;

fn request(names: &[&str], chunks: usize, device: DeviceChoice) -> KvRequest {
    KvRequest {
        model: Arc::new(Model::open(&common::sample()).unwrap()),
        choices: names.iter().map(|name| choice_from_name(name).unwrap()).collect(),
        context: 1024,
        text: None,
        chunk: 512,
        chunks: Some(chunks),
        rounds_queries: false,
        computing: computing(&device),
    }
}

fn measure(request: KvRequest) -> Arc<KvReport> {
    let mut engine = Engine::start(Box::new(|| {}));
    let job = engine.submit(Command::Kv(request));
    match follow(&engine, job, |_| {}) {
        EventKind::Kv(report) => report,
        other => panic!("{other:?}"),
    }
}

fn loss(report: &KvReport, name: &str) -> f64 {
    report.rows.iter().find(|row| row.choice.name == name).unwrap().divergence.value
}

#[test]
fn types_lose_what_they_lose_in_llama_cpp() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/kv_divergence.json");
    let reference: Json = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    // All of them are in benches/RESULTS.md; these are as many as seconds allow.
    let names = ["q8_0", "q5_1/f16", "f16/q4_1", "q4_0-unrotated"];
    let chunks = reference["chunks"].as_u64().unwrap() as usize;
    let report = measure(KvRequest { rounds_queries: true, ..request(&names, chunks, DeviceChoice::Cpu) });
    assert_eq!(report.rows.len(), names.len() + 1);
    for name in names {
        let (found, expected) = (loss(&report, name), reference["mean"][name].as_f64().unwrap());
        assert!((found / expected - 1.0).abs() < 0.05, "{name}: {found}, and {expected} in llama.cpp");
    }
}

#[test]
fn a_device_finds_the_same_as_the_processor() {
    let names = ["q5_0", "fp8/f16", "h2o-1/4"];
    let expected = measure(request(&names, 1, DeviceChoice::Cpu));
    for device in devices() {
        let report = measure(request(&names, 1, DeviceChoice::Named(device.name().to_owned())));
        for (own, row) in report.rows.iter().zip(&expected.rows) {
            let (found, value) = (own.divergence.value, row.divergence.value);
            assert!((found - value).abs() <= 0.05 * value, "{}: {found} on {device}, {value}", row.choice.name);
            assert_eq!(own.apart.is_some(), own.choice.name.starts_with("h2o"));
        }
    }
}

#[test]
fn a_report_names_what_is_best_and_the_same_bytes_in_types() {
    let names = ["q8_0", "q8_0/f16", "f16/q8_0", "q4_0", "q4_0/f16", "f16/q4_0", "window-1/4", "kivi-2", "merged"];
    let report = measure(request(&names, 1, DeviceChoice::Cpu));
    assert_eq!(report.rows[0].choice, CHOICES[0]);
    assert_eq!(report.rows[0].divergence.value, 0.0);
    assert!(loss(&report, "q8_0") < loss(&report, "q4_0") && loss(&report, "q4_0") < loss(&report, "window-1/4"));
    for row in &report.rows {
        assert_eq!(row.bytes, cache_bytes(&Model::open(&common::sample()).unwrap(), &row.choice, 1024));
        let mean = row.positions.iter().sum::<f64>() / row.positions.len() as f64;
        assert!((mean - row.divergence.value).abs() <= 0.05 * mean, "{}: {:?}", row.choice.name, row.positions);
        assert_eq!((row.needles.len(), row.choice.types().is_none()), (report.depths.len(), row.same_bytes.is_some()));
        assert!(row.rate > 0.0);
    }
    // What was told once is more likely than a guess; less so where it was dropped.
    let needle =
        |name: &str, depth: usize| report.rows.iter().find(|row| row.choice.name == name).unwrap().needles[depth];
    assert!(needle("f16", 0) > 0.5 && needle("window-1/4", 0) < needle("f16", 0) / 2.0);
    assert!((needle("window-1/4", 2) / needle("f16", 2) - 1.0).abs() < 0.5);
    let merged = report.rows.iter().find(|row| row.choice.name == "merged").unwrap();
    let same = &report.rows[merged.same_bytes.unwrap()];
    assert!(same.choice.name == "q8_0" && same.total() <= merged.total(), "{}", same.choice.name);

    let total = |name: &str| report.rows.iter().find(|row| row.choice.name == name).unwrap().total();
    assert_eq!(report.best(total("f16"), true).unwrap().choice.name, "f16");
    assert_eq!(report.best(total("q8_0"), true).unwrap().choice.name, "q8_0");
    assert_eq!(report.best(total("q8_0") - 1, true).unwrap().choice.name, "q4_0");
    assert!(report.best(1, false).is_none());
    let pair = report.best_pair(total("q8_0") - 1).unwrap();
    assert_eq!(pair.choice.name, "q8_0/q4_0");
    assert!((pair.divergence - loss(&report, "q8_0/f16") - loss(&report, "f16/q4_0")).abs() < 1e-12);
}

#[test]
fn bytes_are_those_that_llama_cpp_allocates() {
    let folder = tempfile::tempdir().unwrap();
    for card in common::families::make(folder.path()) {
        let Ok(model) = Model::open(&card.folder) else { continue };
        let subject = Subject::stored(&model);
        for choice in CHOICES.iter() {
            let Some([keys, values]) = choice.types() else { continue };
            let settings = Settings { context: 4096, keys, values, ..Settings::default() };
            let kept = subject.layers.iter().map(|layer| layer.kept(&subject, &settings));
            let expected = kept.fold([0, 0], |all, kept| [all[0] + kept.keys, all[1] + kept.values]);
            assert_eq!(cache_bytes(&model, choice, 4096), expected, "{}, {}", card.name, choice.name);
        }
    }
}

#[test]
fn the_command_line_says_what_runs_where() {
    let sample = common::sample();
    let arguments = ["kv", sample.to_str().unwrap(), "--device", "cpu", "--chunk", "128", "--chunks", "1"];
    let more = ["--choices", "q8_0,q4_0/f16,f16/q4_0,snapkv-1/2", "--ctx", "1024", "--budget", "3M"];
    let shown = common::tuck_ok(&[&arguments[..], &more].concat());
    for part in
        ["-ctk q8_0 -ctv q8_0 -fa on", "no runtime in llama.cpp yet", "same bytes by quantization alone", "In 3.00 MB"]
    {
        assert!(shown.contains(part), "{part} is missing:\n{shown}");
    }
    let json: Json = serde_json::from_str(&common::tuck_ok(&[&arguments[..], &more, &["--json"]].concat())).unwrap();
    assert_eq!(json["choices"].as_array().unwrap().len(), 5);
    assert_eq!(json["best"]["llama_cpp"], "q8_0");
    assert_eq!(json["choices"][1]["llama_server"], "-ctk q8_0 -ctv q8_0 -fa on");
    assert!(json["choices"][4]["llama_server"].is_null());
    let listed = common::tuck_ok(&["kv", sample.to_str().unwrap(), "--list"]);
    assert!(CHOICES.iter().all(|choice| listed.contains(&choice.name)));
    for (wrong, about) in
        [("--choices q9", "--list lists them"), ("--chunk 40", "too few"), ("--chunk 9999", "takes from")]
    {
        let wrong: Vec<&str> = wrong.split(' ').collect();
        let output = common::tuck(&[&["kv", sample.to_str().unwrap()], &wrong[..]].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(about), "{said}");
    }
}

#[test]
fn a_cancelled_job_ends_soon() {
    let mut engine = Engine::start(Box::new(|| {}));
    let job = engine.submit(Command::Kv(request(&[], 30, DeviceChoice::Cpu)));
    let mut told = false;
    let cancel = engine.canceller();
    let ended = follow(&engine, job, |event| {
        if let (EventKind::Progress(progress), false) = (event, told) {
            told = progress.remaining.is_some();
            if told {
                cancel(job);
            }
        }
    });
    assert!(told && matches!(ended, EventKind::Cancelled), "{ended:?}");
}
