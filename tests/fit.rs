//! The memory model against llama.cpp's own figures.

mod common;

use common::root;
use serde_json::Value as Json;
use std::path::Path;
use tuck::arch::Hparams;
use tuck::fit::{CUDA, Fitter, Part, Settings, Spread, Subject, bundled};
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
    changed_subject(reference, |_| {}).unwrap()
}

/// The model of a reference whose metadata is changed; none where it is refused.
fn changed_subject(reference: &Json, change: impl FnOnce(&mut Metadata)) -> Option<Subject> {
    let architecture = reference["architecture"].as_str().unwrap();
    let mut metadata: Metadata = vec![("general.architecture".to_owned(), Value::String(architecture.to_owned()))];
    metadata.extend(reference["metadata"].as_object().unwrap().iter().map(|(key, json)| (key.clone(), value(json))));
    change(&mut metadata);
    let hparams = Hparams::read(Path::new("reference"), &metadata).ok()?;
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
    Some(Subject::new(&hparams, &metadata, parts.iter().map(|(name, part)| (name.as_str(), part.clone()))))
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

/// Of one model: the worst of each kind, as shares of what llama.cpp has.
#[derive(Default)]
struct Worst {
    weights: f64,
    cache: f64,
    compute: f64,
    total: f64,
    runs: usize,
}

impl Worst {
    /// Two runs with bytes of weights, cache, compute buffer and the rest.
    fn take(&mut self, ours: [f64; 4], theirs: [f64; 4]) {
        // The log has two digits of a MiB.
        let off = |ours: f64, theirs: f64| ((ours - theirs).abs() - 0.011 * MIB).max(0.0) / theirs.max(1.0);
        self.weights = self.weights.max(off(ours[0], theirs[0]));
        self.cache = self.cache.max(off(ours[1], theirs[1]));
        self.compute = self.compute.max(off(ours[2], theirs[2]));
        self.total = self.total.max(off(ours.iter().sum(), theirs.iter().sum()));
        self.runs += 1;
    }

    fn line(&self, name: &str) -> String {
        let percent = |share: f64| format!("{:.2} %", share * 100.0);
        let [weights, cache, compute, total] = [self.weights, self.cache, self.compute, self.total].map(percent);
        format!("| {name} | {} | {weights} | {cache} | {compute} | {total} |", self.runs)
    }
}

/// The table of the acceptance is what this prints.
#[test]
fn main_memory_is_what_llama_cpp_allocates() {
    println!("| model | settings | weights | KV and state | compute | total |\n|---|---|---|---|---|---|");
    let (mut settings_seen, mut off) = (0, Vec::new());
    for (name, reference) in references() {
        let subject = subject(&reference);
        let weights = reference["weights"].as_f64().unwrap();
        let mut worst = Worst::default();
        for run in reference["runs"].as_array().unwrap() {
            let settings = Settings { full_windows: run[6].as_bool().unwrap(), ..settings(run.as_array().unwrap()) };
            assert_eq!(settings.problem(subject.is_latent()), None, "{name} {run}: llama.cpp runs it");
            let terms = subject.place(&settings, &Spread::host()).host;
            let [cache, state, compute, output] = [7, 8, 9, 10].map(|at: usize| run[at].as_f64().unwrap() * MIB);
            let ours = [terms.weights, terms.kept(), terms.compute, terms.output].map(|bytes| bytes as f64);
            worst.take(ours, [weights, cache + state, compute, output]);
            let is_exact = |ours: f64, theirs: f64| (ours - theirs).abs() <= 0.011 * MIB;
            if !is_exact(ours[1], cache + state) || !is_exact(ours[2], compute) {
                off.push(format!("{name} {run}: {:.2} and {:.2} MiB", ours[1] / MIB, ours[2] / MIB));
            }
        }
        for run in reference["refused"].as_array().unwrap() {
            let settings = settings(run.as_array().unwrap());
            assert!(settings.problem(subject.is_latent()).is_some(), "{name} {run}: llama.cpp refuses it");
        }
        println!("{}", worst.line(&name));
        assert!(worst.weights <= 0.01 && worst.cache <= 0.01 && worst.total <= 0.03, "{name} is out of bounds");
        settings_seen += worst.runs;
    }
    println!("{settings_seen} settings");
    assert!(off.is_empty(), "{} differ:\n{}", off.len(), off.join("\n"));
    assert!(settings_seen > 1000, "only {settings_seen} settings have a reference");
}

/// GPUs hold weights and cache as llama.cpp lays them out; of compute buffers the largest differs at most by this share of
/// what the device holds.
const ON_GPU: f64 = 0.03;

#[test]
fn a_gpu_that_holds_all_holds_what_llama_cpp_puts_there() {
    println!("| model | settings | weights | KV and state | compute | total |\n|---|---|---|---|---|---|");
    for (name, reference) in references() {
        let subject = subject(&reference);
        for listed in reference["gpu_layers"].as_array().into_iter().flatten() {
            let spread = Spread {
                gpus: vec![(&CUDA, 1.0); listed[0].as_u64().unwrap() as usize],
                gpu_layers: listed[1].as_u64().unwrap(),
                experts_on_host: false,
            };
            // C for the processor, then the number of the GPU.
            let letters = listed[2].as_str().unwrap().bytes();
            let theirs: Vec<usize> = letters.map(|c| if c == b'C' { 0 } else { usize::from(c - b'0') + 1 }).collect();
            assert_eq!(subject.devices(&spread), theirs, "{name} {listed}");
        }
        let (mut worst, mut others) = (Worst::default(), Worst::default());
        for run in reference["gpu_runs"].as_array().into_iter().flatten() {
            let run = run.as_array().unwrap();
            let gpus = run[0].as_u64().unwrap() as usize;
            let spread = Spread {
                gpus: vec![(&CUDA, 1.0); gpus],
                gpu_layers: run[1].as_u64().unwrap(),
                experts_on_host: run[2].as_bool().unwrap(),
            };
            let is_whole = gpus == 1 && spread.gpu_layers == subject.placeable() && !spread.experts_on_host;
            let placement = subject.place(&settings(&run[3..]), &spread);
            let devices = [placement.host].into_iter().chain(placement.gpus);
            for (terms, theirs) in devices.zip(&run[9..]).skip(1) {
                let ours = [terms.weights, terms.kept(), terms.compute, 0].map(|bytes| bytes as f64);
                let theirs = [ours[0], ours[1], theirs.as_f64().unwrap() * MIB, 0.0];
                if is_whole { &mut worst } else { &mut others }.take(ours, theirs);
                if (ours[2] - theirs[2]).abs() > 0.011 * MIB {
                    println!("  {name} {run:?}: {:.2} of {:.2}", ours[2] / MIB, theirs[2] / MIB);
                }
            }
        }
        println!("{}", worst.line(&name));
        println!("{}", others.line(&format!("{name}, in part")));
        assert!(worst.total <= ON_GPU || name.starts_with("tiny"), "{name} is out of bounds");
    }
}

/// Two cases that other estimators get wrong, with the errors that were published of the plain formula: 2 x layers x KV
/// heads x head size x tokens, the head size being hidden / heads.
#[test]
fn windows_and_latent_attention_are_reckoned_as_they_are() {
    let plain = |layers: u64, heads: u64, size: u64, tokens: u64| (2 * layers * heads * size * tokens * 2) as f64;
    let tokens = 131_072;
    let settings = Settings { context: tokens, ..Settings::default() };
    let kept = |name: &str| {
        let (_, reference) = references().into_iter().find(|(of, _)| of == name).unwrap();
        subject(&reference).place(&settings, &Spread::host()).host.kept() as f64
    };
    // 10 layers see all, 52 a window of 1,024 and the 512 that are computed.
    let gemma = kept("Gemma-3-27B");
    assert_eq!(gemma, (2 * 16 * 128 * 2 * (10 * tokens + 52 * 1536)) as f64);
    let window_alone = (2 * 16 * 128 * 2 * (10 * tokens + 52 * 1024)) as f64;
    let published = plain(62, 16, 5376 / 32, tokens) / window_alone - 1.0;
    assert_eq!(format!("{:+.0} %", published * 100.0), "+682 %");
    // One row of 512 + 64 for all heads, and no values.
    let deepseek = kept("DeepSeek-V3");
    assert_eq!(deepseek, (61 * 576 * 2 * tokens) as f64);
    let published = plain(61, 1, 7168 / 128, tokens) / deepseek - 1.0;
    assert_eq!(format!("{:+.0} %", published * 100.0), "-81 %");
    println!("Gemma-3-27B {:.0} MiB, DeepSeek-V3 {:.0} MiB at {tokens} tokens", gemma / MIB, deepseek / MIB);
}

fn fit_json(arguments: &[&str]) -> Json {
    let sample = common::sample();
    let all = [&["fit", sample.to_str().unwrap(), "--json"], arguments].concat();
    serde_json::from_str(&common::tuck_ok(&all)).unwrap()
}

#[test]
fn the_command_says_where_a_model_fits_and_how_to_run_it() {
    let folder = tempfile::tempdir().unwrap();
    let svg = folder.path().join("fit.svg");
    let names = ["--target", "this", "--target", "2 x GeForce RTX 3090", "--target", "raspberry pi 5 8"];
    let settings = ["--ctx", "2048", "--kv-type", "q8_0/q4_0", "--type", "Q6_K", "--svg", svg.to_str().unwrap()];
    let report = fit_json(&[&names[..], &settings[..]].concat());
    let machines = report["machines"].as_array().unwrap();
    let named: Vec<_> = machines.iter().map(|machine| machine["machine"].as_str().unwrap()).collect();
    assert_eq!(named, ["This machine", "2 x GeForce RTX 3090", "Raspberry Pi 5 8 GB"]);
    let cards = &machines[1];
    assert_eq!((&cards["fits"], &cards["gpu_layers"]), (&"fully".into(), &9.into()));
    assert_eq!(cards["devices"].as_array().unwrap().len(), 3);
    let command = cards["llama_cpp"].as_str().unwrap();
    assert!(command.contains("-ngl 9 -c 2048") && command.contains("-fa on -ctk q8_0 -ctv q4_0"), "{command}");
    assert!(
        cards["generated_tokens_per_second"].as_f64().unwrap() > 100.0 && cards["million_tokens"]["kwh"].is_number()
    );
    // The sample has 8 layers of 2 KV heads of 64, and 256 cells fit 2,048 eight times.
    let host = &machines[2]["devices"][0]["terms"];
    let rows = 8 * 2048 * 2 * 64 / 32;
    assert_eq!((&host["keys"], &host["values"]), (&(rows * 34).into(), &(rows * 18).into()));
    assert_eq!(machines[2]["largest_type"]["type"], "F32");
    let picture = std::fs::read_to_string(svg).unwrap();
    assert!(
        picture.starts_with("<svg")
            && picture.trim_end().ends_with("</svg>")
            && picture.contains("Raspberry Pi 5 8 GB")
    );
}

#[test]
fn what_llama_cpp_refuses_and_who_nobody_knows_is_refused() {
    let sample = common::sample();
    for (arguments, says) in [
        (["--target", "abacus"], "no target is called"),
        (["--kv-type", "q3_k"], "a cache cannot be of type"),
        (["--ctx", "0"], "0 is not in"),
    ] {
        let output = common::tuck(&[&["fit", sample.to_str().unwrap()], &arguments[..]].concat());
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && error.contains(says), "{arguments:?}: {error}");
    }
    let output = common::tuck(&["fit", sample.to_str().unwrap(), "--kv-type", "q8_0", "--no-flash-attention"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("only with flash attention"));
}

/// Nothing a file claims may stop the program or make it take memory for what is not there.
#[test]
fn absurd_settings_of_a_file_are_survived() {
    let targets = bundled();
    let machines = ["Apple M4 16 GB", "2 x GeForce RTX 3090", "Raspberry Pi 5 4 GB"];
    let machines: Vec<_> =
        machines.iter().map(|name| targets.iter().find(|t| t.machine.name == *name).unwrap()).collect();
    let mut survived = 0;
    for (_name, reference) in references().into_iter().filter(|(name, _)| name.starts_with("tiny")) {
        for key in reference["metadata"].as_object().unwrap().keys() {
            for absurd in [Value::U32(0), Value::U32(1), Value::U32(u32::MAX), Value::U64(u64::MAX)] {
                let set = |metadata: &mut Metadata| {
                    let (_, value) = metadata.iter_mut().find(|(of, _)| of == key).unwrap();
                    *value = absurd.clone();
                };
                let Some(subject) = changed_subject(&reference, set) else { continue };
                for flash_attention in [true, false] {
                    let fitter = Fitter::new(&subject, Settings { flash_attention, ..Settings::default() });
                    machines.iter().for_each(|target| drop(fitter.answer(&target.machine)));
                }
                survived += 1;
            }
        }
    }
    assert!(survived > 500, "only {survived} files were not refused");
}
