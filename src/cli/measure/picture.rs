//! The report as an SVG: how many tokens lost how much, and how the error grows from layer to layer.

use crate::cli::svg::{ACCENT, MUTED, Svg, TEXT};
use crate::engine::MeasureReport;
use crate::eval::{Divergence, Histogram};

const WIDTH: f64 = 960.0;
const MARGIN: f64 = 32.0;
const LEFT: f64 = MARGIN + 64.0;
/// Of a chart.
const HEIGHT: f64 = 220.0;

pub(super) fn draw(report: &MeasureReport, title: &str) -> String {
    let mut svg = Svg::new(WIDTH, 2.0 * HEIGHT + 240.0);
    svg.text((MARGIN, 38.0), 18.0, TEXT, "start", title);
    let divergence = &report.divergence;
    let (mean, top) = (divergence.mean(), divergence.same_top());
    let about = format!(
        "mean KL divergence {:.6} ± {:.6}, same most likely token {:.2} %, perplexity {:.4}",
        mean.value,
        mean.error,
        100.0 * top.value,
        divergence.perplexity().value
    );
    svg.text((MARGIN, 58.0), 12.0, MUTED, "start", &about);
    histogram(&mut svg, 110.0, divergence);
    layers(&mut svg, 110.0 + HEIGHT + 90.0, &report.layer_errors);
    svg.finish()
}

/// How many tokens have a divergence within each step of a scale of powers.
fn histogram(svg: &mut Svg, top: f64, divergence: &Divergence) {
    svg.text((MARGIN, top - 18.0), 14.0, TEXT, "start", "Tokens by KL divergence");
    let bars = Histogram::of(&divergence.divergences).counts;
    let count = bars.len();
    let most = bars.iter().copied().max().unwrap_or(1).max(1) as f64;
    let (right, bottom) = (WIDTH - MARGIN, top + HEIGHT);
    let width = (right - LEFT) / count as f64;
    scale(svg, right, bottom, |part| format!("{:.0}", most * part));
    for (place, tokens) in bars.iter().enumerate() {
        let height = HEIGHT * 0.92 * *tokens as f64 / most;
        let from = 10f64.powf(Histogram::power(place));
        let told = format!("{tokens} tokens from {from:.1e}");
        svg.told_rect([LEFT + place as f64 * width + 1.0, bottom - height, width - 2.0, height], ACCENT, &told);
    }
    for power in Histogram::FIRST..=Histogram::LAST {
        let x = LEFT + f64::from((power - Histogram::FIRST) * Histogram::STEPS) * width;
        let label = if power == Histogram::FIRST { format!("≤ 1e{power}") } else { format!("1e{power}") };
        svg.text((x, bottom + 18.0), 11.0, MUTED, "middle", &label);
    }
}

/// The error of the residual stream after each layer.
fn layers(svg: &mut Svg, top: f64, errors: &[f64]) {
    svg.text((MARGIN, top - 18.0), 14.0, TEXT, "start", "Error of the residual stream after each layer");
    let (right, bottom) = (WIDTH - MARGIN, top + HEIGHT);
    let most = errors.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    scale(svg, right, bottom, |part| format!("{:.2} %", 100.0 * most * part));
    let width = (right - LEFT) / errors.len().max(1) as f64;
    for (layer, error) in errors.iter().enumerate() {
        let (x, height) = (LEFT + layer as f64 * width, HEIGHT * 0.92 * error / most);
        let told = format!("layer {layer}: {:.3} %", 100.0 * error);
        svg.told_rect([x + 1.0, bottom - height, (width - 2.0).max(1.0), height], ACCENT, &told);
        if errors.len() <= 16 || layer % (errors.len() / 8) == 0 {
            svg.text((x + width / 2.0, bottom + 18.0), 11.0, MUTED, "middle", &layer.to_string());
        }
    }
}

/// Lines of quarters with what they stand for.
fn scale(svg: &mut Svg, right: f64, bottom: f64, label: impl Fn(f64) -> String) {
    for quarter in 0..=4 {
        let part = f64::from(quarter) / 4.0;
        let y = bottom - HEIGHT * 0.92 * part;
        svg.rule(LEFT, right, y);
        svg.text((LEFT - 8.0, y + 4.0), 11.0, MUTED, "end", &label(part));
    }
}
