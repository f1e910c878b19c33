//! `tuck sensitivity`.

use super::computing::Computing;
use super::importance::Importance;
use super::session::{Quit, Session, exit, print_json};
use super::svg::{MUTED, Svg, TEXT};
use crate::engine::{Command, EventKind, Sensitivity, SensitivityReport, SensitivityRequest};
use crate::recipe::Recipe;
use crate::units;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// Tensors that are listed, those that count most.
const LISTED: usize = 20;
/// Of a cell of the map.
const CELL: (f64, f64) = (84.0, 20.0);

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The model: a Hugging Face folder, a .safetensors or a .gguf file.
    path: PathBuf,
    /// What each tensor alone is quantized to: the main format of this type, for every tensor.
    #[arg(long = "type", short = 't', default_value = "Q3_K_M", value_name = "TYPE")]
    preset: String,
    /// The text, as a file in UTF-8. Without it, the evaluation text of the sample model.
    #[arg(long, value_name = "FILE")]
    text: Option<PathBuf>,
    /// Tokens of a chunk. Its second half is scored.
    #[arg(long = "ctx", default_value_t = 512, value_name = "TOKENS")]
    context: usize,
    /// At most so many chunks of the text. One tells most; four tell all.
    #[arg(long, default_value_t = 1, value_name = "COUNT")]
    chunks: usize,
    /// Tensors that are measured in one pass over the layers. Without it, as many as fit into 1 GiB.
    #[arg(long, value_name = "COUNT")]
    streams: Option<usize>,
    #[command(flatten)]
    computing: Computing,
    #[command(flatten)]
    importance: Importance,
    /// Draw a map by layer and role into this file.
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
    let recipe = Recipe::parse(&arguments.preset, &[]).map_err(|error| Quit::Failed(error.to_string()))?;
    let recipe = Recipe { imatrix: arguments.importance.open()?, pure: true, ..recipe };
    let mut session = Session::start();
    let request = SensitivityRequest {
        model: session.open(&arguments.path)?,
        recipe,
        text: arguments.text.clone(),
        context: arguments.context,
        chunks: Some(arguments.chunks),
        streams: arguments.streams,
        computing: arguments.computing.choice(),
    };
    let EventKind::Sensitive(report) = session.run(Command::Sensitivity(request))? else {
        return Err(Quit::Failed("the engine gave no report".to_owned()));
    };
    if let Some(path) = &arguments.svg {
        std::fs::write(path, draw(&report)).map_err(|error| Quit::Failed(format!("{}: {error}", path.display())))?;
    }
    if arguments.json {
        let tensor = |tensor: &Sensitivity| {
            json!({
                "name": tensor.name,
                "format": tensor.format.name,
                "bytes": tensor.bytes,
                "kl_divergence": tensor.divergence,
            })
        };
        print_json(&json!({
            "model": report.model,
            "type": report.recipe,
            "text": report.text,
            "chunks": report.chunks,
            "context": report.context,
            "tensors": report.tensors.iter().map(tensor).collect::<Vec<_>>(),
            "device": report.device,
            "seconds": report.elapsed.as_secs_f64(),
        }));
    } else {
        print(&report);
    }
    Ok(())
}

fn print(report: &SensitivityReport) {
    println!("{}, each tensor alone as {}", report.model.display(), report.recipe);
    println!("  Text      {}, {} chunks of {}", report.text.display(), report.chunks, report.context);
    let mut tensors: Vec<&Sensitivity> = report.tensors.iter().collect();
    tensors.sort_by(|a, b| b.divergence.value.total_cmp(&a.divergence.value));
    println!("\n  KL divergence            Tensor");
    for tensor in tensors.iter().take(LISTED) {
        let (value, error) = (tensor.divergence.value, tensor.divergence.error);
        println!("  {value:.6} ± {error:.6}   {} ({})", tensor.name, tensor.format.name);
    }
    if tensors.len() > LISTED {
        println!("  and {} more, all of them with --json", tensors.len() - LISTED);
    }
    let map = Map::of(report);
    println!("\n  By layer and role, in thousandths\n");
    println!("  {:>5} {}", "", map.roles.iter().map(|role| format!(" {role:>11.11}")).collect::<String>());
    for (layer, row) in &map.rows {
        let cell = |value: &Option<f64>| value.map_or(" ".repeat(12), |value| format!(" {:>11.4}", 1000.0 * value));
        println!("  {layer:>5} {}", row.iter().map(cell).collect::<String>());
    }
    let sum: f64 = report.tensors.iter().map(|tensor| tensor.divergence.value).sum();
    println!("\n  Sum       {sum:.6}");
    println!("  Time      {}", units::duration(report.elapsed));
}

/// Divergences by layer and role.
struct Map<'a> {
    roles: Vec<&'a str>,
    /// What is in no layer comes last.
    rows: Vec<(String, Vec<Option<f64>>)>,
}

impl<'a> Map<'a> {
    fn of(report: &'a SensitivityReport) -> Self {
        let mut map = Self { roles: Vec::new(), rows: Vec::new() };
        let mut placed: Vec<(String, &str, f64)> = Vec::new();
        for tensor in &report.tensors {
            let name = tensor.name.strip_suffix(".weight").unwrap_or(&tensor.name);
            let (layer, role) = name.strip_prefix("blk.").and_then(|rest| rest.split_once('.')).unwrap_or(("-", name));
            if !map.roles.contains(&role) {
                map.roles.push(role);
            }
            placed.push((layer.to_owned(), role, tensor.divergence.value));
        }
        // Roles of layers first, in the order in which they come.
        map.roles.sort_by_key(|role| placed.iter().any(|(layer, of, _)| layer == "-" && of == role));
        placed.sort_by_key(|(layer, _, _)| layer.parse::<u64>().unwrap_or(u64::MAX));
        for (layer, role, value) in placed {
            if map.rows.last().is_none_or(|(last, _)| *last != layer) {
                map.rows.push((layer, vec![None; map.roles.len()]));
            }
            let column = map.roles.iter().position(|of| *of == role);
            if let (Some((_, row)), Some(column)) = (map.rows.last_mut(), column) {
                row[column] = Some(value);
            }
        }
        map
    }
}

/// A map whose cells are the darker the more a tensor counts, by the logarithm.
fn draw(report: &SensitivityReport) -> String {
    let map = Map::of(report);
    let (left, top) = (72.0, 110.0);
    let width = (left + map.roles.len() as f64 * CELL.0 + 32.0).max(560.0);
    let mut svg = Svg::new(width, top + map.rows.len() as f64 * CELL.1 + 40.0);
    svg.text((32.0, 38.0), 18.0, TEXT, "start", &format!("{}, each tensor alone", report.model.display()));
    let about =
        format!("KL divergence as {}, in thousandths, {} chunks of {}", report.recipe, report.chunks, report.context);
    svg.text((32.0, 58.0), 12.0, MUTED, "start", &about);
    for (column, role) in map.roles.iter().enumerate() {
        svg.text((left + (column as f64 + 0.5) * CELL.0, top - 10.0), 11.0, MUTED, "middle", role);
    }
    let values = || map.rows.iter().flat_map(|(_, row)| row).flatten().copied().filter(|value| *value > 0.0);
    let (least, most) = (values().fold(f64::MAX, f64::min), values().fold(f64::MIN_POSITIVE, f64::max));
    for (line, (layer, row)) in map.rows.iter().enumerate() {
        let y = top + line as f64 * CELL.1;
        svg.text((left - 10.0, y + 14.0), 11.0, MUTED, "end", layer);
        for (column, value) in row.iter().enumerate() {
            let Some(value) = value else { continue };
            let x = left + column as f64 * CELL.0;
            let dark = (value.max(least) / least).ln() / (most / least).ln().max(f64::MIN_POSITIVE);
            let told = format!("{} of layer {layer}: {value:.6}", map.roles[column]);
            svg.told_rect([x + 1.0, y + 1.0, CELL.0 - 2.0, CELL.1 - 2.0], &shade(dark), &told);
            let colour = if dark > 0.55 { "#ffffff" } else { TEXT };
            svg.text((x + CELL.0 / 2.0, y + 14.0), 10.0, colour, "middle", &format!("{:.3}", 1000.0 * value));
        }
    }
    svg.finish()
}

/// From nearly white to dark green.
fn shade(dark: f64) -> String {
    let mix = |light: f64, full: f64| (light + (full - light) * dark.clamp(0.0, 1.0)) as u8;
    format!("#{:02x}{:02x}{:02x}", mix(240.0, 6.0), mix(247.0, 78.0), mix(245.0, 70.0))
}
