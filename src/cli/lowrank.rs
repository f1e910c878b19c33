//! `tuck lowrank`.

use super::computing::Computing;
use super::error_adapter::{row, standing};
use super::mix::Mixing;
use super::session::{Quit, Session, exit, print_json};
use crate::engine::{Command, EventKind, PairsRequest};
use crate::recipe::Level;
use crate::units;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// A Hugging Face folder.
    path: PathBuf,
    /// At most so many bytes of weights, such as 500MB. What gains least for its bytes becomes factors.
    #[arg(long, value_name = "SIZE", value_parser = units::parse_bytes)]
    size: u64,
    /// The folder to write.
    #[arg(long, short, value_name = "FOLDER")]
    output: PathBuf,
    /// Take singular vectors of the weights alone, not of what they do to inputs; mostly far worse.
    #[arg(long)]
    plain: bool,
    #[command(flatten)]
    mixing: Mixing,
    /// Measure on this text; without it, on the evaluation text of the sample model.
    #[arg(long, value_name = "FILE")]
    measure: Option<PathBuf>,
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
    exit(factor(arguments))
}

fn factor(arguments: &Arguments) -> Result<(), Quit> {
    let mut session = Session::start();
    let model = session.open(&arguments.path)?;
    let computing = arguments.computing.choice();
    let observed = arguments.mixing.observe(&mut session, &model, Level::Fast, &computing)?;
    let request = PairsRequest {
        model,
        bytes: arguments.size,
        is_plain: arguments.plain,
        statistics: Arc::clone(&observed.report.statistics),
        level: Level::Fast,
        text: arguments.measure.clone(),
        context: super::error_adapter::CONTEXT,
        path: arguments.output.clone(),
        overwrite: arguments.force,
        computing,
    };
    let EventKind::Pairs(report) = session.run(Command::LowRankPairs(Box::new(request)))? else {
        return Err(Quit::Failed("the engine gave no report".to_owned()));
    };
    let ranks: Vec<usize> = report.ranks.iter().map(|(_, rank)| *rank).filter(|rank| *rank > 0).collect();
    if arguments.json {
        print_json(&json!({
            "output": report.path,
            "ranks": report.ranks.iter().cloned().map(|(name, rank)| (name, json!(rank))).collect::<serde_json::Map<_, _>>(),
            "factors": standing(&report.with),
            "same_bytes_by_quantization_alone": report.instead.as_ref().map(standing),
            "text": report.text,
            "seconds": report.elapsed.as_secs_f64(),
        }));
        return Ok(());
    }
    println!("{}", report.path.display());
    let (lowest, highest) = (ranks.iter().min().unwrap_or(&0), ranks.iter().max().unwrap_or(&0));
    let all = report.ranks.len();
    println!(
        "  Factors   of {} of {all} matrices, with ranks from {lowest} to {highest}; the rest as it was",
        ranks.len()
    );
    println!("  Measured  on {}", report.text.display());
    println!("            {:<28} {:>18}   KL divergence", "", "bytes");
    row("factors of low rank", Some(&report.with));
    row("same bytes by quantization alone", report.instead.as_ref());
    println!("  README.md there says how they are used. No runtime of GGUF files loads them.");
    println!("  Time      {}", units::duration(report.elapsed));
    Ok(())
}
