//! The curve as an SVG: a line for what is predicted, points for what was measured, and the standard recipes.

use super::Report;
use crate::cli::svg::{ACCENT, MUTED, Svg, TEXT};
use crate::units;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 420.0;
const MARGIN: f64 = 32.0;
const LEFT: f64 = MARGIN + 64.0;
const TOP: f64 = 96.0;
/// Of standard recipes.
const STANDARD: &str = "#c9934f";
const MEASURED: &str = "#3f1d63";
/// Losses below this part of the largest are not told apart.
const LEAST: f64 = 1e-4;

pub(super) fn draw(report: &Report<'_>) -> String {
    let mut svg = Svg::new(WIDTH, TOP + HEIGHT + 64.0);
    svg.text((MARGIN, 38.0), 18.0, TEXT, "start", &report.model.card.name);
    svg.text(
        (MARGIN, 58.0),
        12.0,
        MUTED,
        "start",
        "Mean KL divergence from the model as it is, by the size of the file",
    );
    let standards = report.standards.iter().map(|standard| standard.total);
    let all = || report.points.iter().copied().chain(standards.clone());
    let (right, bottom) = (WIDTH - MARGIN, TOP + HEIGHT);
    let widest = all().map(|point| point.bytes).max().unwrap_or(1).max(1) as f64;
    let narrowest = all().map(|point| point.bytes).min().unwrap_or(0) as f64;
    let most = all().map(|point| point.loss).chain(report.measured.iter().map(|of| of.divergence.value));
    let most = 10f64.powf(most.fold(f64::MIN_POSITIVE, f64::max).log10().ceil());
    let least = all().map(|point| point.loss).filter(|loss| *loss > LEAST * most).fold(most, f64::min);
    let least = 10f64.powf(least.log10().floor()).min(most / 10.0);
    let place = |bytes: u64, loss: f64| {
        let x = LEFT + (right - LEFT) * (bytes as f64 - narrowest) / (widest - narrowest).max(1.0);
        (x, bottom - HEIGHT * (loss.max(least) / least).log10() / (most / least).log10())
    };
    let powers = (most / least).log10().round() as i32;
    for power in 0..=powers {
        let loss = least * 10f64.powi(power);
        let (_, y) = place(0, loss);
        svg.rule(LEFT, right, y);
        svg.text((LEFT - 8.0, y + 4.0), 11.0, MUTED, "end", &format!("{loss:.0e}"));
    }
    for quarter in 0..=4 {
        let bytes = (narrowest + (widest - narrowest) * f64::from(quarter) / 4.0) as u64;
        svg.text((place(bytes, most).0, bottom + 20.0), 11.0, MUTED, "middle", &units::bytes(bytes));
    }
    let line: Vec<String> = report.points.iter().map(|point| place(point.bytes, point.loss)).map(pair).collect();
    svg.put(format_args!(
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{ACCENT}\" stroke-width=\"2\"/>",
        line.join(" ")
    ));
    let mut taken: Vec<(f64, f64)> = Vec::new();
    for standard in &report.standards {
        let at = place(standard.total.bytes, standard.total.loss);
        dot(&mut svg, at, STANDARD, &format!("{}: {:.6} predicted", standard.preset.name, standard.total.loss));
        // Names keep apart where points do not.
        let (shift, anchor) = if at.0 > right - 72.0 { (-8.0, "end") } else { (8.0, "start") };
        let mut label = (at.0 + shift, at.1 - 6.0);
        while taken.iter().any(|other| (label.0 - other.0).abs() < 64.0 && (label.1 - other.1).abs() < 12.0) {
            label.1 -= 12.0;
        }
        taken.push(label);
        svg.text(label, 11.0, STANDARD, anchor, standard.preset.name);
    }
    for measured in &report.measured {
        let told = format!("{:.6} ± {:.6} measured", measured.divergence.value, measured.divergence.error);
        dot(&mut svg, place(measured.total.bytes, measured.divergence.value), MEASURED, &told);
    }
    let legend = [("predicted mix", ACCENT), ("measured mix", MEASURED), ("standard recipes, predicted", STANDARD)];
    let mut x = LEFT;
    for (name, colour) in legend {
        dot(&mut svg, (x, TOP - 20.0), colour, name);
        svg.text((x + 9.0, TOP - 16.0), 12.0, MUTED, "start", name);
        x += 40.0 + 6.5 * name.len() as f64;
    }
    svg.finish()
}

fn pair((x, y): (f64, f64)) -> String {
    format!("{x:.1},{y:.1}")
}

fn dot(svg: &mut Svg, (x, y): (f64, f64), colour: &str, told: &str) {
    svg.put(format_args!(
        "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{colour}\"><title>{told}</title></circle>"
    ));
}
