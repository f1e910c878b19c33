//! `tuck verify`.

use super::importance::Importance;
use super::session::{Quit, Session, exit, print_json};
use crate::engine::{Command, EventKind, TensorError, VerifyReport, VerifyRequest};
use crate::eval::{ErrorSums, WeightError};
use crate::units;
use serde_json::{Value as Json, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// Tensors of the summary.
const WORST: usize = 10;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The model to measure: a Hugging Face folder, a .safetensors or a .gguf file.
    path: PathBuf,
    /// The model it should equal, usually the one it was packed from.
    #[arg(long, value_name = "MODEL")]
    against: PathBuf,
    #[command(flatten)]
    importance: Importance,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    exit(verify(arguments))
}

fn verify(arguments: &Arguments) -> Result<(), Quit> {
    let imatrix = arguments.importance.open()?;
    let mut session = Session::start();
    let EventKind::Opened(reference) = session.run(Command::Open(arguments.against.clone().into()))? else {
        return Err(Quit::Failed("the engine gave no model".to_owned()));
    };
    let request = VerifyRequest { candidate: arguments.path.clone(), reference, imatrix };
    let EventKind::Verified(report) = session.run(Command::Verify(request))? else {
        return Err(Quit::Failed("the engine gave no report".to_owned()));
    };
    if arguments.json {
        print_json(&as_json(&report));
    } else {
        print(&report);
    }
    match report.mismatches.len() {
        0 => Ok(()),
        count => Err(Quit::Failed(format!(
            "{count} tensors could not be compared, because only one of the models has them or their shapes differ; the \
             report lists them; give the model that {} was packed from",
            report.candidate.display()
        ))),
    }
}

fn as_json(report: &VerifyReport) -> Json {
    let tensor = |tensor: &TensorError| {
        let mut json = error_json(&tensor.error);
        json["name"] = json!(tensor.name);
        json["shape"] = json!(tensor.shape);
        json["format"] = json!(tensor.format.name);
        json["reference_format"] = json!(tensor.reference_format.name);
        json
    };
    json!({
        "candidate": report.candidate,
        "reference": report.reference,
        "imatrix": report.imatrix,
        "total": error_json(&report.total),
        "tensors": report.tensors.iter().map(tensor).collect::<Vec<_>>(),
        "mismatches": report.mismatches.iter().map(|m| json!({
            "name": m.name, "shape": m.shape, "reference_shape": m.reference_shape
        })).collect::<Vec<_>>(),
        "seconds": report.elapsed.as_secs_f64(),
    })
}

/// A relative error against nothing but zeros is infinite, which JSON calls null.
fn error_json(error: &WeightError) -> Json {
    let mut json = sums_json(&error.plain);
    json["largest"] = json!(error.largest);
    json["weights"] = json!(error.weights);
    json["nonfinite"] = json!(error.nonfinite);
    json["reference_nonfinite"] = json!(error.reference_nonfinite);
    json["weighted"] = error.weighted.as_ref().map_or(Json::Null, sums_json);
    json
}

fn sums_json(sums: &ErrorSums) -> Json {
    json!({ "rmse": sums.rmse(), "relative_rmse": sums.relative_rmse(), "cosine": sums.cosine() })
}

fn print(report: &VerifyReport) {
    let total = &report.total;
    if !report.tensors.is_empty() {
        table(report.tensors.iter());
        let mut worst: Vec<&TensorError> = report.tensors.iter().filter(|t| t.error.plain.difference > 0.0).collect();
        worst.sort_by(|a, b| b.error.judged().relative_rmse().total_cmp(&a.error.judged().relative_rmse()));
        worst.truncate(WORST);
        if !worst.is_empty() {
            println!("\nFurthest from the reference:");
            table(worst.into_iter());
        }
        println!();
    }
    println!("{} against {}", report.candidate.display(), report.reference.display());
    println!("  Tensors   {} compared, {} weights", report.tensors.len(), units::grouped(total.weights));
    println!("  Error     {}, largest {}", sums(&total.plain), short(total.largest));
    if let (Some(weighted), Some(imatrix)) = (&total.weighted, &report.imatrix) {
        let tensors = report.tensors.iter().filter(|t| t.error.weighted.is_some()).count();
        println!("  Weighted  {} (columns of {tensors} tensors as in {})", sums(weighted), imatrix.display());
    }
    if total.nonfinite + total.reference_nonfinite > 0 {
        println!(
            "  Left out  {} weights that are NaN or infinite, {} in the reference",
            units::grouped(total.nonfinite),
            units::grouped(total.reference_nonfinite)
        );
    }
    for (index, mismatch) in report.mismatches.iter().enumerate() {
        println!("  {:<9} {mismatch}", if index == 0 { "Unequal" } else { "" });
    }
    println!("  Time      {}", units::duration(report.elapsed));
}

fn sums(sums: &ErrorSums) -> String {
    let Figures { rmse, relative, cosine } = Figures::of(sums);
    format!("RMSE {rmse} ({relative} of the weights' own), cosine {cosine}")
}

/// As they are printed.
struct Figures {
    rmse: String,
    relative: String,
    cosine: String,
}

impl Figures {
    fn of(sums: &ErrorSums) -> Self {
        Self {
            rmse: short(sums.rmse()),
            relative: units::percent(sums.relative_rmse()),
            cosine: format!("{:.6}", sums.cosine()),
        }
    }
}

fn short(value: f64) -> String {
    if value == 0.0 { "0".to_owned() } else { format!("{value:.3e}") }
}

fn table<'a>(tensors: impl Iterator<Item = &'a TensorError> + Clone) {
    let name = tensors.clone().map(|t| t.name.chars().count()).max().unwrap_or(0).max("Tensor".len());
    let has_weighted = tensors.clone().any(|t| t.error.weighted.is_some());
    let has_nonfinite = tensors.clone().any(|t| t.error.nonfinite + t.error.reference_nonfinite > 0);
    let line = |cells: [&str; 10]| {
        let [tensor, shape, format, reference, rmse, relative, largest, cosine, weighted, nonfinite] = cells;
        print!(
            "  {tensor:<name$}  {shape:>16}  {format:<7} {reference:<7} {rmse:>9} {relative:>9} {largest:>9} {cosine:>9}"
        );
        if has_weighted {
            print!(" {weighted:>9}");
        }
        if has_nonfinite {
            print!(" {nonfinite:>10}");
        }
        println!();
    };
    let heads =
        ["Tensor", "Shape", "Type", "Against", "RMSE", "Relative", "Largest", "Cosine", "Weighted", "Not finite"];
    line(heads);
    for tensor in tensors {
        let error = &tensor.error;
        let Figures { rmse, relative, cosine } = Figures::of(&error.plain);
        line([
            &tensor.name,
            &tensor.shape.iter().map(u64::to_string).collect::<Vec<_>>().join(" x "),
            tensor.format.name,
            tensor.reference_format.name,
            &rmse,
            &relative,
            &short(error.largest),
            &cosine,
            &error.weighted.as_ref().map(|sums| units::percent(sums.relative_rmse())).unwrap_or_default(),
            &units::grouped(error.nonfinite + error.reference_nonfinite),
        ]);
    }
}
