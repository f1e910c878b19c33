//! `tuck fit`.

mod json;
mod picture;
mod table;

use super::importance::Importance;
use super::lora::Lora;
use super::session::{Quit, Session, exit, print_json};
use crate::checkpoint::Kind;
use crate::engine::{Command, EventKind, Hardware, OpenRequest};
use crate::fit::{
    Answer, Candidate, Fitter, Machine, Settings, Subject, USUAL_TARGETS, candidates, largest_type, parse_cache_types,
};
use crate::model::Model;
use crate::quant::FormatRef;
use crate::recipe::{Plan, Recipe};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The context where none is asked for.
const CONTEXT: u64 = 8192;
/// Longer contexts are refused; no model was made for them.
const LONGEST_CONTEXT: u64 = 1 << 27;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// A Hugging Face folder, a .safetensors or a .gguf file.
    path: PathBuf,
    /// The type it is to have, as for tuck pack. Without it a GGUF file is taken as it is, anything else as Q4_K_M.
    #[arg(long = "type", short = 't', value_name = "TYPE")]
    preset: Option<String>,
    /// A type for the tensors whose GGUF name matches a regular expression. Can be given again; the first match wins.
    #[arg(long = "tensor-type", value_name = "PATTERN=TYPE")]
    tensor_types: Vec<String>,
    /// Tokens of context, of all sequences together. Without it 8192, or what the model was made for where that is less.
    #[arg(long, short, visible_alias = "context", value_name = "TOKENS", value_parser = clap::value_parser!(u64).range(1..=LONGEST_CONTEXT))]
    ctx: Option<u64>,
    /// The type of the KV cache: f16, bf16, f32, q8_0, q5_1, q5_0, q4_1, q4_0 or iq4_nl; of keys and values apart as
    /// q8_0/q4_0.
    #[arg(long, value_name = "K[/V]", default_value = "f16", value_parser = parse_cache_types)]
    kv_type: (FormatRef, FormatRef),
    /// Sequences side by side, which share the context.
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=256))]
    parallel: u64,
    /// Tokens that are handed over at once.
    #[arg(long, value_name = "TOKENS", default_value_t = 2048, value_parser = clap::value_parser!(u64).range(1..=65536))]
    batch: u64,
    /// Tokens that are computed at once.
    #[arg(long, value_name = "TOKENS", default_value_t = 512, value_parser = clap::value_parser!(u64).range(1..=65536))]
    ubatch: u64,
    /// Without flash attention.
    #[arg(long)]
    no_flash_attention: bool,
    /// Layers with a window keep as much as the others.
    #[arg(long)]
    swa_full: bool,
    /// The projector file of a model that sees or hears, which is loaded beside it.
    #[arg(long, value_name = "FILE")]
    mmproj: Option<PathBuf>,
    /// A machine to look at, by part of its name; "this" is this one, "all" are all. Can be given again. Your own go into
    /// targets.toml in Tuck's configuration folder.
    #[arg(long = "target", value_name = "NAME")]
    targets: Vec<String>,
    #[command(flatten)]
    importance: Importance,
    #[command(flatten)]
    lora: Lora,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Write a picture: bars of each machine, and memory over context for each type of cache.
    #[arg(long, value_name = "FILE.svg")]
    svg: Option<PathBuf>,
}

/// All that is told.
struct Report<'a> {
    model: &'a Model,
    plan: &'a Plan,
    subject: &'a Subject,
    settings: Settings,
    rows: Vec<Row<'a>>,
}

/// What is told of one machine.
struct Row<'a> {
    machine: &'a Machine,
    answer: Answer,
    /// The largest type that is fully on it with this context.
    largest: Option<&'a Candidate>,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    exit(fit(arguments))
}

fn fit(arguments: &Arguments) -> Result<(), Quit> {
    let mut session = Session::start();
    let open = OpenRequest { path: arguments.path.clone(), adapters: arguments.lora.choices()? };
    let EventKind::Opened(model) = session.run(Command::Open(open))? else {
        return Err(Quit::Failed("the engine gave no model".to_owned()));
    };
    let EventKind::Hardware(hardware) = session.run(Command::ReadHardware)? else {
        return Err(Quit::Failed("the engine gave no list of hardware".to_owned()));
    };
    if let Some(problem) = &hardware.problem {
        eprintln!("tuck: warning: {problem}");
    }
    let failed = |error: &dyn std::fmt::Display| Quit::Failed(error.to_string());
    let usual = if model.kind == Kind::Gguf { "COPY" } else { "Q4_K_M" };
    let recipe = Recipe::parse(arguments.preset.as_deref().unwrap_or(usual), &arguments.tensor_types);
    let recipe = Recipe { imatrix: arguments.importance.open()?, ..recipe.map_err(|error| failed(&error))? };
    let plan = Plan::new(&model, &recipe).map_err(|error| failed(&error))?;
    let projector = arguments.mmproj.as_deref().map(length).transpose()?.unwrap_or(0);
    let subject = Subject::planned(&model, &plan).with_projector(projector);
    let settings = settings(arguments, &subject)?;
    let machines = machines(&hardware, &arguments.targets)?;
    let candidates = candidates(&model, &recipe, projector);
    let fitter = Fitter::new(&subject, settings);
    let row = |machine| {
        let largest = largest_type(&candidates, machine, &settings);
        Row { machine, answer: fitter.answer(machine), largest }
    };
    let rows = machines.into_iter().map(row).collect();
    let report = Report { model: &model, plan: &plan, subject: &subject, settings, rows };
    if arguments.json {
        print_json(&json::report(&report));
    } else {
        table::print(&report);
    }
    if let Some(path) = &arguments.svg {
        let picture = picture::draw(&report);
        std::fs::write(path, picture).map_err(|error| Quit::Failed(format!("{}: {error}", path.display())))?;
    }
    Ok(())
}

fn length(path: &Path) -> Result<u64, Quit> {
    let metadata = std::fs::metadata(path).map_err(|error| Quit::Failed(format!("{}: {error}", path.display())))?;
    Ok(metadata.len())
}

fn settings(arguments: &Arguments, subject: &Subject) -> Result<Settings, Quit> {
    let usual = if subject.trained_context > 0 { CONTEXT.min(subject.trained_context) } else { CONTEXT };
    let settings = Settings {
        context: arguments.ctx.unwrap_or(usual),
        sequences: arguments.parallel,
        batch: arguments.batch,
        ubatch: arguments.ubatch.min(arguments.batch),
        keys: arguments.kv_type.0,
        values: arguments.kv_type.1,
        flash_attention: !arguments.no_flash_attention,
        full_windows: arguments.swa_full,
    };
    match settings.problem(subject.is_latent()) {
        Some(problem) => Err(Quit::Failed(problem.to_owned())),
        None => Ok(settings),
    }
}

/// Those that were asked for; without any, this machine and some usual ones.
pub(super) fn machines<'a>(hardware: &'a Hardware, names: &[String]) -> Result<Vec<&'a Machine>, Quit> {
    let usual = || std::iter::once("this").chain(USUAL_TARGETS.iter().copied()).collect();
    let names: Vec<&str> = if names.is_empty() { usual() } else { names.iter().map(String::as_str).collect() };
    let mut machines: Vec<&Machine> = Vec::new();
    for name in names {
        let found: Vec<&Machine> = match name.to_lowercase().as_str() {
            "this" => hardware.this.iter().collect(),
            "all" => hardware.this.iter().chain(hardware.targets.iter().map(|target| &target.machine)).collect(),
            _ => hardware.named(name),
        };
        if found.is_empty() && name != "this" {
            let message = format!("no target is called {name:?}; tuck fit MODEL --target all lists them");
            return Err(Quit::Failed(message));
        }
        for machine in found {
            if !machines.iter().any(|of| of.name == machine.name) {
                machines.push(machine);
            }
        }
    }
    Ok(machines)
}
