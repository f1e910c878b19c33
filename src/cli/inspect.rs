//! `tuck inspect`.

use super::session::{Quit, Session, exit, print_json};
use crate::engine::{Command, EventKind};
use crate::gguf::Value;
use crate::model::lint::{self, Finding};
use crate::model::{Model, Setting};
use crate::recipe::{PRESETS, Plan, Recipe};
use crate::units;
use serde_json::{Value as Json, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// A longer text or list is shown by its beginning or its length.
const LONGEST_VALUE: usize = 100;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// A Hugging Face folder, a .safetensors or a .gguf file.
    path: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// List every tensor.
    #[arg(long)]
    tensors: bool,
    /// List the metadata the GGUF file will have.
    #[arg(long)]
    metadata: bool,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    exit(inspect(arguments))
}

fn inspect(arguments: &Arguments) -> Result<(), Quit> {
    let EventKind::Opened(model) = Session::start().run(Command::Open(arguments.path.clone()))? else {
        return Err(Quit::Failed("the engine gave no model".to_owned()));
    };
    let plans = PRESETS
        .iter()
        .map(|preset| Plan::new(&model, &Recipe::new(preset)))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| Quit::Failed(error.to_string()))?;
    let findings = lint::check(&model);
    if arguments.json {
        print_json(&as_json(&model, &plans, &findings));
    } else {
        print(&model, &plans, arguments);
        print_findings(&findings);
    }
    Ok(())
}

fn as_json(model: &Model, plans: &[Plan], findings: &[Finding]) -> Json {
    let card = &model.card;
    json!({
        "name": card.name,
        "family": card.family,
        "architecture": card.architecture,
        "parameters": card.parameters,
        "layers": card.layers,
        "hidden": card.hidden,
        "heads": card.heads,
        "kv_heads": card.kv_heads,
        "context": card.context,
        "vocabulary": card.vocabulary,
        "tied_output": card.tied,
        "bytes": card.bytes,
        "precision": card.precision.iter().map(|(f, bytes)| json!({"format": f.name, "bytes": bytes})).collect::<Vec<_>>(),
        "findings": findings.iter().map(finding_json).collect::<Vec<_>>(),
        "metadata": model.metadata.iter().map(|(key, value)| json!({
            "key": key, "type": value.value_type().name(), "value": shortened(value)
        })).collect::<Vec<_>>(),
        "tensors": model.tensors.iter().map(|t| json!({
            "name": t.name, "stored_name": t.stored_name, "shape": t.shape, "format": t.format.name
        })).collect::<Vec<_>>(),
        "types": plans.iter().map(|plan| json!({
            "type": plan.recipe.preset.name,
            "file_bytes": plan.file_bytes,
            "bits_per_weight": plan.bits_per_weight,
            "fallbacks": plan.fallbacks.len(),
        })).collect::<Vec<_>>(),
    })
}

fn finding_json(finding: &Finding) -> Json {
    json!({
        "severity": finding.severity.label(),
        "key": finding.key,
        "found": finding.found,
        "why": finding.why,
        "advice": finding.advice,
        "fix": finding.fix.as_ref().map(Setting::text),
    })
}

/// What is wrong with the metadata, after all that is long.
fn print_findings(findings: &[Finding]) {
    if findings.is_empty() {
        return;
    }
    println!("\n  Findings");
    for finding in findings {
        println!("  {:<8} {finding}.", finding.severity.label());
        println!("           {}\n           {}", finding.why, finding.advice);
    }
}

fn print(model: &Model, plans: &[Plan], arguments: &Arguments) {
    let card = &model.card;
    println!("{}", card.name);
    let output = if card.tied { "shared with the token embedding" } else { "its own" };
    let rows = [
        ("Family", format!("{} ({})", card.family, card.architecture)),
        ("Parameters", format!("{} ({})", units::count(card.parameters), units::grouped(card.parameters))),
        ("Layers", format!("{} of width {}", card.layers, card.hidden)),
        ("Heads", format!("{} query, {} key-value", card.heads, card.kv_heads)),
        ("Context", format!("{} tokens", units::grouped(card.context))),
        ("Vocabulary", format!("{} tokens, output {output}", units::grouped(card.vocabulary))),
        (
            "Stored as",
            format!("{}, {} ({} bytes)", card.precision_label(), units::bytes(card.bytes), units::grouped(card.bytes)),
        ),
    ];
    for (label, text) in rows {
        println!("  {label:<11} {text}");
    }
    println!("\n  {:<9} {:>10} {:>15}  {:>5}", "Type", "Size", "Bytes", "Bits");
    for plan in plans {
        let fallbacks = match plan.fallbacks.len() {
            0 => String::new(),
            n => format!("  {n} fallbacks"),
        };
        println!(
            "  {:<9} {:>10} {:>15}  {:>5.2}{fallbacks}",
            plan.recipe.preset.name,
            units::bytes(plan.file_bytes),
            units::grouped(plan.file_bytes),
            plan.bits_per_weight
        );
    }
    if arguments.metadata {
        println!();
        for (key, value) in &model.metadata {
            println!("  {key} ({}) = {}", value.value_type().name(), shortened(value));
        }
    }
    if arguments.tensors {
        println!();
        for tensor in &model.tensors {
            let shape = tensor.shape.iter().map(u64::to_string).collect::<Vec<_>>().join(" x ");
            println!("  {:<32} {:>16}  {:<5} {}", tensor.name, shape, tensor.format.name, tensor.stored_name);
        }
    }
}

fn shortened(value: &Value) -> String {
    let text = value.to_string().replace('\n', "\\n");
    match text.char_indices().nth(LONGEST_VALUE) {
        Some((end, _)) => format!("{}... ({} bytes)", &text[..end], text.len()),
        None => text,
    }
}
