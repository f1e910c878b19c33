//! `tuck pack`.

use super::importance::Importance;
use super::session::{Quit, Session, exit, print_json};
use crate::engine::{Command, DeviceChoice, EventKind, PackReport, PackRequest};
use crate::imatrix::Imatrix;
use crate::recipe::{Coverage, FallbackGroup, Plan, Recipe};
use crate::units;
use serde_json::{Value as Json, json};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// A Hugging Face folder, a .safetensors or a .gguf file.
    path: PathBuf,
    /// The type, in any case: COPY, F32, F16, BF16, Q8_0, Q6_K, Q5_K_M, Q4_K_M...; tuck inspect shows the size of each.
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
    #[command(flatten)]
    importance: Importance,
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
    let recipe = Recipe::parse(&arguments.preset, &arguments.tensor_types).map_err(|error| failed(&error))?;
    let recipe = Recipe { imatrix: arguments.importance.open()?, ..recipe };
    let mut session = Session::start();
    let EventKind::Opened(model) = session.run(Command::Open(arguments.path.clone()))? else {
        return Err(Quit::Failed("the engine gave no model".to_owned()));
    };
    let output = arguments.output.clone().unwrap_or_else(|| model.default_file_name(recipe.preset.name).into());
    if arguments.dry_run {
        let plan = Plan::new(&model, &recipe).map_err(|error| failed(&error))?;
        let coverage = plan.coverage(&model);
        coverage.iter().flat_map(Coverage::warnings).for_each(|warning| eprintln!("tuck: warning: {warning}"));
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
            if let Some(used) = recipe.imatrix.as_deref().zip(coverage.as_ref()) {
                println!("  Imatrix {}", imatrix_line(used));
            }
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

/// `m.gguf: 56 of 57 searched tensors weighted (20 chunks of calibration.txt)`.
fn imatrix_line((imatrix, coverage): (&Imatrix, &Coverage)) -> String {
    let weighted = coverage.weighted.len();
    format!(
        "{}: {} of {} quantized tensors weighted ({} chunks of {})",
        imatrix.path.display(),
        weighted,
        weighted + coverage.plain.len(),
        imatrix.chunks,
        if imatrix.datasets.is_empty() { "unknown text".to_owned() } else { imatrix.datasets.join(", ") }
    )
}

fn imatrix_json((imatrix, coverage): (&Imatrix, &Coverage)) -> Json {
    json!({
        "file": imatrix.path,
        "chunks": imatrix.chunks,
        "datasets": imatrix.datasets,
        "weighted": coverage.weighted.len(),
        "plain": coverage.plain,
        "unused": coverage.unused,
    })
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
        "imatrix": plan.recipe.imatrix.as_deref().zip(plan.coverage(model).as_ref()).map(imatrix_json),
        "fallbacks": plan.fallbacks.iter().map(ToString::to_string).collect::<Vec<_>>(),
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
        "imatrix": report.imatrix.as_ref().map(|(imatrix, coverage)| imatrix_json((imatrix, coverage))),
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
    if let Some((imatrix, coverage)) = &report.imatrix {
        println!("  Imatrix   {}", imatrix_line((imatrix, coverage)));
    }
    for (index, group) in FallbackGroup::of(&report.fallbacks).iter().enumerate() {
        let label = if index == 0 { "Fallbacks" } else { "" };
        println!("  {label:<9} {}\n            {}", group.sentence(), group.names());
    }
    println!("  Verified  every tensor read back as written");
    println!("\nTry it:  llama-cli -m {}", report.output.display());
}
