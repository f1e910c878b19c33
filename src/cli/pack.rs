//! `tuck pack`.

use super::session::{Quit, Session, exit, print_json};
use crate::engine::{Command, DeviceChoice, EventKind, PackReport, PackRequest};
use crate::model::{EditError, Pruning, Setting};
use crate::recipe::{FallbackGroup, Plan, Recipe, RecipeError, named_format};
use crate::units;
use serde_json::{Value as Json, json};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// A Hugging Face folder, a .safetensors or a .gguf file.
    path: PathBuf,
    /// The type, in any case: COPY, F16, Q8_0, Q4_K_M, IQ4_XS...; tuck inspect lists them with their sizes.
    #[arg(long = "type", short = 't', value_name = "TYPE")]
    preset: String,
    /// The file to write. Without it, NAME-TYPE.gguf in this folder.
    #[arg(long, short, value_name = "OUT.gguf")]
    output: Option<PathBuf>,
    /// Where to compute: auto, cpu, or part of a name that tuck devices lists.
    #[arg(long, default_value = "auto", value_name = "NAME")]
    device: String,
    /// A type for the tensors whose GGUF name matches a regular expression, such as attn_v=Q8_0. Can be given again; the
    /// first match wins.
    #[arg(long = "tensor-type", value_name = "PATTERN=TYPE")]
    tensor_types: Vec<String>,
    /// Give every matrix the main format of the type, without more bits for some.
    #[arg(long)]
    pure: bool,
    /// A type for output.weight.
    #[arg(long, value_name = "TYPE", conflicts_with = "leave_output_tensor")]
    output_tensor_type: Option<String>,
    /// A type for token_embd.weight.
    #[arg(long, value_name = "TYPE")]
    token_embedding_type: Option<String>,
    /// Leave output.weight as it is.
    #[arg(long)]
    leave_output_tensor: bool,
    /// Leave these layers out, counted from 0; the rest are counted anew.
    #[arg(long, value_name = "L0,L1,...")]
    prune_layers: Option<String>,
    /// Set a piece of metadata, such as llama.context_length=int:8192; the types are int, float, bool and str. Can be given
    /// again.
    #[arg(long = "override-kv", value_name = "KEY=TYPE:VALUE")]
    settings: Vec<String>,
    /// Replace the output where it exists.
    #[arg(long)]
    force: bool,
    /// Go on where weights are NaN or infinite; they count as 0 in block formats.
    #[arg(long)]
    allow_nonfinite: bool,
    /// Say what would be written, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    exit(pack(arguments))
}

fn pack(arguments: &Arguments) -> Result<(), Quit> {
    let failed = |error: &dyn std::error::Error| Quit::Failed(error.to_string());
    let mut recipe = recipe(arguments).map_err(|error| failed(&error))?;
    let (settings, pruning) = edits(arguments).map_err(|error| failed(&error))?;
    let mut session = Session::start();
    let EventKind::Opened(model) = session.run(Command::Open(arguments.path.clone()))? else {
        return Err(Quit::Failed("the engine gave no model".to_owned()));
    };
    let model = Arc::new(model.edited(&settings, &pruning).map_err(|error| failed(&error))?);
    recipe.imatrix = recipe.imatrix.map(|imatrix| Arc::new(imatrix.renamed(|name| pruning.rename(name))));
    let output = arguments.output.clone().unwrap_or_else(|| model.default_file_name(recipe.preset.name).into());
    if arguments.dry_run {
        let plan = Plan::new(&model, &recipe).map_err(|error| failed(&error))?;
        plan.warnings.iter().for_each(|warning| eprintln!("tuck: warning: {warning}"));
        if arguments.json {
            print_json(&plan_json(&model, &plan));
        } else {
            println!(
                "{} would have {} bytes ({:.2} bits a weight)",
                output.display(),
                units::grouped(plan.file_bytes),
                plan.bits_per_weight
            );
            FallbackGroup::of(&plan.fallbacks)
                .iter()
                .for_each(|group| println!("  {}\n    {}", group.sentence(), group.names()));
        }
        return Ok(());
    }
    let request = PackRequest {
        model,
        recipe,
        output,
        overwrite: arguments.force,
        allow_nonfinite: arguments.allow_nonfinite,
        device: DeviceChoice::parse(&arguments.device),
    };
    let EventKind::Packed(report) = session.run(Command::Pack(request))? else {
        return Err(Quit::Failed("the engine gave no report".to_owned()));
    };
    if arguments.json {
        print_json(&report_json(&report));
    } else {
        print(&report);
    }
    Ok(())
}

fn recipe(arguments: &Arguments) -> Result<Recipe, RecipeError> {
    let named = |name: &Option<String>| name.as_deref().map(named_format).transpose();
    Ok(Recipe {
        pure: arguments.pure,
        output: named(&arguments.output_tensor_type)?,
        token_embedding: named(&arguments.token_embedding_type)?,
        leave_output: arguments.leave_output_tensor,
        ..Recipe::parse(&arguments.preset, &arguments.tensor_types)?
    })
}

fn edits(arguments: &Arguments) -> Result<(Vec<Setting>, Pruning), EditError> {
    let settings = arguments.settings.iter().map(|text| Setting::parse(text)).collect::<Result<_, _>>()?;
    Ok((settings, arguments.prune_layers.as_deref().map(Pruning::parse).transpose()?.unwrap_or_default()))
}

fn plan_json(model: &crate::model::Model, plan: &Plan) -> Json {
    let tensors = model.tensors.iter().zip(&plan.tensors);
    json!({
        "type": plan.recipe.preset.name,
        "file_bytes": plan.file_bytes,
        "bits_per_weight": plan.bits_per_weight,
        "tensors": tensors.map(|(t, p)| json!({
            "name": t.name, "format": p.format.name, "bytes": p.bytes, "offset": p.offset
        })).collect::<Vec<_>>(),
        "fallbacks": plan.fallbacks.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "warnings": plan.warnings,
    })
}

fn report_json(report: &PackReport) -> Json {
    json!({
        "output": report.output,
        "type": report.recipe,
        "file_bytes": report.file_bytes,
        "source_bytes": report.source_bytes,
        "weights": report.weights,
        "bits_per_weight": report.bits_per_weight,
        "formats": report.formats.iter().map(|(format, tensors, bytes)| json!({
            "format": format.name, "tensors": tensors, "bytes": bytes
        })).collect::<Vec<_>>(),
        "fallbacks": report.fallbacks.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "device": report.device,
        "seconds": report.elapsed.as_secs_f64(),
        "verified": true,
    })
}

fn print(report: &PackReport) {
    let seconds = report.elapsed.as_secs_f64();
    println!("{}", report.output.display());
    println!("  Type      {} ({:.2} bits a weight)", report.recipe, report.bits_per_weight);
    println!("  Size      {} ({} bytes)", units::bytes(report.file_bytes), units::grouped(report.file_bytes));
    println!(
        "  Time      {} on {} ({} of weights read, {})",
        units::duration(report.elapsed),
        report.device,
        units::bytes(report.source_bytes),
        units::rate(report.source_bytes as f64 / seconds)
    );
    for (index, (format, tensors, bytes)) in report.formats.iter().enumerate() {
        let label = if index == 0 { "Tensors" } else { "" };
        println!("  {label:<9} {tensors:>4} as {:<5} {}", format.name, units::bytes(*bytes));
    }
    for (index, group) in FallbackGroup::of(&report.fallbacks).iter().enumerate() {
        let label = if index == 0 { "Fallbacks" } else { "" };
        println!("  {label:<9} {}\n            {}", group.sentence(), group.names());
    }
    println!("  Verified  every tensor read back as written");
    println!("\nTry it:  llama-cli -m {}", report.output.display());
}
