//! `tuck compare`.

use super::computing::Computing;
use super::importance::Importance;
use super::session::{Quit, Session, exit, print_json};
use crate::engine::{Command, CompareReport, CompareRequest, Comparison, EventKind, Parting, Subject};
use crate::forward::Sampling;
use crate::recipe::Recipe;
use crate::units;
use serde_json::{Value as Json, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Characters of a column where two answers stand side by side.
const COLUMN: usize = 46;
/// Stands before the first token that differs.
const MARK: &str = "»";
/// No file of prompts is read that holds more.
const MAX_BYTES: u64 = 16 << 20;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// A model: a Hugging Face folder, a .safetensors or a .gguf file.
    path: PathBuf,
    /// Another with the same tokens. Without it and --type, the first answers alone.
    #[arg(conflicts_with = "preset")]
    other: Option<PathBuf>,
    /// Compare with what this type would make of the model, without writing a file.
    #[arg(long = "type", short = 't', value_name = "TYPE")]
    preset: Option<String>,
    /// What to say to them. Can be given again.
    #[arg(long, value_name = "TEXT", required_unless_present = "prompts")]
    prompt: Vec<String>,
    /// A file of prompts: one a line, or JSON lines of texts or of objects with "prompt". Empty lines count for nothing.
    #[arg(long, value_name = "FILE")]
    prompts: Option<PathBuf>,
    /// At most so many tokens an answer.
    #[arg(long, default_value_t = 128, value_name = "COUNT")]
    tokens: usize,
    /// Give the prompt as it is, without the chat template.
    #[arg(long)]
    raw: bool,
    /// Go on after the token that ends an answer, until all tokens are there.
    #[arg(long)]
    ignore_eos: bool,
    /// How freely tokens are drawn. At 0 always the most likely.
    #[arg(long = "temp", default_value_t = 0.0, value_name = "NUMBER")]
    temperature: f32,
    /// Draw only from so many of the most likely tokens; 0 for all.
    #[arg(long, default_value_t = 40, value_name = "COUNT")]
    top_k: usize,
    /// Draw only from the most likely tokens that together reach this probability.
    #[arg(long, default_value_t = 0.95, value_name = "SHARE")]
    top_p: f32,
    /// Draw only tokens at least this likely, relative to the most likely.
    #[arg(long, default_value_t = 0.05, value_name = "SHARE")]
    min_p: f32,
    /// Where the chances come from; the same for both models.
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    seed: u64,
    #[command(flatten)]
    computing: Computing,
    #[command(flatten)]
    importance: Importance,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    exit(compare(arguments))
}

fn compare(arguments: &Arguments) -> Result<(), Quit> {
    let sampling = Sampling {
        top_k: arguments.top_k,
        top_p: arguments.top_p,
        min_p: arguments.min_p,
        temperature: arguments.temperature,
        seed: arguments.seed,
    };
    let mut prompts = arguments.prompt.clone();
    if let Some(path) = &arguments.prompts {
        prompts.extend(read(path).map_err(|problem| Quit::Failed(format!("{}: {problem}", path.display())))?);
    }
    let imatrix = arguments.importance.open()?;
    let recipe = arguments.preset.as_ref().map(|name| Recipe::parse(name, &[])).transpose();
    let recipe = recipe.map_err(|error| Quit::Failed(error.to_string()))?.map(|recipe| Recipe { imatrix, ..recipe });
    let mut session = Session::start();
    let model = session.open(&arguments.path)?;
    let mut subjects = vec![Subject { model: Arc::clone(&model), recipe: None }];
    match (&arguments.other, recipe) {
        (Some(other), _) => subjects.push(Subject { model: session.open(other)?, recipe: None }),
        (None, Some(recipe)) => subjects.push(Subject { model, recipe: Some(recipe) }),
        (None, None) => {}
    }
    let alone = subjects.len() == 1;
    let request = CompareRequest {
        subjects,
        prompts,
        chat: !arguments.raw,
        tokens: arguments.tokens,
        sampling,
        stops: !arguments.ignore_eos,
        computing: arguments.computing.choice(),
    };
    let end = session.run_telling(Command::Compare(request), |told| match told {
        _ if arguments.json => {}
        EventKind::Spoken(spoken) if alone => {
            print!("{}", spoken.text);
            // A closed pipe is noticed by the next print.
            let _ = std::io::stdout().flush();
        }
        EventKind::Answered(_) if alone => println!("\n"),
        EventKind::Answered(comparison) => print_comparison(comparison),
        _ => {}
    })?;
    let EventKind::Compared(report) = end else {
        return Err(Quit::Failed("the engine gave no report".to_owned()));
    };
    if arguments.json {
        print_json(&as_json(&report));
    } else {
        print_summary(&report);
    }
    Ok(())
}

/// The prompts of a file.
fn read(path: &Path) -> Result<Vec<String>, String> {
    let unread = |error: std::io::Error| format!("it could not be read: {error}; give a text file in UTF-8");
    let found = std::fs::metadata(path).map_err(unread)?;
    if !found.is_file() || found.len() > MAX_BYTES {
        return Err(format!("it has {} bytes, and a text file of at most {MAX_BYTES} was expected", found.len()));
    }
    let text = std::fs::read_to_string(path).map_err(unread)?;
    let mut prompts = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let prompt = match line.trim_start().starts_with(['{', '"']).then(|| serde_json::from_str::<Json>(line)) {
            None | Some(Err(_)) => Some(line.to_owned()),
            Some(Ok(json)) => json.as_str().or(json["prompt"].as_str()).map(str::to_owned),
        };
        prompts.push(prompt.ok_or_else(|| format!("line {} is an object without \"prompt\"", number + 1))?);
    }
    if prompts.is_empty() { Err("it has no prompt".to_owned()) } else { Ok(prompts) }
}

fn as_json(report: &CompareReport) -> Json {
    let comparison = |comparison: &Arc<Comparison>| {
        let answer = |answer: &crate::engine::Answer| {
            json!({
                "text": answer.text,
                "tokens": answer.tokens,
                "probabilities": answer.probabilities,
                "ended": answer.ended,
            })
        };
        let parting = comparison.parting.as_ref().map(|parting| {
            let choice = |choice: &crate::engine::Preference| {
                json!({ "token": choice.token, "text": choice.name, "probabilities": choice.probabilities })
            };
            json!({ "at": parting.at, "choices": parting.choices.iter().map(choice).collect::<Vec<_>>() })
        });
        json!({
            "prompt": comparison.prompt,
            "prompt_tokens": comparison.prompt_tokens,
            "answers": comparison.answers.iter().map(answer).collect::<Vec<_>>(),
            "parting": parting,
        })
    };
    json!({
        "models": report.subjects.iter().map(|(path, recipe)| json!({ "path": path, "type": recipe })).collect::<Vec<_>>(),
        "comparisons": report.comparisons.iter().map(comparison).collect::<Vec<_>>(),
        "score": report.agreement,
        "device": report.device,
        "seconds": report.elapsed.as_secs_f64(),
    })
}

fn print_comparison(comparison: &Comparison) {
    println!("> {}", comparison.prompt.lines().collect::<Vec<_>>().join("\n> "));
    let columns: Vec<Vec<String>> =
        comparison.answers.iter().map(|answer| marked(&answer.text, &comparison.parting)).collect();
    let rows = columns.iter().map(Vec::len).max().unwrap_or(0);
    for row in 0..rows {
        let cell = |column: &Vec<String>| column.get(row).cloned().unwrap_or_default();
        let [left, right] = [0, 1].map(|side| columns.get(side).map(cell).unwrap_or_default());
        println!("  {left}{} | {right}", " ".repeat(COLUMN.saturating_sub(left.chars().count())));
    }
    match &comparison.parting {
        None => println!("  The answers are the same.\n"),
        Some(parting) => {
            println!("  They part after {} tokens:", parting.at);
            for (choice, who) in parting.choices.iter().zip(["left ", "right"]) {
                let [left, right] = choice.probabilities.map(units::percent);
                println!("  {MARK} {who} {:?}: {left} here, {right} there", choice.name);
            }
            println!();
        }
    }
}

/// An answer in lines, with a mark where it parts from the other.
fn marked(text: &str, parting: &Option<Parting>) -> Vec<String> {
    let parts = parting.as_ref().and_then(|parting| Some((&parting.same, text.strip_prefix(&parting.same)?)));
    match parts {
        None => wrapped(text),
        // The mark comes before the word, not before its space.
        Some((same, rest)) => {
            let word = rest.trim_start_matches(' ');
            wrapped(&format!("{same}{}{MARK}{word}", &rest[..rest.len() - word.len()]))
        }
    }
}

/// Lines of a column, cut at spaces where there are any.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for line in text.trim().lines() {
        let mut current = String::new();
        for word in line.split_inclusive(' ') {
            if !current.is_empty() && current.chars().count() + word.trim_end().chars().count() > COLUMN {
                lines.push(std::mem::take(&mut current).trim_end().to_owned());
            }
            for c in word.chars() {
                if current.chars().count() == COLUMN && c != ' ' {
                    lines.push(std::mem::take(&mut current));
                }
                current.push(c);
            }
        }
        lines.push(current.trim_end().to_owned());
    }
    lines
}

fn print_summary(report: &CompareReport) {
    let line = |name: &str, value: String| println!("  {name:<22} {value}");
    for ((path, recipe), side) in report.subjects.iter().zip(["Left", "Right"]) {
        let recipe = recipe.map(|name| format!(" as {name}")).unwrap_or_default();
        line(if report.subjects.len() == 1 { "Model" } else { side }, format!("{}{recipe}", path.display()));
    }
    if let Some(agreement) = report.agreement {
        line("Same until they part", format!("{} of an answer", units::percent(agreement.until_parting)));
        line("Same first token", units::percent(agreement.same_first));
        line("Same answer", units::percent(agreement.same_answer));
    }
    let tokens: usize = report.comparisons.iter().flat_map(|c| &c.answers).map(|answer| answer.tokens.len()).sum();
    line("Time", format!("{} for {tokens} tokens on {}", units::duration(report.elapsed), report.device));
}
