//! `tuck kv`.

use super::computing::Computing;
use super::session::{Quit, Session, exit, print_json};
use crate::cache::{CHOICES, Choice, choice_from_name};
use crate::engine::{Command, EventKind, KvReport, KvRequest, KvRow};
use crate::units;
use serde_json::{Value as Json, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// What is said of choices that no flag of llama.cpp stands for.
pub(crate) const NO_RUNTIME: &str = "measured here, no runtime in llama.cpp yet";

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The model: a Hugging Face folder, a .safetensors or a .gguf file.
    path: PathBuf,
    /// Tokens of context whose memory is told; without it, 4096, or what the model was made for if that is less.
    #[arg(long = "ctx", value_name = "TOKENS")]
    context: Option<u64>,
    /// Ways to keep keys and values, with commas between them: q8_0, or q8_0/q4_0 for keys and values apart. Without it, all that
    /// --list lists.
    #[arg(long, value_delimiter = ',', value_name = "NAME,...")]
    choices: Vec<String>,
    /// List the ways to keep keys and values, and end.
    #[arg(long)]
    list: bool,
    /// The text, as a file in UTF-8. Without it, the evaluation text of the sample model.
    #[arg(long, value_name = "FILE")]
    text: Option<PathBuf>,
    /// Tokens of a chunk of it, whose second half is scored; without it, 512, or --ctx if that is less.
    #[arg(long, value_name = "TOKENS")]
    chunk: Option<usize>,
    /// At most so many chunks of the text.
    #[arg(long, default_value_t = 4, value_name = "COUNT")]
    chunks: usize,
    /// Bytes that the cache may take, such as 512M: names the choice that loses least in them.
    #[arg(long, value_name = "SIZE", value_parser = units::parse_bytes)]
    budget: Option<u64>,
    /// Round what llama.cpp's kernels for processors round on the way, and those for GPUs do not: queries where keys are in
    /// blocks or values are, and sums of F16 values beside keys in blocks.
    #[arg(long)]
    round_queries: bool,
    #[command(flatten)]
    computing: Computing,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    exit(measure(arguments))
}

fn measure(arguments: &Arguments) -> Result<(), Quit> {
    /// Where nobody says otherwise.
    const CONTEXT: u64 = 4096;
    const CHUNK: u64 = 512;
    if arguments.list {
        CHOICES.iter().for_each(|choice| println!("{:<18} {}", choice.name, choice.about));
        return Ok(());
    }
    let named = |name: &String| {
        choice_from_name(name.trim())
            .ok_or_else(|| Quit::Failed(format!("there is no choice {name:?}; tuck kv MODEL --list lists them")))
    };
    let choices = arguments.choices.iter().map(named).collect::<Result<Vec<_>, _>>()?;
    let mut session = Session::start();
    let model = session.open(&arguments.path)?;
    let context = arguments.context.unwrap_or(CONTEXT.min(model.hparams.context));
    let request = KvRequest {
        choices,
        context,
        text: arguments.text.clone(),
        chunk: arguments.chunk.unwrap_or(CHUNK.min(context).min(model.hparams.context) as usize),
        chunks: Some(arguments.chunks),
        rounds_queries: arguments.round_queries,
        computing: arguments.computing.choice(),
        model,
    };
    let EventKind::Kv(report) = session.run(Command::Kv(request))? else {
        return Err(Quit::Failed("the engine gave no report".to_owned()));
    };
    if arguments.json {
        print_json(&as_json(&report, arguments.budget));
    } else {
        print(&report, arguments.budget);
    }
    Ok(())
}

fn as_json(report: &KvReport, budget: Option<u64>) -> Json {
    let row = |row: &KvRow| {
        json!({
            "name": row.choice.name,
            "about": row.choice.about,
            "key_bytes": row.bytes[0],
            "value_bytes": row.bytes[1],
            "bytes": row.total(),
            "kl_divergence": row.divergence,
            "by_position": row.positions,
            "needles": row.needles,
            "tokens_per_second": row.rate,
            "device": row.apart.unwrap_or(&report.device),
            "llama_server": row.choice.flags(),
            "same_bytes": row.same_bytes.map(|n| &report.rows[n].choice.name),
        })
    };
    let best = budget.map(|budget| {
        json!({
            "budget": budget,
            "llama_cpp": report.best(budget, true).map(|row| &row.choice.name),
            "measured": report.best(budget, false).map(|row| &row.choice.name),
            "predicted_pair": report.best_pair(budget).map(|pair| json!({
                "name": pair.choice.name, "bytes": pair.bytes, "kl_divergence": pair.divergence,
                "llama_server": pair.choice.flags(),
            })),
        })
    });
    json!({
        "model": report.model,
        "context": report.context,
        "text": report.text,
        "chunks": report.chunks,
        "chunk": report.chunk,
        "needle_depths": report.depths,
        "choices": report.rows.iter().map(row).collect::<Vec<_>>(),
        "refused": report.refused.iter().map(|(name, why)| json!({ "name": name, "why": why })).collect::<Vec<_>>(),
        "best": best,
        "device": report.device,
        "seconds": report.elapsed.as_secs_f64(),
    })
}

fn print(report: &KvReport, budget: Option<u64>) {
    let context = units::grouped(report.context);
    println!("{}: what to keep of {context} tokens", report.model.display());
    println!("  Text      {}, {} chunks of {}", report.text.display(), report.chunks, report.chunk);
    println!("  Device    {}", report.device);
    println!("  Time      {}\n", units::duration(report.elapsed));
    println!(
        "  {:<18}{:>10}{:>10}{:>11}{:>11}{:>11}{:>9}{:>8}  llama-server",
        "Choice", "Keys", "Values", "KL", "first 1/8", "last 1/8", "needle", "tok/s"
    );
    for row in &report.rows {
        println!("  {}  {}", line(row), row.choice.flags().unwrap_or_else(|| NO_RUNTIME.to_owned()));
        if let Some(same) = row.same_bytes {
            let same = &report.rows[same];
            let all_more = if same.total() > row.total() { ", where all take more" } else { "" };
            println!("    same bytes by quantization alone{all_more}:\n  {}", line(same));
        }
    }
    println!(
        "\n  KL: mean divergence from f16, in nats, over the second half of each chunk. Needle: by how much more likely a thing \
         told once\n  is remembered than guessed, in nats a token; compare with f16. tok/s: through Tuck's own forward pass."
    );
    report.refused.iter().for_each(|(name, why)| println!("  {name} was left out: {why}"));
    if let Some(budget) = budget {
        println!("\n  In {}", units::bytes(budget));
        match report.best(budget, true) {
            None => println!("    llama.cpp has no choice that small; drop --ctx"),
            Some(row) => said("    Best that llama.cpp runs", &row.choice, row.total(), row.divergence.value),
        }
        let measured = report.best(budget, false).filter(|row| row.choice.types().is_none());
        if let Some(row) = measured {
            said("    Best of all", &row.choice, row.total(), row.divergence.value);
        }
        let better = |divergence: f64| report.best(budget, true).is_none_or(|row| divergence < row.divergence.value);
        if let Some(pair) = report.best_pair(budget).filter(|pair| better(pair.divergence)) {
            said("    Predicted to be better, measure it with --choices", &pair.choice, pair.bytes, pair.divergence);
        }
    }
}

fn said(what: &str, choice: &Choice, bytes: u64, divergence: f64) {
    let flags = choice.flags().unwrap_or_else(|| NO_RUNTIME.to_owned());
    println!("{what}: {}, {}, KL {divergence:.6}: {flags}", choice.name, units::bytes(bytes));
}

fn line(row: &KvRow) -> String {
    let part = |at: Option<&f64>| at.map_or(String::new(), |part| format!("{part:.6}"));
    format!(
        "{:<18}{:>10}{:>10}{:>11.6}{:>11}{:>11}{:>9.3}{:>8.0}",
        row.choice.name,
        units::bytes(row.bytes[0]),
        units::bytes(row.bytes[1]),
        row.divergence.value,
        part(row.positions.first()),
        part(row.positions.last()),
        row.needle(),
        row.rate,
    )
}
