//! The memory model against llama.cpp's own figures.

mod common;

use common::root;
use serde_json::Value as Json;
use std::path::Path;
use tuck::arch::Hparams;
use tuck::fit::{CUDA, Part, Settings, Spread, Subject};
use tuck::gguf::{Array, Metadata, Value, ValueType};
use tuck::quant::format_from_name;

const MIB: f64 = 1024.0 * 1024.0;

fn references() -> Vec<(String, Json)> {
    let folder = std::env::var("FIT_REFS").map_or_else(|_| root().join("tests/data/fit"), Into::into);
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: &Path| serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    paths.iter().map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), read(path))).collect()
}

fn value(json: &Json) -> Value {
    match json {
        Json::Bool(yes) => Value::Bool(*yes),
        Json::Number(n) => n.as_u64().map_or_else(|| Value::F32(n.as_f64().unwrap() as f32), |n| Value::U32(n as u32)),
        Json::String(text) => Value::String(text.clone()),
        Json::Array(items) => {
            let item = if items[0].is_boolean() { ValueType::Bool } else { ValueType::U32 };
            Value::Array(Array { item, values: items.iter().map(value).collect() })
        }
        other => panic!("{other}"),
    }
}

fn subject(reference: &Json) -> Subject {
    let architecture = reference["architecture"].as_str().unwrap();
    let mut metadata: Metadata = vec![("general.architecture".to_owned(), Value::String(architecture.to_owned()))];
    metadata.extend(reference["metadata"].as_object().unwrap().iter().map(|(key, json)| (key.clone(), value(json))));
    let hparams = Hparams::read(Path::new("reference"), &metadata).unwrap();
    let mut parts = Vec::new();
    for tensor in reference["tensors"].as_array().unwrap() {
        let shape: Vec<u64> = tensor[1].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
        let format = format_from_name(tensor[2].as_str().unwrap()).unwrap();
        let part = Part { bytes: format.bytes(shape.iter().product()), shape, format };
        let name = tensor[0].as_str().unwrap();
        match tensor[3].as_array() {
            None => parts.push((name.to_owned(), part)),
            Some(run) => {
                let [first, last, step] = [0, 1, 2].map(|at: usize| run[at].as_u64().unwrap() as usize);
                let names = (first..=last).step_by(step).map(|layer| name.replace("{}", &layer.to_string()));
                parts.extend(names.map(|name| (name, part.clone())));
            }
        }
    }
    Subject::new(&hparams, &metadata, parts.iter().map(|(name, part)| (name.as_str(), part.clone())))
}

fn settings(run: &[Json]) -> Settings {
    let whole = |at: usize| run[at].as_u64().unwrap();
    let format = |at: usize| format_from_name(run[at].as_str().unwrap()).unwrap();
    Settings {
        context: whole(0),
        sequences: whole(1),
        ubatch: whole(2),
        batch: whole(2).max(2048),
        keys: format(3),
        values: format(4),
        flash_attention: run[5].as_bool().unwrap(),
        full_windows: false,
    }
}

#[test]
fn as_llama_cpp_allocates() {
    let mut worst = Vec::new();
    for (name, reference) in references() {
        let subject = subject(&reference);
        let weights = reference["weights"].as_f64().unwrap();
        let mut bad = 0;
        for run in reference["runs"].as_array().unwrap() {
            let settings = Settings { full_windows: run[6].as_bool().unwrap(), ..settings(run.as_array().unwrap()) };
            let terms = subject.place(&settings, &Spread::host()).host;
            let got = [terms.keys + terms.values, terms.recurrent, terms.compute, terms.output].map(|bytes| bytes as f64 / MIB);
            let want = [7, 8, 9, 10].map(|at: usize| run[at].as_f64().unwrap());
            let off = (0..4).any(|i| (got[i] - want[i]).abs() > 0.011);
            if off {
                bad += 1;
                println!("{name} {run}: got {got:.2?}");
            }
        }
        let got = subject.weights() as f64;
        println!("{name}: {bad} off; weights {:+.3} %", (got / weights - 1.0) * 100.0);
        let mut bad = 0;
        for run in reference["gpu_runs"].as_array().into_iter().flatten() {
            let run = run.as_array().unwrap();
            let gpus = run[0].as_u64().unwrap() as usize;
            let spread = Spread {
                gpus: vec![(&CUDA, 1.0); gpus],
                gpu_layers: run[1].as_u64().unwrap(),
                experts_on_host: run[2].as_bool().unwrap(),
            };
            let placement = subject.place(&settings(&run[3..]), &spread);
            let devices = [placement.host].into_iter().chain(placement.gpus);
            let got: Vec<f64> = devices.map(|terms| terms.compute as f64 / MIB).collect();
            let want: Vec<f64> = run[9..].iter().map(|n| n.as_f64().unwrap()).collect();
            if got.iter().zip(&want).any(|(a, b)| (a - b).abs() > 0.011) {
                bad += 1;
                println!("{name} GPU {run:?}: got {got:.2?}");
            }
        }
        println!("{name}: {bad} GPU runs off");
        worst.push((name, bad));
    }
    println!("{worst:?}");
}
