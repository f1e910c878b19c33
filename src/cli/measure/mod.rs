//! `tuck measure`.

mod picture;

use crate::cli::computing::Computing;
use crate::cli::importance::Importance;
use crate::cli::session::{Quit, Session, exit, print_json};
use crate::engine::{Command, EventKind, MeasureReport, MeasureRequest};
use crate::eval::Estimate;
use crate::recipe::Recipe;
use crate::units;
use serde_json::{Value as Json, json};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// Quantiles of the KL divergence, and what they are called.
const QUANTILES: &[(f64, &str)] = &[(0.5, "median"), (0.99, "99 %"), (0.999, "99.9 %"), (1.0, "largest")];

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The model to measure: a Hugging Face folder, a .safetensors or a .gguf file.
    path: PathBuf,
    /// The model whose predictions it should have, usually the one it was packed from.
    #[arg(long, value_name = "MODEL")]
    against: Option<PathBuf>,
    /// Measure what this type would make of the model, without writing a file; against the model itself, unless --against
    /// says otherwise.
    #[arg(long = "type", short = 't', value_name = "TYPE")]
    preset: Option<String>,
    /// The text, as a file in UTF-8. Without it, the evaluation text of the sample model.
    #[arg(long, value_name = "FILE")]
    text: Option<PathBuf>,
    /// Tokens of a chunk. Its second half is scored.
    #[arg(long = "ctx", default_value_t = 512, value_name = "TOKENS")]
    context: usize,
    /// At most so many chunks of the text.
    #[arg(long, value_name = "COUNT")]
    chunks: Option<usize>,
    #[command(flatten)]
    computing: Computing,
    #[command(flatten)]
    importance: Importance,
    /// Draw the divergence of tokens and the error of layers into this file.
    #[arg(long, value_name = "FILE.svg")]
    svg: Option<PathBuf>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    exit(measure(arguments))
}

fn measure(arguments: &Arguments) -> Result<(), Quit> {
    let imatrix = arguments.importance.open()?;
    let recipe = arguments.preset.as_ref().map(|name| Recipe::parse(name, &[])).transpose();
    let recipe = recipe.map_err(|error| Quit::Failed(error.to_string()))?.map(|recipe| Recipe { imatrix, ..recipe });
    let mut session = Session::start();
    let candidate = session.open(&arguments.path)?;
    let reference = match &arguments.against {
        Some(path) => Some(session.open(path)?),
        None => recipe.is_some().then(|| Arc::clone(&candidate)),
    };
    let request = MeasureRequest {
        candidate,
        recipe,
        reference,
        text: arguments.text.clone(),
        context: arguments.context,
        chunks: arguments.chunks,
        computing: arguments.computing.choice(),
    };
    let EventKind::Measured(report) = session.run(Command::Measure(request))? else {
        return Err(Quit::Failed("the engine gave no report".to_owned()));
    };
    if let Some(path) = &arguments.svg {
        if report.reference.is_none() {
            return Err(Quit::Failed("--svg draws a comparison; name a model with --against, or a --type".to_owned()));
        }
        let drawn = picture::draw(&report, &heading(&report));
        std::fs::write(path, drawn).map_err(|error| Quit::Failed(format!("{}: {error}", path.display())))?;
    }
    if arguments.json {
        print_json(&as_json(&report));
    } else {
        print(&report);
    }
    Ok(())
}

fn as_json(report: &MeasureReport) -> Json {
    let divergence = &report.divergence;
    let mut json = json!({
        "candidate": report.candidate,
        "type": report.recipe,
        "bits_per_weight": report.bits_per_weight,
        "reference": report.reference,
        "text": report.text,
        "chunks": report.chunks,
        "context": report.context,
        "scored_tokens": divergence.surprises.len(),
        "perplexity": divergence.perplexity(),
        "device": report.device,
        "seconds": report.elapsed.as_secs_f64(),
    });
    if let Some(perplexity) = divergence.reference_perplexity() {
        let quantiles = divergence.quantiles(&QUANTILES.iter().map(|(q, _)| *q).collect::<Vec<_>>());
        json["reference_perplexity"] = json!(perplexity);
        json["kl_divergence"] = json!({ "mean": divergence.mean() });
        for ((_, name), quantile) in QUANTILES.iter().zip(quantiles) {
            json["kl_divergence"][name] = json!(quantile);
        }
        json["probability_change_rms"] = json!(divergence.probability_change());
        json["same_top"] = json!(divergence.same_top());
        json["layer_errors"] = json!(report.layer_errors);
    }
    json
}

fn print(report: &MeasureReport) {
    let divergence = &report.divergence;
    let line = |name: &str, value: String| println!("  {name:<24} {value}");
    println!("{}", heading(report));
    let tokens = units::grouped(divergence.surprises.len() as u64);
    line("Text", format!("{}, {} chunks of {}", report.text.display(), report.chunks, report.context));
    line("Tokens scored", tokens);
    if let Some(bits) = report.bits_per_weight {
        line("Bits a weight", format!("{bits:.3}"));
    }
    line("Perplexity", figure(divergence.perplexity()));
    if let Some(perplexity) = divergence.reference_perplexity() {
        line("  of the reference", figure(perplexity));
        line("KL divergence, mean", figure(divergence.mean()));
        let quantiles = divergence.quantiles(&QUANTILES.iter().map(|(q, _)| *q).collect::<Vec<_>>());
        for ((_, name), quantile) in QUANTILES.iter().zip(quantiles) {
            line(&format!("  {name}"), figure(quantile));
        }
        line("Change of probability", percent(divergence.probability_change()));
        line("Same most likely token", percent(divergence.same_top()));
    }
    if !report.layer_errors.is_empty() {
        println!("  Error of the residual stream after each layer");
        for (first, errors) in report.layer_errors.chunks(8).enumerate() {
            let shown: Vec<String> = errors.iter().map(|error| format!("{:>8}", units::percent(*error))).collect();
            println!("  {:>5} {}", first * 8, shown.join(""));
        }
    }
    line("Device", report.device.clone());
    line("Time", units::duration(report.elapsed));
}

fn heading(report: &MeasureReport) -> String {
    let recipe = report.recipe.map(|name| format!(" as {name}")).unwrap_or_default();
    let against = report.reference.as_ref().map(|path| format!(" against {}", path.display())).unwrap_or_default();
    format!("{}{recipe}{against}", report.candidate.display())
}

fn figure(estimate: Estimate) -> String {
    format!("{:.6} ± {:.6}", estimate.value, estimate.error)
}

fn percent(estimate: Estimate) -> String {
    format!("{:.3} ± {:.3} %", 100.0 * estimate.value, 100.0 * estimate.error)
}
