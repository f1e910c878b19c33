//! `tuck calibrate`.

use super::computing::Computing;
use super::session::{Quit, Session, exit, print_json};
use crate::engine::{CalibrateReport, CalibrateRequest, Command, EventKind};
use crate::units;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Experts that are listed by number.
const LISTED: usize = 8;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The model: a Hugging Face folder, a .safetensors or a .gguf file.
    path: PathBuf,
    /// The text, as a file in UTF-8; or lines of JSON (.jsonl) with "text", or with "messages" or "conversations", which the
    /// model's chat template writes down. Without it, a text in sixteen languages and code that comes with Tuck.
    #[arg(long, value_name = "FILE")]
    text: Option<PathBuf>,
    /// The file to write, as llama.cpp reads it: a GGUF, or its older form where the name ends with .dat.
    #[arg(long, short, value_name = "OUT.gguf", default_value = "imatrix.gguf")]
    output: PathBuf,
    /// Tokens of a chunk.
    #[arg(long = "ctx", default_value_t = 512, value_name = "TOKENS")]
    context: usize,
    /// At most so many chunks of the text.
    #[arg(long, value_name = "COUNT")]
    chunks: Option<usize>,
    /// Also write the Gram matrix of every input into this file: the mean of x·xᵀ, as packing with error feedback needs it.
    /// Each has columns² numbers.
    #[arg(long, value_name = "FILE.gguf")]
    gram: Option<PathBuf>,
    /// How often the state is kept in OUT.gguf.partial, in seconds. After an end before time, the same command goes on there.
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    save_every: u64,
    /// Also gather for the matrix that makes logits.
    #[arg(long)]
    process_output: bool,
    #[command(flatten)]
    computing: Computing,
    /// Replace the output where it exists.
    #[arg(long)]
    force: bool,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    exit(calibrate(arguments))
}

fn calibrate(arguments: &Arguments) -> Result<(), Quit> {
    let mut session = Session::start();
    let model = session.open(&arguments.path)?;
    let request = CalibrateRequest {
        model,
        text: arguments.text.clone(),
        context: arguments.context,
        chunks: arguments.chunks,
        gram: arguments.gram.clone(),
        save_every: Duration::from_secs(arguments.save_every),
        output_matrix: arguments.process_output,
        computing: arguments.computing.choice(),
        path: arguments.output.clone(),
        overwrite: arguments.force,
    };
    let end = session.run(Command::Calibrate(request)).map_err(|quit| match quit {
        Quit::Cancelled if state(&arguments.output).exists() => Quit::Paused,
        other => other,
    });
    let EventKind::Calibrated(report) = end? else {
        return Err(Quit::Failed("the engine gave no report".to_owned()));
    };
    if arguments.json {
        let starved = report.starved.iter().map(|(name, experts)| json!({ "tensor": name, "experts": experts }));
        print_json(&json!({
            "file": report.imatrix.path,
            "datasets": report.imatrix.datasets,
            "chunks": report.imatrix.chunks,
            "context": report.imatrix.chunk_tokens,
            "tensors": report.imatrix.columns.len(),
            "gram": arguments.gram,
            "resumed_at_layer": report.resumed,
            "starved": starved.collect::<Vec<_>>(),
            "device": report.device,
            "seconds": report.elapsed.as_secs_f64(),
        }));
    } else {
        print(&report);
    }
    Ok(())
}

/// What is kept of a calibration that was ended.
fn state(output: &Path) -> PathBuf {
    let mut name = output.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}

fn print(report: &CalibrateReport) {
    let imatrix = &report.imatrix;
    println!("{}", imatrix.path.display());
    println!("  Tensors   {}", imatrix.columns.len());
    println!("  Text      {}, {} chunks of {}", imatrix.datasets.join(", "), imatrix.chunks, imatrix.chunk_tokens);
    if let Some(layer) = report.resumed {
        println!("  Went on   after layer {layer} of an earlier run");
    }
    for (name, experts) in &report.starved {
        let shown: Vec<String> =
            experts.iter().take(LISTED).map(|(expert, count)| format!("{expert} ({count} tokens)")).collect();
        let more = if experts.len() > LISTED { format!(" and {} more", experts.len() - LISTED) } else { String::new() };
        println!("  Few       {name}: experts {}{more}; take a longer text", shown.join(", "));
    }
    println!("  Time      {}", units::duration(report.elapsed));
}
