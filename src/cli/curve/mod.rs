//! `tuck curve`.

mod picture;

use super::computing::Computing;
use super::mix::report::{print_standards, standard_json, statistics_json};
use super::mix::{Mixing, measure};
use super::session::{Quit, Session, exit, print_json};
use crate::eval::Estimate;
use crate::model::Model;
use crate::recipe::budget::Point;
use crate::recipe::{Level, Mixed, Mixer, Recipe, Standard, preset_from_name};
use crate::units;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// Sizes that are listed.
const LISTED: usize = 16;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The model: a Hugging Face folder, a .safetensors or a .gguf file.
    path: PathBuf,
    #[command(flatten)]
    mixing: Mixing,
    /// What is measured before types are chosen: fast measures the model as a whole, balanced every tensor alone, best on
    /// more text.
    #[arg(long, value_enum, default_value_t)]
    effort: Level,
    /// Also measure so many sizes, at equal distances from the smallest to the largest.
    #[arg(long, default_value_t = 0, value_name = "COUNT")]
    measure: usize,
    /// The text to measure on. Without it, the evaluation text of the sample model.
    #[arg(long, value_name = "FILE")]
    measure_text: Option<PathBuf>,
    #[command(flatten)]
    computing: Computing,
    /// Draw the curve into this file.
    #[arg(long, value_name = "FILE.svg")]
    svg: Option<PathBuf>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

/// A size that was measured.
struct Measured {
    total: Point,
    divergence: Estimate,
}

/// All that is told.
struct Report<'a> {
    model: &'a Model,
    /// From the smallest file to the largest.
    points: Vec<Point>,
    measured: Vec<Measured>,
    standards: Vec<Standard>,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    exit(curve(arguments))
}

fn curve(arguments: &Arguments) -> Result<(), Quit> {
    let failed = |error: &dyn std::fmt::Display| Quit::Failed(error.to_string());
    let computing = arguments.computing.choice();
    let mut session = Session::start();
    let model = session.open(&arguments.path)?;
    let observed = arguments.mixing.observe(&mut session, &model, arguments.effort, &computing)?;
    let kept = preset_from_name("COPY").map(Recipe::new).ok_or_else(|| failed(&"there is no COPY"))?;
    let mixer = arguments.mixing.mixer(&model, &observed, kept, arguments.effort).map_err(|error| failed(&error))?;
    let mut measured = Vec::new();
    for mixed in spread(&mixer, arguments.measure) {
        let report = measure(&mut session, &model, &mixed.recipe, arguments.measure_text.as_deref(), &computing)?;
        measured.push(Measured { total: mixed.total, divergence: report.divergence.mean() });
    }
    let report = Report { model: &model, points: mixer.points().collect(), measured, standards: mixer.standards() };
    if let Some(path) = &arguments.svg {
        let drawn = picture::draw(&report);
        std::fs::write(path, drawn).map_err(|error| Quit::Failed(format!("{}: {error}", path.display())))?;
    }
    if arguments.json {
        let point = |point: &Point| json!({ "file_bytes": point.bytes, "predicted_kl_divergence": point.loss });
        let measured = |of: &Measured| {
            let mut json = point(&of.total);
            json["measured_kl_divergence"] = json!(of.divergence);
            json
        };
        print_json(&json!({
            "model": model.path,
            "effort": arguments.effort.name(),
            "statistics": statistics_json(&observed.report),
            "points": report.points.iter().map(point).collect::<Vec<_>>(),
            "measured": report.measured.iter().map(measured).collect::<Vec<_>>(),
            "standards": report.standards.iter().map(standard_json).collect::<Vec<_>>(),
        }));
    } else {
        print(&report, &mixer);
    }
    Ok(())
}

/// Recipes at equal ratios of size, the smallest and the largest among them.
fn spread(mixer: &Mixer<'_>, count: usize) -> Vec<Mixed> {
    let (least, most) = (mixer.smallest() as f64, mixer.points().last().map_or(0, |point| point.bytes) as f64);
    let size = |n: usize| match count {
        1 => (least * most).sqrt() as u64,
        _ => (least * (most / least).powf(n as f64 / (count - 1) as f64)).round() as u64,
    };
    (0..count).filter_map(|n| mixer.solve(size(n).max(mixer.smallest())).ok()).collect()
}

fn print(report: &Report<'_>, mixer: &Mixer<'_>) {
    let weights: u64 = report.model.tensors.iter().map(|tensor| tensor.weights()).sum();
    let bits = |bytes: u64| bytes.saturating_sub(mixer.header_bytes()) as f64 * 8.0 / weights as f64;
    println!("{}", report.model.path.display());
    println!("  {:>16}  {:>5}  KL divergence", "Bytes", "Bits");
    for mixed in spread(mixer, LISTED) {
        let Point { bytes, loss } = mixed.total;
        println!("  {:>16}  {:>5.2}  {loss:.6}", units::grouped(bytes), bits(bytes));
    }
    for Measured { total, divergence } in &report.measured {
        let (bytes, predicted) = (total.bytes, total.loss);
        println!(
            "  {:>16}  {:>5.2}  {:.6} ± {:.6} measured, {predicted:.6} predicted",
            units::grouped(bytes),
            bits(bytes),
            divergence.value,
            divergence.error
        );
    }
    print_standards(&report.standards, None);
}
