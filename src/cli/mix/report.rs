//! What is told of a mix: what each tensor got and why, and the standard recipes beside it.

use super::Observed;
use crate::engine::{MeasureReport, StatisticsReport};
use crate::model::Model;
use crate::recipe::{Mixed, Mixer, Plan, Recipe, RecipeError, Standard};
use crate::units;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Tensors that are listed, those that count most.
const LISTED: usize = 8;

/// A recipe for what was asked.
pub(in crate::cli) struct Chosen {
    pub(in crate::cli) recipe: Recipe,
    pub(super) statistics: Arc<StatisticsReport>,
    /// Of a recipe that was chosen now.
    why: Option<Why>,
}

struct Why {
    /// Bytes that were asked for.
    budget: Option<u64>,
    /// The KL divergence that is predicted.
    predicted: f64,
    standards: Vec<Standard>,
    tensors: Vec<Row>,
}

/// What a tensor got.
struct Row {
    name: String,
    format: &'static str,
    bytes: u64,
    /// KL divergence that it was measured to cause alone, and as what.
    alone: Option<(f64, &'static str)>,
    /// KL divergence that is predicted for it.
    predicted: f64,
}

impl Chosen {
    pub(super) fn given(recipe: Recipe, statistics: Arc<StatisticsReport>) -> Self {
        Self { recipe, statistics, why: None }
    }

    pub(super) fn new(
        model: &Model,
        observed: &Observed,
        mixer: &Mixer<'_>,
        mixed: Mixed,
        budget: Option<u64>,
    ) -> Result<Self, RecipeError> {
        let plan = Plan::new(model, &mixed.recipe)?;
        let mixes = |name: &str| mixed.recipe.mix.as_ref().is_some_and(|mix| mix.formats.contains_key(name));
        let tensors = model.tensors.iter().zip(&plan.tensors).filter(|(tensor, _)| mixes(&tensor.name));
        let prediction = &observed.prediction;
        let row = |(tensor, planned): (&crate::arch::Tensor, &crate::recipe::PlannedTensor)| Row {
            name: tensor.name.clone(),
            format: planned.format.name,
            bytes: planned.bytes,
            alone: prediction.alone(&tensor.name).map(|alone| (alone.divergence, alone.format.name)),
            predicted: prediction.loss(tensor, planned.format).unwrap_or(0.0),
        };
        let tensors = tensors.map(row).collect();
        let why = Why { budget, predicted: mixed.total.loss, standards: mixer.standards(), tensors };
        Ok(Self { recipe: mixed.recipe, statistics: Arc::clone(&observed.report), why: Some(why) })
    }

    pub(in crate::cli) fn json(&self, measured: Option<&MeasureReport>) -> Json {
        let mut json = json!({
            "type": self.recipe.preset.name,
            "effort": self.recipe.mix.as_ref().map(|mix| mix.level.name()),
            "statistics": statistics_json(&self.statistics),
        });
        if let Some(Why { budget, predicted, standards, tensors }) = &self.why {
            let tensor = |row: &Row| {
                json!({
                    "name": row.name,
                    "format": row.format,
                    "bytes": row.bytes,
                    "kl_divergence_alone": row.alone.map(|(value, format)| json!({ "value": value, "format": format })),
                    "predicted_kl_divergence": row.predicted,
                })
            };
            json["asked_bytes"] = json!(budget);
            json["predicted_kl_divergence"] = json!(predicted);
            json["standards"] = standards.iter().map(standard_json).collect();
            json["tensors"] = tensors.iter().map(tensor).collect();
        }
        if let Some(measured) = measured {
            json["measured_kl_divergence"] = json!(measured.divergence.mean());
        }
        json
    }

    pub(in crate::cli) fn print(&self, file_bytes: u64, measured: Option<&MeasureReport>) {
        let line = |label: &str, text: String| println!("  {label:<9} {text}");
        line("Mix", self.sentence());
        if let Some(why) = &self.why {
            if let Some(budget) = why.budget {
                let left = units::grouped(budget.saturating_sub(file_bytes));
                line("Asked for", format!("{} bytes at most; {left} are left", units::grouped(budget)));
            }
            line("Predicted", format!("KL divergence {:.6}", why.predicted));
        }
        if let Some(measured) = measured {
            let mean = measured.divergence.mean();
            line(
                "Measured",
                format!("KL divergence {:.6} ± {:.6} on {}", mean.value, mean.error, measured.text.display()),
            );
        }
        let Some(why) = &self.why else { return };
        let mut rows: Vec<&Row> = why.tensors.iter().collect();
        let alone = |row: &Row| row.alone.map_or(0.0, |(value, _)| value);
        rows.sort_by(|a, b| alone(b).total_cmp(&alone(a)).then(b.predicted.total_cmp(&a.predicted)));
        println!("  Those that count most");
        for row in rows.iter().take(LISTED) {
            let alone = row.alone.map(|(value, format)| format!(", {value:.6} alone as {format}")).unwrap_or_default();
            println!("    {:<28} {:<7} {:.6} predicted{alone}", row.name, row.format, row.predicted);
        }
        print_layers(&why.tensors);
        print_standards(&why.standards, Some((file_bytes, why.predicted)));
    }

    /// `balanced, from a built-in text (statistics-1.gguf, reused)`.
    fn sentence(&self) -> String {
        let StatisticsReport { statistics, is_reused, text, .. } = &*self.statistics;
        let level = self.recipe.mix.as_ref().map_or("", |mix| mix.level.name());
        let reused = if *is_reused { ", reused" } else { "" };
        format!("{level}, from {} ({}{reused})", text.display(), statistics.path.display())
    }
}

/// The formats by layer and role; what is in no layer comes last.
fn print_layers(tensors: &[Row]) {
    let mut roles: Vec<&str> = Vec::new();
    let mut layers: BTreeMap<u64, Vec<(&str, &str)>> = BTreeMap::new();
    let mut others: Vec<(&str, &str)> = Vec::new();
    for row in tensors {
        let name = row.name.strip_suffix(".weight").unwrap_or(&row.name);
        let in_layer = name.strip_prefix("blk.").and_then(|rest| rest.split_once('.'));
        match in_layer.and_then(|(layer, role)| Some((layer.parse().ok()?, role))) {
            Some((layer, role)) => {
                if !roles.contains(&role) {
                    roles.push(role);
                }
                layers.entry(layer).or_default().push((role, row.format));
            }
            None => others.push((name, row.format)),
        }
    }
    println!("  What each tensor got");
    println!("    {:>5}{}", "", roles.iter().map(|role| format!("  {role:<11.11}")).collect::<String>());
    for (layer, formats) in layers {
        let of = |role: &&str| formats.iter().find(|(of, _)| of == role).map_or("", |(_, format)| format);
        println!("    {layer:>5}{}", roles.iter().map(|role| format!("  {:<11}", of(role))).collect::<String>());
    }
    for (name, format) in others {
        println!("    {name}  {format}");
    }
}

/// Where statistics are, and how long each stage of making them took.
pub(in crate::cli) fn statistics_json(report: &StatisticsReport) -> Json {
    let StatisticsReport { statistics, is_reused, text, stages } = report;
    json!({
        "file": statistics.path,
        "reused": is_reused,
        "model": statistics.identity.model,
        "text": statistics.identity.text,
        "text_file": text,
        "seconds": stages.map(|stage| stage.as_secs_f64()),
    })
}

pub(in crate::cli) fn standard_json(standard: &Standard) -> Json {
    json!({
        "type": standard.preset.name,
        "file_bytes": standard.total.bytes,
        "predicted_kl_divergence": standard.total.loss,
    })
}

/// The standard recipes by size, and a file of one's own among them.
pub(in crate::cli) fn print_standards(standards: &[Standard], own: Option<(u64, f64)>) {
    let mut rows: Vec<(u64, f64, &str)> =
        standards.iter().map(|standard| (standard.total.bytes, standard.total.loss, standard.preset.name)).collect();
    rows.extend(own.map(|(bytes, loss)| (bytes, loss, "this file")));
    rows.sort_by_key(|(bytes, _, _)| *bytes);
    println!("  Beside the standard recipes as --type packs them, predicted");
    for (bytes, loss, name) in rows {
        println!("    {name:<9} {:>16} bytes   {loss:.6}", units::grouped(bytes));
    }
}
