//! The report as an SVG: a stacked bar for each machine, and memory over context for each type of cache.

use super::{Report, Row};
use crate::cli::svg::{MUTED, Svg, TEXT};
use crate::fit::{CACHE_TYPES, CELLS, Fit, Placement, Settings, Spread, Terms};
use crate::units;

const WIDTH: f64 = 960.0;
const MARGIN: f64 = 32.0;
/// Of a machine's row, and of its bar.
const ROW: f64 = 38.0;
const BAR: f64 = 16.0;
/// Where bars begin, and how long they are.
const LEFT: f64 = 300.0;
const LONG: f64 = 420.0;
/// Of the chart.
const HEIGHT: f64 = 260.0;
/// Contexts that a curve goes through.
const POINTS: u64 = 24;

/// Parts of a bar: name, colour.
const PARTS: [(&str, &str); 4] =
    [("weights", "#0b756a"), ("KV cache", "#3d7ca8"), ("buffers", "#c9934f"), ("free", "#e7eaee")];
/// Curves of the cache types, which are as many.
const CURVES: [&str; 3] = ["#3f1d63", "#3d7ca8", "#c9934f"];
const LIMIT: &str = "#b3261e";

pub(super) fn draw(report: &Report<'_>) -> String {
    let bars = 96.0 + report.rows.len() as f64 * ROW;
    let height = bars + 120.0 + HEIGHT;
    let mut svg = Svg::new(WIDTH, height);
    let settings = &report.settings;
    let title = format!("{} as {}", report.model.card.name, report.plan.recipe.preset.name);
    svg.text((MARGIN, 38.0), 18.0, TEXT, "start", &title);
    let about = format!(
        "{} tokens of context, keys in {}, values in {}",
        units::grouped(settings.context),
        settings.keys.name,
        settings.values.name
    );
    svg.text((MARGIN, 58.0), 12.0, MUTED, "start", &about);
    legend(&mut svg);
    for (at, row) in report.rows.iter().enumerate() {
        bar(&mut svg, 96.0 + at as f64 * ROW, row);
    }
    chart(&mut svg, bars + 56.0, report);
    svg.finish()
}

fn legend(svg: &mut Svg) {
    let mut x = WIDTH - MARGIN - 330.0;
    for (name, colour) in PARTS {
        svg.put(format!("<rect x=\"{x}\" y=\"48\" width=\"10\" height=\"10\" rx=\"2\" fill=\"{colour}\"/>"));
        svg.text((x + 15.0, 57.0), 12.0, MUTED, "start", name);
        x += 72.0;
    }
    svg.put(format!("<line x1=\"{x}\" x2=\"{x}\" y1=\"46\" y2=\"60\" stroke=\"{LIMIT}\" stroke-width=\"2\"/>"));
    svg.text((x + 8.0, 57.0), 12.0, MUTED, "start", "budget");
}

/// What is needed of the memory that most of the model is in.
fn bar(svg: &mut Svg, top: f64, row: &Row<'_>) {
    let on_gpus: Terms = row.answer.placement.gpus.iter().copied().sum();
    let is_on_gpus = on_gpus.total() > 0;
    let terms = if is_on_gpus { on_gpus } else { row.answer.placement.host };
    let total: u64 = match is_on_gpus {
        true => row.machine.gpus.iter().map(|gpu| gpu.pool.budget.total).sum(),
        false => row.machine.host.budget.total,
    };
    let (needs, usable) = row.first_memory();
    let scale = LONG / total.max(needs).max(1) as f64;
    let middle = top + BAR / 2.0 + 4.0;
    svg.text((LEFT - 12.0, middle), 13.0, TEXT, "end", &row.machine.name);
    let length = total as f64 * scale;
    svg.put(format!(
        "<rect x=\"{LEFT}\" y=\"{top}\" width=\"{length:.1}\" height=\"{BAR}\" rx=\"3\" fill=\"{}\"/>",
        PARTS[3].1
    ));
    let mut x = LEFT;
    let buffers = terms.compute + terms.output + terms.projector + terms.overhead;
    for ((name, colour), bytes) in PARTS.iter().zip([terms.weights, terms.kept(), buffers]) {
        let width = bytes as f64 * scale;
        svg.put(format!(
                "<rect x=\"{x:.1}\" y=\"{top}\" width=\"{width:.1}\" height=\"{BAR}\" fill=\"{colour}\"><title>{name}: {}</title></rect>",
                units::bytes(bytes)
            ),
        );
        x += width;
    }
    let limit = LEFT + usable as f64 * scale;
    let (from, to) = (top - 3.0, top + BAR + 3.0);
    svg.put(format!(
        "<line x1=\"{limit:.1}\" x2=\"{limit:.1}\" y1=\"{from}\" y2=\"{to}\" stroke=\"{LIMIT}\" stroke-width=\"2\"/>"
    ));
    let says = match row.answer.fit {
        Fit::Fully => format!("{} free", units::bytes(usable.saturating_sub(needs))),
        Fit::Partly => "partly".to_owned(),
        Fit::Not => "does not fit".to_owned(),
    };
    let speed = row.answer.speed.map(|speed| format!(", {} tokens/s", units::rounded(speed.generation)));
    let colour = if row.answer.fit == Fit::Fully { MUTED } else { LIMIT };
    svg.text((LEFT + LONG + 14.0, middle), 12.0, colour, "start", &(says + &speed.unwrap_or_default()));
}

/// Memory of everything together over context, for the cache types that people choose.
fn chart(svg: &mut Svg, top: f64, report: &Report<'_>) {
    let longest = report.subject.trained_context.max(report.settings.context).max(2 * report.settings.ubatch);
    let formats: Vec<_> = CACHE_TYPES.iter().copied().filter(|of| ["F16", "Q8_0", "Q4_0"].contains(&of.name)).collect();
    let spread = whole(report);
    let curve = |format| {
        let settings =
            |context| Settings { context, keys: format, values: format, flash_attention: true, ..report.settings };
        let point = |at: u64| {
            // The cache grows in such steps, which a curve need not show; below the ubatch another line begins.
            let context = (longest * at / POINTS).next_multiple_of(CELLS).clamp(report.settings.ubatch, longest);
            (context, total(&report.subject.place(&settings(context), &spread)))
        };
        (0..=POINTS).map(point).collect::<Vec<(u64, u64)>>()
    };
    let curves: Vec<_> = formats.iter().map(|format| (format.name, curve(*format))).collect();
    let most = curves.iter().flat_map(|(_, points)| points).map(|(_, bytes)| *bytes).max().unwrap_or(1);
    let (left, right, bottom) = (MARGIN + 64.0, WIDTH - MARGIN - 80.0, top + HEIGHT);
    let place = |(context, bytes): (u64, u64)| {
        let x = left + (right - left) * context as f64 / longest as f64;
        (x, bottom - HEIGHT * 0.92 * bytes as f64 / most as f64)
    };
    svg.text((MARGIN, top - 18.0), 14.0, TEXT, "start", "Memory over context, by type of cache");
    for part in 0..=4 {
        let (bytes, context) = (most * part / 4, longest * part / 4);
        let (x, _) = place((context, 0));
        let (_, y) = place((0, bytes));
        svg.rule(left, right, y);
        svg.text((left - 8.0, y + 4.0), 11.0, MUTED, "end", &units::bytes(bytes));
        svg.text((x, bottom + 18.0), 11.0, MUTED, "middle", &units::grouped(context));
    }
    let mut lowest = top - 20.0;
    for ((name, points), colour) in curves.iter().zip(CURVES) {
        let line: Vec<String> =
            points.iter().map(|point| place(*point)).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        svg.put(format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            line.join(" ")
        ));
        let (x, y) = points.last().map_or((right, top), |point| place(*point));
        // Names keep apart where curves do not; the largest comes first.
        let y = y.max(lowest + 14.0);
        lowest = y;
        svg.text((x + 8.0, y + 4.0), 12.0, colour, "start", name);
    }
    if let Some(row) = report.rows.first() {
        let (_, usable) = row.first_memory();
        if usable <= most {
            let (_, y) = place((0, usable));
            svg.put(format!(
                    "<line x1=\"{left}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"{LIMIT}\" stroke-dasharray=\"5 4\"/>"
                ),
            );
            svg.text(
                (right, y - 6.0),
                11.0,
                LIMIT,
                "end",
                &format!("{} has {}", row.machine.name, units::bytes(usable)),
            );
        }
    }
}

/// All of the model where it is fastest on the first machine.
fn whole(report: &Report<'_>) -> Spread {
    let gpus = report.rows.first().map_or(&[][..], |row| &row.machine.gpus);
    if gpus.is_empty() {
        return Spread::host();
    }
    let gpus = gpus.iter().map(|gpu| (gpu.backend, gpu.pool.budget.usable as f64)).collect();
    Spread { gpus, gpu_layers: report.subject.placeable(), experts_on_host: false }
}

/// Of the GPUs, or of main memory where there is none.
fn total(placement: &Placement) -> u64 {
    match &placement.gpus[..] {
        [] => placement.host.total(),
        gpus => gpus.iter().map(Terms::total).sum(),
    }
}
