//! `tuck inspect`.

use super::lora::Lora;
use super::session::{Quit, Session, exit, print_json};
use crate::checkpoint::Adapter;
use crate::engine::{Command, EventKind, OpenRequest};
use crate::gguf::Value;
use crate::model::lint::{self, Finding};
use crate::model::{Model, Setting};
use crate::recipe::{PRESETS, Plan, Recipe};
use crate::tokenizer::Question;
use crate::units;
use serde_json::{Value as Json, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// A longer text or list is shown by its beginning or its length.
const LONGEST_VALUE: usize = 100;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// A Hugging Face folder, a .safetensors or a .gguf file, or the folder of a LoRA adapter.
    path: PathBuf,
    #[command(flatten)]
    lora: Lora,
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
    if Adapter::is_at(&arguments.path) && !arguments.path.join("config.json").is_file() {
        return adapter(arguments);
    }
    let open = OpenRequest { path: arguments.path.clone(), adapters: arguments.lora.choices()? };
    let EventKind::Opened(model) = Session::start().run(Command::Open(open))? else {
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

/// What an adapter is, which is no model by itself.
fn adapter(arguments: &Arguments) -> Result<(), Quit> {
    let EventKind::Adapter(adapter) = Session::start().run(Command::OpenAdapter(arguments.path.clone()))? else {
        return Err(Quit::Failed("the engine gave no adapter".to_owned()));
    };
    let settings = &adapter.settings;
    if arguments.json {
        print_json(&json!({
            "name": adapter.name(),
            "adapter": "lora",
            "base": settings.base,
            "rank": settings.rank,
            "alpha": settings.alpha,
            "modules": adapter.modules(),
            "bytes": adapter.file.bytes,
            "tensors": adapter.tensors.iter().map(|t| json!({
                "stored_name": t.name, "shape": t.shape, "format": t.precision.to_string()
            })).collect::<Vec<_>>(),
        }));
        return Ok(());
    }
    let base = settings.base.as_deref().unwrap_or("not named; whoever trained it knows");
    println!("{}", adapter.name());
    println!("  {:<11} LoRA adapter, no model by itself", "Kind");
    println!("  {:<11} {base}", "Base model");
    println!("  {:<11} {}, alpha {}", "Rank", settings.rank, settings.alpha);
    println!("  {:<11} {} modules, {} tensors", "Changes", adapter.modules(), adapter.tensors.len());
    println!("  {:<11} {}", "Size", units::bytes(adapter.file.bytes));
    let path = arguments.path.display();
    println!("\nMerge it:   tuck pack BASE --lora {path} --type Q6_K\nExport it:  tuck adapter {path} --base BASE");
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
        "notes": model.notes,
        "bytes": card.bytes,
        "precision": card.precision.iter().map(|(name, bytes)| json!({"format": name, "bytes": bytes})).collect::<Vec<_>>(),
        "adapters": model.adapters.iter().map(|merged| json!({
            "path": merged.choice.path, "scale": merged.choice.scale, "about": merged.about, "tensors": merged.tensors
        })).collect::<Vec<_>>(),
        "findings": findings.iter().map(finding_json).collect::<Vec<_>>(),
        "metadata": model.metadata.iter().map(|(key, value)| json!({
            "key": key, "type": value.value_type().name(), "value": shortened(value)
        })).collect::<Vec<_>>(),
        "notes": model.notes,
        "question": model.question.as_ref().map(question_json),
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
        ("Family", card.family_label()),
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
    for merged in &model.adapters {
        let scale = if merged.choice.scale == 1.0 { String::new() } else { format!(" at {}", merged.choice.scale) };
        println!("  {:<11} {} ({}){scale}", "With", merged.choice.path.display(), merged.about);
    }
    for note in &model.notes {
        println!("  {:<11} {note}", "Note");
    }
    model.question.iter().for_each(print_question);
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

/// So many texts that are cut differently are shown; JSON has them all.
const SHOWN_DIFFERENCES: usize = 5;

fn print_question(question: &Question) {
    println!("\n  Before it can be packed: {question}.");
    println!("  tuck pack --pre-tokenizer {} uses it all the same.", question.nearest);
    let pieces = |pieces: &[String]| pieces.iter().map(|piece| format!("[{piece}]")).collect::<String>();
    for difference in question.differences.iter().take(SHOWN_DIFFERENCES) {
        println!("\n    {:?}", difference.text);
        println!("      {:<20} {}", "this model", pieces(&difference.stated));
        println!("      {:<20} {}", question.nearest, pieces(&difference.known));
    }
    match question.differences.len().saturating_sub(SHOWN_DIFFERENCES) {
        0 => {}
        more => println!("\n    and {more} more (--json lists them)"),
    }
}

fn question_json(question: &Question) -> Json {
    json!({
        "pre_tokenizer": question.nearest,
        "test_strings": question.texts,
        "differences": question.differences.iter().map(|d| json!({
            "text": d.text, "this_model": d.stated, "nearest": d.known
        })).collect::<Vec<_>>(),
    })
}

fn shortened(value: &Value) -> String {
    let text = value.to_string().replace('\n', "\\n");
    match text.char_indices().nth(LONGEST_VALUE) {
        Some((end, _)) => format!("{}... ({} bytes)", &text[..end], text.len()),
        None => text,
    }
}
