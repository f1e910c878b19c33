//! `tuck prompt`.

use super::computing::Computing;
use super::session::{Quit, Session, exit, print_json};
use crate::engine::{
    Budget, Command, EventKind, PromptEffect, PromptReport, PromptRequest, PromptSource, Shortened, read_prompt,
};
use crate::prompt::Prompt;
use crate::units;
use serde_json::{Value as Json, json};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Around what was dropped, where it can be struck through, and where not.
const STRUCK: [&str; 2] = ["\x1b[2;9m", "\x1b[0m"];
const MARKED: [&str; 2] = ["[-", "-]"];
/// Stands for standard output.
const STDOUT: &str = "-";

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The model that scores the prompt and answers: a Hugging Face folder, a .safetensors or a .gguf file.
    path: PathBuf,
    /// The prompt, as a file in UTF-8.
    #[arg(long, value_name = "FILE", required_unless_present = "text")]
    file: Option<PathBuf>,
    /// The prompt itself.
    #[arg(long, conflicts_with = "file")]
    text: Option<String>,
    /// What is asked after it, which always stays. Without it, the end of the prompt counts as what is asked.
    #[arg(long, default_value = "", value_name = "TEXT", hide_default_value = true)]
    question: String,
    /// Keep this share of its tokens, such as 30% or 0.3.
    #[arg(long, default_value = "50%", value_name = "SHARE", value_parser = share)]
    ratio: f64,
    /// Keep at most so many tokens.
    #[arg(long, conflicts_with = "ratio", value_name = "COUNT")]
    tokens: Option<usize>,
    /// Always keep words with a part that this regular expression matches. Can be given again.
    #[arg(long, value_name = "PATTERN")]
    keep: Vec<String>,
    /// Compare the predictions of so many tokens of the answer; 0 for no comparison.
    #[arg(long, default_value_t = 16, value_name = "COUNT")]
    answer: usize,
    /// Ask without the model's chat template.
    #[arg(long)]
    raw: bool,
    /// Write what is kept to this file; with -, to standard output, and nothing else there.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace that file where it exists.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    computing: Computing,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

/// A share, as 30% or 0.3.
fn share(text: &str) -> Result<f64, String> {
    let (number, whole) = text.strip_suffix('%').map_or((text, 1.0), |number| (number.trim_end(), 100.0));
    let share = number.parse().map(|number: f64| number / whole).ok();
    let share = share.filter(|share| *share > 0.0 && *share <= 1.0);
    share.ok_or_else(|| "a share of more than 0 and at most 100% was expected, such as 30% or 0.3".to_owned())
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    exit(shorten(arguments))
}

fn shorten(arguments: &Arguments) -> Result<(), Quit> {
    let output = arguments.output.as_deref();
    let to_stdout = output == Some(Path::new(STDOUT));
    let file = output.filter(|_| !to_stdout);
    if let Some(file) = file.filter(|file| file.exists() && !arguments.force) {
        return Err(Quit::Failed(format!("{} exists; name another file, or replace it with --force", file.display())));
    }
    if to_stdout && arguments.json {
        return Err(Quit::Failed("-o - and --json both write to standard output; give -o a file".to_owned()));
    }
    let text = match (&arguments.file, &arguments.text) {
        (Some(path), _) => read_prompt(path).map_err(Quit::Failed)?,
        (None, text) => text.clone().unwrap_or_default(),
    };
    let mut session = Session::start();
    let request = PromptRequest {
        model: session.open(&arguments.path)?,
        of: PromptSource::Text { text, question: arguments.question.clone(), keep: arguments.keep.clone() },
        budget: Some(arguments.tokens.map_or(Budget::Share(arguments.ratio), Budget::Tokens)),
        answer: arguments.answer,
        chat: !arguments.raw,
        computing: arguments.computing.choice(),
    };
    let EventKind::Prompt(report) = session.run(Command::Prompt(request))? else {
        return Err(Quit::Failed("the engine gave no report".to_owned()));
    };
    let Some(kept) = &report.kept else {
        return Err(Quit::Failed("the engine kept nothing of the prompt".to_owned()));
    };
    if let Some(file) = file {
        let written = std::fs::write(file, &kept.text);
        written.map_err(|error| Quit::Failed(format!("{} cannot be written: {error}", file.display())))?;
    }
    match (arguments.json, to_stdout) {
        (true, _) => print_json(&as_json(&report, kept)),
        (_, true) => print!("{}", kept.text),
        _ => print(&report, kept),
    }
    Ok(())
}

fn as_json(report: &PromptReport, kept: &Shortened) -> Json {
    let prompt = &report.scores.scored.prompt;
    let run = |(is_kept, bytes): (bool, std::ops::Range<usize>)| json!({ "kept": is_kept, "text": prompt.text[bytes] });
    let effect = |effect: &PromptEffect| {
        let row = |row: &crate::engine::PromptRow| {
            json!({
                "name": row.name, "about": row.about, "tokens": row.tokens, "kl_divergence": row.divergence,
                "by_token": row.by_token, "same_first_choice": row.same_top,
            })
        };
        json!({
            "answer": effect.answer,
            "answer_tokens": effect.answer_tokens,
            "prompt_tokens": effect.prompt_tokens,
            "rows": effect.rows.iter().map(row).collect::<Vec<_>>(),
            "better_without_scores": effect.better().map(|row| row.name),
        })
    };
    json!({
        "model": report.model,
        "question": report.scores.question,
        "tokens": prompt.tokens(),
        "budget": kept.budget,
        "kept_tokens": kept.tokens,
        "kept": kept.text,
        "parts": prompt.runs(&kept.words).into_iter().map(run).collect::<Vec<_>>(),
        "windows": report.scores.windows[0],
        "window": report.scores.windows[1],
        "effect": report.effect.as_deref().map(effect),
        "unmeasured": report.unmeasured,
        "device": report.device,
        "seconds": report.elapsed.as_secs_f64(),
        "scoring_seconds": report.scores.elapsed.as_secs_f64(),
    })
}

fn print(report: &PromptReport, kept: &Shortened) {
    let prompt = &report.scores.scored.prompt;
    let stdout = std::io::stdout();
    let is_plain = !stdout.is_terminal() || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    println!("{}\n", marked(prompt, kept, if is_plain { MARKED } else { STRUCK }).trim_end_matches('\n'));
    let line = |name: &str, value: String| println!("  {name:<9} {value}");
    let (all, own) = (prompt.tokens(), kept.tokens);
    let [grouped_own, grouped_all] = [own, all].map(|tokens| units::grouped(tokens as u64));
    let share = units::percent(own as f64 / all.max(1) as f64);
    line("Kept", format!("{grouped_own} of {grouped_all} tokens, {share}; what was dropped is marked"));
    if report.scores.windows[0] > 1 {
        let [windows, window] = report.scores.windows;
        line("Read in", format!("{windows} windows of {window} tokens, for it is longer than one"));
    }
    line("Device", report.device.clone());
    let scoring = units::duration(report.scores.elapsed);
    line("Time", format!("{}, of which {scoring} for the scores", units::duration(report.elapsed)));
    if let Some(why) = &report.unmeasured {
        line("Answer", why.clone());
    }
    if let Some(effect) = &report.effect {
        print_effect(effect);
    }
}

fn print_effect(effect: &PromptEffect) {
    println!("  Answer    {:?}\n", effect.answer.trim());
    println!("  {:<12}{:>8}{:>22}{:>14}", "Prompt", "Tokens", "KL", "Same choice");
    for row in &effect.rows {
        let loss = format!("{:.4} ± {:.4}", row.divergence.value, row.divergence.error);
        println!(
            "  {:<12}{:>8}{loss:>22}{:>14}  {}",
            row.name,
            row.tokens,
            units::percent(row.same_top.value),
            row.about
        );
    }
    println!(
        "\n  KL: divergence of the predictions of the answer's first {} tokens from those after the whole prompt, in nats a token.",
        effect.answer_tokens
    );
    match effect.better() {
        Some(row) => println!("  Here \"{}\" changes the answer less than the scores do: {}", row.name, row.about),
        None => println!("  Nothing without scores changes the answer less at as many tokens."),
    }
}

/// The prompt with what was dropped between marks. Signs that steer a terminal are shown, not sent.
fn marked(prompt: &Prompt, kept: &Shortened, marks: [&str; 2]) -> String {
    let shown = |text: &str| -> String {
        let steers = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
        text.chars().map(|c| if steers(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
    };
    let part = |(is_kept, bytes): (bool, std::ops::Range<usize>)| {
        let text = shown(&prompt.text[bytes]);
        if is_kept { text } else { format!("{}{text}{}", marks[0], marks[1]) }
    };
    prompt.runs(&kept.words).into_iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_as_people_write_them() {
        for (text, expected) in [("30%", 0.3), ("0.3", 0.3), ("100 %", 1.0), ("1", 1.0)] {
            assert!((share(text).unwrap() - expected).abs() < 1e-12, "{text}");
        }
        for wrong in ["0", "0%", "-1", "1.01", "101%", "nan", "inf", "half", ""] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_was_dropped_is_marked_and_steers_no_terminal() {
        let prompt = Prompt::new("a b\x1b[2J c".to_owned(), &[0..1, 1..3, 3..4, 4..7, 7..9]);
        let kept = Shortened { words: vec![true, false, true], text: String::new(), tokens: 2, budget: 2 };
        assert_eq!(prompt.words.len(), 3);
        assert_eq!(marked(&prompt, &kept, MARKED), "a[- b\u{fffd}[2J-] c");
    }
}
