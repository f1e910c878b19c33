//! Perplexity on the processor beside llama-perplexity, on the same file, chunks and threads, in one run.
//!
//! `cargo bench --bench measure -- FILE.gguf LLAMA_PERPLEXITY [CHUNKS]`. The two take turns; the best of three counts, start
//! and loading included, with two threads each.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// The best of so many runs counts.
const REPEATS: usize = 3;
const THREADS: &str = "2";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let [file, tool, rest @ ..] = &arguments[..] else {
        println!("measure: needs a GGUF file and llama-perplexity; nothing was measured");
        return;
    };
    let chunks = rest.first().map_or("4", String::as_str);
    let text = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/sample/evaluation.txt");
    let text = text.to_str().expect("a path in UTF-8");
    let mut best = [f64::MAX; 2];
    for _ in 0..REPEATS {
        let theirs = ["-m", file, "-f", text, "-c", "512", "--chunks", chunks, "-t", THREADS];
        let ours = ["measure", file, "--text", text, "--ctx", "512", "--chunks", chunks];
        for (best, (program, arguments)) in
            best.iter_mut().zip([(env!("CARGO_BIN_EXE_tuck"), &ours[..]), (tool.as_str(), &theirs[..])])
        {
            let started = Instant::now();
            let mut command = Command::new(program);
            command.args(arguments).env("RAYON_NUM_THREADS", THREADS).stdout(Stdio::null()).stderr(Stdio::null());
            assert!(command.status().expect("the program starts").success(), "{program} failed");
            *best = best.min(started.elapsed().as_secs_f64());
        }
    }
    let [ours, theirs] = best;
    println!("| {chunks} chunks of 512 | Tuck {ours:.2} s | llama-perplexity {theirs:.2} s | {:.2} |", ours / theirs);
}
