//! `tuck prune`.

use super::computing::Computing;
use super::cut::Cutting;
use super::session::{Quit, Session, exit, print_json};
use crate::engine::{
    Command, Comparing, DropRound, EventKind, ExportRequest, PackOutput, PackRequest, PruneReport, PruneRequest,
    PruneRow, SparseReport, Standings,
};
use crate::eval::Divergence;
use crate::recipe::{Level, Recipe, Split};
use crate::units;
use serde_json::{Value as Json, json};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The model: a Hugging Face folder, a .safetensors or a .gguf file.
    path: PathBuf,
    #[command(flatten)]
    cutting: Cutting,
    /// The .gguf file to write, or a folder for safetensors, which has to be a new one. Without it, nothing is written.
    #[arg(long, short, value_name = "OUT.gguf|FOLDER")]
    output: Option<PathBuf>,
    /// Write matrices that are 2:4 into the folder without their zeros, in the layout of compressed-tensors
    /// (sparse-24-bitmask), which runtimes with kernels for it load.
    #[arg(long, requires = "output")]
    compressed: bool,
    /// The type of the file.
    #[arg(long = "type", short = 't', default_value = "COPY", value_name = "TYPE")]
    preset: String,
    /// The text that the model is observed on, as for tuck calibrate. Without it, one that comes with Tuck.
    #[arg(long, value_name = "FILE")]
    text: Option<PathBuf>,
    /// At most so many chunks of that text, of 512 tokens each.
    #[arg(long, value_name = "COUNT")]
    chunks: Option<usize>,
    /// The text that the result is measured on. Without it, the evaluation text of the sample model.
    #[arg(long, value_name = "FILE")]
    measure: Option<PathBuf>,
    /// At most so many chunks of the text that is measured on.
    #[arg(long, value_name = "COUNT")]
    measure_chunks: Option<usize>,
    /// Do not measure the result.
    #[arg(long, conflicts_with_all = ["measure", "measure_chunks"])]
    no_measure: bool,
    #[command(flatten)]
    computing: Computing,
    /// Replace the output where it exists.
    #[arg(long)]
    force: bool,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    exit(prune(arguments))
}

fn prune(arguments: &Arguments) -> Result<(), Quit> {
    let cut = arguments.cutting.cut();
    if cut.is_nothing() {
        return Err(Quit::Failed(
            "nothing was named that should go; name layers (--drop-layers), channels (--channels), heads (--drop-kv-heads), \
             experts (--drop-experts) or weights (--sparsity)"
                .to_owned(),
        ));
    }
    let recipe = Recipe::parse(&arguments.preset, &[]).map_err(|error| Quit::Failed(error.to_string()))?;
    let is_gguf = arguments.output.as_ref().is_some_and(|path| path.extension().is_some_and(|ending| ending == "gguf"));
    if !is_gguf && arguments.output.is_some() && recipe.preset.format.is_some() {
        return Err(Quit::Failed(
            "a folder keeps the precision that the model has; leave --type out, or name a .gguf file".to_owned(),
        ));
    }
    if is_gguf && arguments.compressed {
        return Err(Quit::Failed("a GGUF file stores all weights; name a folder for --compressed".to_owned()));
    }
    let mut session = Session::start();
    let model = session.open(&arguments.path)?;
    let computing = arguments.computing.choice();
    let request = PruneRequest {
        model,
        cut,
        quantizing: (recipe.preset.format.is_some()).then(|| recipe.clone()),
        text: arguments.text.clone(),
        chunks: arguments.chunks,
        comparing: (!arguments.no_measure).then(|| Comparing {
            recipe: recipe.clone(),
            level: Level::Fast,
            text: arguments.measure.clone(),
            chunks: arguments.measure_chunks,
        }),
        computing: computing.clone(),
    };
    let EventKind::Pruned(report) = session.run(Command::Prune(request))? else {
        return Err(Quit::Failed("the engine gave no report".to_owned()));
    };
    if let Some(path) = arguments.output.as_ref().filter(|_| is_gguf) {
        let request = PackRequest {
            model: Arc::clone(&report.model),
            outputs: vec![PackOutput { recipe, path: path.clone() }],
            split: Split::Whole,
            overwrite: arguments.force,
            allow_nonfinite: false,
            recipes: false,
            computing,
        };
        session.run(Command::Pack(request))?;
    }
    let mut exported = None;
    if let Some(folder) = arguments.output.clone().filter(|_| !is_gguf) {
        let request = ExportRequest { model: Arc::clone(&report.model), folder, compressed: arguments.compressed };
        if let EventKind::Exported(report) = session.run(Command::Export(request))? {
            exported = Some(report.bytes);
        }
    }
    match arguments.json {
        true => print_json(&as_json(&report, exported)),
        false => print(&report, arguments.output.as_ref(), exported),
    }
    Ok(())
}

/// What was cut, for people.
fn print(report: &PruneReport, output: Option<&PathBuf>, exported: Option<u64>) {
    let card = &report.model.card;
    println!("{}, {} layers, {} weights", card.name, card.layers, units::grouped(card.parameters));
    print_steps(report);
    print_standings(&report.compared);
    println!("  {:<24} {}", "Observed on", report.text.display());
    println!("  {:<24} {}", "Device", report.device);
    println!("  {:<24} {}", "Time", units::duration(report.elapsed));
    match (output, exported) {
        (None, _) => {}
        (Some(path), Some(bytes)) => println!("\n{}: {} bytes of weights", path.display(), units::grouped(bytes)),
        (Some(path), None) => println!("\nTry it:  llama-cli -m {}", path.display()),
    }
}

/// What is left beside the original, and beside plain quantization.
pub(super) fn print_standings(standings: &Standings) {
    if standings.rows.is_empty() {
        return;
    }
    println!("  {:<42} {:>15} {:>12} {:>23}", "", "Bytes", "Perplexity", "KL divergence");
    for PruneRow { label, bytes, divergence, .. } in &standings.rows {
        let bytes = units::grouped(*bytes);
        match divergence {
            Some(divergence) => {
                let (perplexity, mean) = (divergence.perplexity().value, divergence.mean());
                println!("  {label:<42} {bytes:>15} {perplexity:>12.4} {:>12.6} ± {:.6}", mean.value, mean.error);
            }
            None => println!("  {label:<42} {bytes:>15} {:>36}", "no mix has so few"),
        }
    }
    if let Some(perplexity) = standings.original() {
        println!("  {:<42} {:>15} {:>12.4}", "The original", "", perplexity.value);
    }
    standings.verdicts().iter().for_each(|verdict| println!("  {verdict}"));
}

/// What went, and why.
pub(super) fn print_steps(report: &PruneReport) {
    report.rounds.iter().for_each(print_round);
    report.sparse.iter().for_each(print_sparse);
    report.notes.iter().for_each(|note| println!("  Note: {note}"));
}

fn print_round(round: &DropRound) {
    println!("  {:>7} {:>10} {:>14} {:>14}", "Layer", "Influence", "KL without", "and corrected");
    for loss in &round.losses {
        let folded = loss.folded.map_or_else(|| "-".to_owned(), |folded| format!("{:.6}", folded.value));
        let mark = if loss.layer == round.dropped { "  goes" } else { "" };
        println!("  {:>7} {:>10.4} {:>14.6} {folded:>14}{mark}", loss.layer, loss.influence, loss.divergence.value);
    }
}

fn print_sparse(sparse: &SparseReport) {
    let share = |count: u64| units::percent(count as f64 / sparse.weights.max(1) as f64);
    println!(
        "  {} of {} weights went ({}). A GGUF file stores zeros like all other weights, so it gains nothing.",
        units::grouped(sparse.gone),
        units::grouped(sparse.weights),
        share(sparse.gone)
    );
    if let Some(coded) = sparse.entropy_coded {
        println!(
            "  Their matrices have {} bytes, and would have {} entropy coded.",
            units::grouped(sparse.dense),
            units::grouped(coded)
        );
    }
}

/// What went, and why.
pub(super) fn steps_json(report: &PruneReport) -> Json {
    let round = |round: &DropRound| {
        json!({
            "dropped": round.dropped,
            "layers": round.losses.iter().map(|loss| json!({
                "layer": loss.layer,
                "influence": loss.influence,
                "kl_divergence": loss.divergence,
                "kl_divergence_corrected": loss.folded,
            })).collect::<Vec<_>>(),
        })
    };
    json!({
        "rounds": report.rounds.iter().map(round).collect::<Vec<_>>(),
        "sparse": report.sparse.map(|sparse| json!({
            "weights": sparse.weights,
            "gone": sparse.gone,
            "zeros": sparse.zeros,
            "bytes": sparse.dense,
            "entropy_coded_bytes": sparse.entropy_coded,
        })),
        "notes": report.notes,
    })
}

/// What is left beside the original, and beside plain quantization.
pub(super) fn standings_json(standings: &Standings) -> Json {
    let row = |row: &PruneRow| {
        json!({
            "label": row.label,
            "bytes": row.bytes,
            "perplexity": row.divergence.as_ref().map(Divergence::perplexity),
            "kl_divergence": row.divergence.as_ref().map(Divergence::mean),
        })
    };
    standings.rows.iter().map(row).collect()
}

fn as_json(report: &PruneReport, exported: Option<u64>) -> Json {
    let mut json = json!({
        "layers": report.model.card.layers,
        "weights": report.model.card.parameters,
        "folder_bytes": exported,
        "compared": standings_json(&report.compared),
        "verdicts": report.compared.verdicts(),
        "original_perplexity": report.compared.original(),
        "text": report.text,
        "device": report.device,
        "seconds": report.elapsed.as_secs_f64(),
    });
    if let (Json::Object(json), Json::Object(steps)) = (&mut json, steps_json(report)) {
        json.extend(steps);
    }
    json
}
