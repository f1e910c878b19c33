//! An adapter beside a packed file that makes good some of what quantization lost.

use super::mix::goal::Goal;
use super::session::{Quit, Session};
use crate::engine::{
    AdapterReport, AdapterSize, Command, Computing, EventKind, Lineage, LowRankReport, LowRankRequest, OutputReport,
    Standing,
};
use crate::eval::Estimate;
use crate::model::Model;
use crate::quant::FormatRef;
use crate::recipe::{Level, Recipe, named_format};
use crate::units;
use serde_json::{Value as Json, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Tokens of a chunk that is measured on.
pub(super) const CONTEXT: usize = 512;

#[derive(clap::Args)]
pub(super) struct ErrorAdapter {
    /// Write an adapter too that makes good some of what was lost: OUT-lora.gguf, for llama.cpp's --lora. It takes as many bytes
    /// as this rank for every matrix would, spread to where they gain most, and is measured beside as many bytes of more bits.
    #[arg(long, value_name = "RANK", value_parser = clap::value_parser!(u16).range(1..=512), group = "adapter")]
    adapter_rank: Option<u16>,
    /// The same in a file of at most so many bytes, such as 20MB.
    #[arg(long, value_name = "SIZE", value_parser = units::parse_bytes, group = "adapter")]
    adapter_size: Option<u64>,
    /// The type of the adapter's matrices: F32, F16 or Q8_0; rows too short for it become F16.
    #[arg(long, value_name = "TYPE", default_value = "F16", requires = "adapter")]
    adapter_type: String,
}

/// Where the adapter of a file goes: beside it.
fn beside(base: &Path) -> PathBuf {
    let stem = base.file_stem().unwrap_or_default().to_string_lossy();
    base.with_file_name(format!("{stem}-lora.gguf"))
}

impl ErrorAdapter {
    /// What was asked for, if anything: a size, and the format of the factors.
    pub(super) fn choice(&self) -> Result<Option<(AdapterSize, FormatRef)>, Quit> {
        let rank = self.adapter_rank.map(|rank| AdapterSize::Rank(rank.into()));
        let format = named_format(&self.adapter_type).map_err(|error| Quit::Failed(error.to_string()))?;
        Ok(rank.or(self.adapter_size.map(AdapterSize::Bytes)).map(|size| (size, format)))
    }
}

/// An adapter that is to be made.
pub(super) struct Making<'a> {
    pub(super) size: AdapterSize,
    /// Of its factors.
    pub(super) format: FormatRef,
    pub(super) goal: &'a Goal,
    pub(super) level: Level,
    /// What packed models are the rest of, if anything went of them before.
    pub(super) lineage: Option<Lineage>,
    /// What is observed for what an error costs: the model, or that which is to be come near.
    pub(super) observed: &'a Arc<Model>,
    pub(super) overwrite: bool,
    pub(super) computing: &'a Computing,
}

impl Making<'_> {
    /// Makes that of a file that was packed, and measures it.
    pub(super) fn make(
        &self,
        session: &mut Session,
        (model, recipe, output): (&Arc<Model>, &Recipe, &OutputReport),
    ) -> Result<Arc<LowRankReport>, Quit> {
        let Self { size, format, goal, level, lineage, observed, overwrite, computing } = self;
        let request = LowRankRequest {
            model: Arc::clone(model),
            lineage: lineage.clone(),
            recipe: recipe.clone(),
            packed: Some(session.open(&output.path)?),
            sizes: vec![*size],
            format,
            statistics: goal.statistics(session, observed, *level, computing)?,
            level: *level,
            text: goal.measure.clone().flatten(),
            context: CONTEXT,
            chunks: None,
            path: Some(beside(&output.path)),
            overwrite: *overwrite,
            computing: Computing::clone(computing),
        };
        match session.run(Command::LowRank(Box::new(request)))? {
            EventKind::LowRank(report) => Ok(report),
            _ => Err(Quit::Failed("the engine gave no report".to_owned())),
        }
    }

    /// Refuses outputs whose adapters would be in the way of something.
    pub(super) fn check(&self, outputs: &[PathBuf]) -> Result<(), Quit> {
        if self.overwrite {
            return Ok(());
        }
        match outputs.iter().map(|output| beside(output)).find(|path| path.exists()) {
            Some(path) => {
                let problem = "exists; remove it, or allow it to be replaced (--force)";
                Err(Quit::Failed(format!("{} {problem}", path.display())))
            }
            None => Ok(()),
        }
    }
}

/// Lowest, mean and highest rank of the matrices that have one, and how many these are.
fn ranks(adapter: &AdapterReport) -> (usize, f64, usize, usize) {
    let some = || adapter.spread.ranks.iter().copied().filter(|rank| *rank > 0);
    let all = adapter.spread.ranks.len().max(1) as f64;
    let mean = some().sum::<usize>() as f64 / all;
    (some().min().unwrap_or(0), mean, some().max().unwrap_or(0), some().count())
}

pub(super) fn standing(of: &Standing) -> Json {
    json!({ "bytes": of.bytes, "kl_divergence": of.divergence })
}

pub(super) fn as_json(report: &LowRankReport) -> Json {
    let adapter = &report.adapters[0];
    let ranks = report.ranks.spectra.iter().zip(&adapter.spread.ranks);
    json!({
        "output": report.path,
        "file_bytes": adapter.bytes,
        "type": report.ranks.format.name,
        "ranks": ranks.map(|(spectrum, rank)| (spectrum.name.clone(), json!(rank))).collect::<serde_json::Map<_, _>>(),
        "base": standing(&report.base),
        "with_adapter": standing(&adapter.with),
        "same_bytes_by_quantization_alone": adapter.instead.as_ref().map(standing),
        "text": report.text,
        "chunks": report.chunks,
        "context": report.context,
        "device": report.device,
        "seconds": report.elapsed.as_secs_f64(),
    })
}

/// `is_rest`: whether something went of the model before, which is measured too.
pub(super) fn print(report: &LowRankReport, is_rest: bool) {
    let adapter = &report.adapters[0];
    let (lowest, mean, highest, count) = ranks(adapter);
    println!("\n{}", report.path.as_deref().unwrap_or(Path::new("")).display());
    let size = (units::bytes(adapter.bytes), units::grouped(adapter.bytes));
    println!("  Adapter   {} ({} bytes), {} matrices with ranks from {lowest} to {highest}", size.0, size.1, count);
    println!(
        "            {mean:.1} on the average of {} matrices, as {}",
        report.ranks.spectra.len(),
        report.ranks.format
    );
    println!("  Measured  on {}, {} chunks of {}", report.text.display(), report.chunks, report.context);
    println!("            {:<34} {:>14}   KL divergence", "", "bytes");
    let name = if is_rest { format!("{}, pruned", report.recipe) } else { report.recipe.to_owned() };
    row(&name, Some(&report.base));
    row(&format!("{name} with the adapter"), Some(&adapter.with));
    row("same bytes by quantization alone", adapter.instead.as_ref());
    println!("  {}", verdict(adapter, if is_rest { "Pruning with the adapter" } else { "The adapter" }));
    println!("  Time      {} on {}", units::duration(report.elapsed), report.device);
}

/// A line of what was measured.
pub(super) fn row(name: &str, of: Option<&Standing>) {
    match of {
        Some(Standing { bytes, divergence: Estimate { value, error } }) => {
            println!("            {name:<34} {:>14}   {value:.6} ± {error:.6}", units::grouped(*bytes));
        }
        None => println!("            {name:<34} {:>14}", "no mix has so few"),
    }
}

/// Whether the adapter is worth its bytes, in a sentence.
fn verdict(adapter: &AdapterReport, what: &str) -> String {
    let Some(instead) = &adapter.instead else {
        return "Nothing to compare it with: no mix of types has so few bytes.".to_owned();
    };
    let (own, other) = (adapter.with.divergence, instead.divergence);
    let times = own.value / other.value.max(f64::MIN_POSITIVE);
    let spread = own.error.hypot(other.error);
    if (own.value - other.value).abs() < spread {
        format!("{what} is about as good as more bits for as many bytes.")
    } else if own.value < other.value {
        format!("{what} wins: it loses {} of what more bits for as many bytes lose.", units::percent(times))
    } else {
        let advice = "spend them on bits (--target-size), unless the base has to stay as it is";
        format!("{what} is the worse use of these bytes: it loses {times:.1} times as much; {advice}.")
    }
}
