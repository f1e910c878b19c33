//! Adapters beside more bits: the size that a rank makes, what was measured at each, and which of the two is the better use of
//! as many bytes.

use super::charts::{chart, power, round, title, whole};
use super::points::LEAST;
use crate::engine::{AdapterReport, AdapterSize, LowRankReport, Standing};
use crate::gui::action::Action;
use crate::gui::panels::card;
use crate::gui::quality::{Inquiry, RANKS};
use crate::gui::state::Opened;
use crate::gui::theme;
use crate::gui::widgets::explain;
use crate::units;
use egui::accesskit::Role;
use egui::{Align2, Color32, Grid, Label, RichText, ScrollArea, Slider, Ui, WidgetInfo};
use egui_plot::{AxisHints, HoverPosition, Line, LineStyle, PlotPoint, Points, Text};

/// With room for the table beside the picture.
const WIDE: f32 = 900.0;
/// Of the slider.
const SLIDER: f32 = 140.0;
/// Of a point.
const RADIUS: f32 = 4.0;

pub(super) fn show(ui: &mut Ui, opened: &Opened, actions: &mut Vec<Action>) {
    rank(ui, opened, actions);
    ui.add_space(theme::GRID);
    let Some(report) = opened.adapters() else {
        if opened.quality.running.is_none() {
            empty(ui, opened);
        }
        return;
    };
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        // Beside the scroll bar.
        ui.set_width(ui.available_width() - theme::NEAR);
        let columns = if ui.available_width() < WIDE { 1 } else { 2 };
        ui.columns(columns, |columns| {
            card(&mut columns[0], |ui| picture(ui, opened, report));
            let last = columns.len() - 1;
            card(&mut columns[last], |ui| table(ui, report));
        });
    });
}

/// The slider, and what follows it at once.
fn rank(ui: &mut Ui, opened: &Opened, actions: &mut Vec<Action>) {
    let muted = theme::palette(ui).muted;
    let mut rank = opened.quality.adapters.rank;
    let prospect = opened.prospect(rank);
    ui.horizontal_wrapped(|ui| {
        ui.label(RichText::new("Rank").color(muted));
        ui.spacing_mut().slider_width = SLIDER;
        let response = ui.add(Slider::new(&mut rank, RANKS));
        response.widget_info(|| WidgetInfo::slider(true, rank as f64, "Rank"));
        let action = Action::Quality(Inquiry::Rank(rank));
        if explain(response, &action).changed() {
            actions.push(action);
        }
        let base = opened.choice.plan.file_bytes;
        let most = if prospect.predicted.is_some() { "" } else { "at most " };
        let bytes = units::grouped(prospect.bytes);
        ui.label(RichText::new(format!("Adapter {most}{bytes} bytes")).text_style(theme::value()));
        ui.label(RichText::new(format!("in all {}", units::bytes(base + prospect.bytes))).color(muted));
        if let Some(predicted) = prospect.predicted {
            ui.label(RichText::new(format!("KL divergence {predicted:.5}, predicted")).color(muted));
        }
    });
}

fn empty(ui: &mut Ui, opened: &Opened) {
    let colours = theme::palette(ui);
    ui.add_space(theme::APART);
    ui.vertical_centered(|ui| {
        ui.label(format!("What would an adapter make good of what {} loses?", opened.choice.title()));
        let text = "An adapter of low rank beside the file holds the largest of its errors, for llama.cpp's --lora. Mostly, as \
                    many bytes are better spent on more bits: Tuck measures both on the same text.";
        ui.label(RichText::new(text).color(colours.muted));
    });
}

/// Sizes and divergences of adapters, and of mixes of as many bytes.
fn picture(ui: &mut Ui, opened: &Opened, report: &LowRankReport) {
    let colours = theme::palette(ui);
    title(ui, "Adapters beside more bits", &sentence(report));
    let with: Vec<Standing> = report.adapters.iter().map(|adapter| adapter.with).collect();
    let instead: Vec<Standing> = report.adapters.iter().filter_map(|adapter| adapter.instead).collect();
    let at = |bytes: u64, divergence: f64| [bytes as f64, divergence.max(LEAST).log10()];
    let point = |of: &Standing| at(of.bytes, of.divergence.value);
    let predicted = RANKS.map(|rank| {
        let (bytes, divergence) = report.predict(rank);
        at(report.base.bytes + bytes, divergence)
    });
    let predicted: Vec<[f64; 2]> = predicted.collect();
    let here = opened.prospect(opened.quality.adapters.rank);
    let here = at(report.base.bytes + here.bytes, here.predicted.unwrap_or(0.0));
    let all = || with.iter().chain(&instead).chain([&report.base]).map(point).chain(predicted.iter().copied());
    let bounds = |axis: usize| {
        all().map(|at| at[axis]).fold([f64::MAX, f64::MIN], |[low, high], at| [low.min(at), high.max(at)])
    };
    let ([from, to], [low, high]) = (bounds(0), bounds(1));
    let told: Vec<(String, String)> = [("More bits", &instead), ("Adapter", &with)]
        .into_iter()
        .flat_map(|(name, standings)| {
            standings.iter().enumerate().map(move |(n, of)| (format!("{name} {n}"), about(name, of)))
        })
        .chain([(report.recipe.to_owned(), about(report.recipe, &report.base))])
        .collect();
    let hover = move |position: &HoverPosition<'_>| match position {
        HoverPosition::NearDataPoint { plot_name, .. } => {
            told.iter().find(|(name, _)| name == plot_name).map(|(_, about)| about.clone())
        }
        HoverPosition::Elsewhere { .. } => None,
    };
    let x = AxisHints::new_x().formatter(|mark, _| units::bytes(mark.value.max(0.0) as u64)).label_spacing(48.0..=64.0);
    let y = AxisHints::new_y().formatter(|mark, _| power(mark.value)).label_spacing(12.0..=16.0);
    let label = format!("Size against KL divergence of {} adapters, beside more bits", with.len());
    chart(ui, &label, [x, y], |plot, ui| {
        let plot = plot.x_grid_spacer(round(72.0, 1.0)).y_grid_spacer(whole).label_formatter(hover);
        let drawn = plot.show(ui, |plot| {
            let edge = 0.06 * (to - from).max(1.0);
            plot.set_plot_bounds_x(from - edge..=to + edge);
            plot.set_plot_bounds_y(low - 0.3..=high + 0.3);
            let line = Line::new("", predicted).color(colours.accent.gamma_multiply(0.5));
            plot.line(line.style(LineStyle::dashed_dense()).allow_hover(false));
            for (name, standings, colour) in
                [("More bits", &instead, colours.buffers), ("Adapter", &with, colours.accent)]
            {
                plot.line(
                    Line::new("", standings.iter().map(point).collect::<Vec<_>>()).color(colour).allow_hover(false),
                );
                for (n, standing) in standings.iter().enumerate() {
                    let points = Points::new(format!("{name} {n}"), vec![point(standing)]);
                    plot.points(points.color(colour).radius(RADIUS));
                }
                if let Some(last) = standings.last().map(point) {
                    text(plot, last, Align2::RIGHT_BOTTOM, name, colour);
                }
            }
            let base = point(&report.base);
            plot.points(Points::new(report.recipe, vec![base]).color(colours.text).radius(RADIUS));
            text(plot, base, Align2::LEFT_BOTTOM, report.recipe, colours.text);
            plot.points(Points::new("", vec![here]).color(colours.accent).radius(1.5 * RADIUS).filled(false));
        });
        drawn.response
    });
}

fn text(plot: &mut egui_plot::PlotUi<'_>, at: [f64; 2], anchor: Align2, name: &str, colour: Color32) {
    let text = Text::new("", PlotPoint::new(at[0], at[1]), RichText::new(format!(" {name} ")).small());
    plot.text(text.anchor(anchor).color(colour).allow_hover(false));
}

fn about(name: &str, of: &Standing) -> String {
    let (bytes, divergence) = (units::grouped(of.bytes), of.divergence);
    format!("{name}\n{bytes} bytes\nKL divergence {:.5} ± {:.5}", divergence.value, divergence.error)
}

/// Whether an adapter is better than as many bytes of more bits; none where that is not known.
fn is_better(adapter: &AdapterReport) -> Option<bool> {
    adapter.instead.map(|instead| adapter.with.divergence.value < instead.divergence.value)
}

/// Where which is better.
fn sentence(report: &LowRankReport) -> String {
    let better: Vec<bool> = report.adapters.iter().filter_map(is_better).collect();
    let bytes = |found: bool| {
        let some = report.adapters.iter().filter(|adapter| is_better(adapter) == Some(found));
        some.map(|adapter| units::bytes(adapter.bytes)).collect::<Vec<_>>().join(", ")
    };
    match (better.contains(&true), better.contains(&false)) {
        (true, true) => format!(
            "An adapter is better with {}, and more bits with {}. Lower is nearer to the original.",
            bytes(true),
            bytes(false)
        ),
        (true, false) => {
            "At every size that was measured an adapter is better. Lower is nearer to the original.".to_owned()
        }
        (false, true) => {
            "At every size that was measured more bits are better. Lower is nearer to the original.".to_owned()
        }
        (false, false) => "No mix of types has so few bytes. Lower is nearer to the original.".to_owned(),
    }
}

fn table(ui: &mut Ui, report: &LowRankReport) {
    let colours = theme::palette(ui);
    let about = format!("Mean KL divergence on {} chunks of {} tokens.", report.chunks, report.context);
    title(ui, "The same bytes, spent on either", &about);
    let cell = |ui: &mut Ui, text: &str, colour: Color32| {
        ui.add(Label::new(RichText::new(text).color(colour)).extend());
    };
    Grid::new("adapters").num_columns(5).spacing([2.0 * theme::GRID, theme::NEAR]).show(ui, |ui| {
        for head in ["Rank", "Adapter", "With it", "More bits", "Better"] {
            cell(ui, head, colours.muted);
        }
        ui.end_row();
        for adapter in &report.adapters {
            let rank = match adapter.size {
                AdapterSize::Rank(rank) => rank.to_string(),
                AdapterSize::Bytes(_) => String::new(),
            };
            cell(ui, &rank, colours.text);
            cell(ui, &units::bytes(adapter.bytes), colours.text);
            cell(ui, &format!("{:.5}", adapter.with.divergence.value), colours.text);
            let instead = adapter.instead.map_or("–".to_owned(), |of| format!("{:.5}", of.divergence.value));
            cell(ui, &instead, colours.text);
            let better = match is_better(adapter) {
                Some(true) => ("adapter", colours.accent),
                Some(false) => ("bits", colours.buffers),
                None => ("–", colours.muted),
            };
            cell(ui, better.0, better.1);
            ui.end_row();
        }
    });
    let base = report.base.divergence;
    let text = format!("{} without: {:.5} ± {:.5}", report.recipe, base.value, base.error);
    let response = ui.label(RichText::new(&text).color(colours.muted));
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &text));
}
