//! Size against loss: every size as predicted, the standard recipes beside it, and what was measured.

use crate::gui::action::Action;
use crate::gui::panels::quality::{LEAST, chart, power, round, whole};
use crate::gui::quality::{Measured, USUAL_TYPES};
use crate::gui::size::{Sizes, Wish};
use crate::gui::state::Opened;
use crate::gui::theme;
use crate::recipe::Standard;
use crate::units;
use egui::{Align, Align2, Color32, CursorIcon, Layout, RichText, Sense, Stroke, Ui, pos2, vec2};
use egui_plot::{AxisHints, GridMark, HoverPosition, Line, PlotPoint, Points, Text, VLine};
use std::ops::RangeInclusive;

/// Of the numbers at the left of the picture.
pub(super) const LEFT: f32 = 46.0;
/// The handle of a slider is so wide that its ends are so far inside.
const INSIDE: f32 = theme::ROW / 2.5;
/// Of points: of standard recipes, of what was measured, and of the mix in view.
const RADII: [f32; 3] = [3.0, 4.0, 6.0];
/// The share of the picture at its right that has no room for text.
const EDGE: f64 = 0.08;
/// Powers of ten with room for names.
const BELOW: f64 = 0.6;
const ABOVE: f64 = 0.25;
/// What the line and the point of the mix in view are called.
const CURVE: &str = "Every size";
const HERE: &str = "This file";

pub(super) fn show(ui: &mut Ui, opened: &Opened, sizes: &Sizes, height: f32, actions: &mut Vec<Action>) {
    let colours = theme::palette(ui);
    let measured: Vec<&Measured> = opened.quality.comparable().map(|(_, measured)| measured).collect();
    let (here, predicted) = (opened.choice.plan.file_bytes as f64, opened.sizing.predicted);
    let told = told(sizes, &measured, opened);
    let hover = move |position: &HoverPosition<'_>| match position {
        HoverPosition::NearDataPoint { plot_name, .. } => {
            told.iter().find(|(name, _)| name == plot_name).map(|(_, about)| about.clone())
        }
        HoverPosition::Elsewhere { .. } => None,
    };
    let [from, to] = across(sizes, ui.available_width() - LEFT);
    // A size at the right edge would be cut off.
    let last = to - EDGE * (to - from);
    let formatter = move |mark: GridMark, _: &RangeInclusive<f64>| match mark.value <= last {
        true => units::bytes(mark.value.max(0.0) as u64),
        false => String::new(),
    };
    let x = AxisHints::new_x().formatter(formatter).label_spacing(48.0..=64.0);
    let y = AxisHints::new_y().formatter(|mark, _| power(mark.value)).label_spacing(12.0..=18.0);
    let label = format!("Size against predicted KL divergence, beside {} standard types", sizes.standards.len());
    let [low, high] = up(sizes, &measured);
    chart(ui, &label, [x, y], |plot, ui| {
        let plot = plot.height(height).x_grid_spacer(round(72.0, 1.0)).y_grid_spacer(whole).label_formatter(hover);
        let drawn = plot.show(ui, |plot| {
            plot.set_plot_bounds_x(from..=to);
            plot.set_plot_bounds_y(low..=high);
            let curve = sizes.points.iter().map(|point| [point.bytes as f64, level(point.loss)]);
            let line = Line::new(CURVE, curve.collect::<Vec<_>>()).color(colours.cache).width(1.5);
            plot.line(line.allow_hover(false));
            plot.vline(VLine::new("", here).color(colours.accent.gamma_multiply(0.5)).width(1.0).allow_hover(false));
            for Standard { preset, total } in &sizes.standards {
                let at = [total.bytes as f64, level(total.loss)];
                let points = Points::new(preset.name, vec![at]).color(colours.cache).radius(RADII[0]).filled(false);
                plot.points(points);
                if USUAL_TYPES.contains(&preset.name) {
                    let text = RichText::new(format!(" {} ", preset.name)).small();
                    // Above the curve is room, but not at the right edge; there it is below.
                    let is_last = at[0] > to - 2.0 * EDGE * (to - from);
                    let anchor = if is_last { Align2::RIGHT_TOP } else { Align2::LEFT_BOTTOM };
                    let text = Text::new("", PlotPoint::new(at[0], at[1]), text).anchor(anchor);
                    plot.text(text.color(colours.muted).allow_hover(false));
                }
            }
            if let Some(predicted) = predicted {
                let at = vec![[here, level(predicted)]];
                plot.points(Points::new(HERE, at).color(colours.accent).radius(RADII[2]).filled(false));
            }
            for measured in measured {
                let colour = if opened.is_current(&measured.trial) { colours.accent } else { colours.buffers };
                let (size, estimate) = (measured.trial.bytes as f64, measured.divergence);
                let ends = [estimate.value - estimate.error, estimate.value + estimate.error];
                let bar = Line::new("", ends.map(|end| [size, level(end)]).to_vec());
                plot.line(bar.color(colour).width(1.5).allow_hover(false));
                let at = vec![[size, level(estimate.value)]];
                plot.points(Points::new(&measured.trial.name, at).color(colour).radius(RADII[1]));
            }
        });
        let response = drawn.response.on_hover_cursor(CursorIcon::ResizeHorizontal);
        if let Some(at) = response.interact_pointer_pos().filter(|_| response.clicked() || response.dragged()) {
            let bytes = drawn.transform.value_from_position(at).x.max(0.0) as u64;
            actions.push(Action::Size(Wish::Move(bytes.clamp(sizes.smallest, sizes.largest))));
        }
        if response.clicked() || response.drag_stopped() {
            actions.push(Action::Size(Wish::LetGo));
        }
        response
    });
}

/// The power of ten of a divergence.
fn level(divergence: f64) -> f64 {
    divergence.max(LEAST).log10()
}

/// The bytes at the ends, with room for the ends of the slider.
fn across(sizes: &Sizes, width: f32) -> [f64; 2] {
    let (from, to) = (sizes.smallest as f64, sizes.largest.max(sizes.smallest + 1) as f64);
    let outside = (to - from) * f64::from(INSIDE) / f64::from((width - 2.0 * INSIDE).max(1.0));
    [from - outside, to + outside]
}

/// The powers of ten at the ends.
fn up(sizes: &Sizes, measured: &[&Measured]) -> [f64; 2] {
    let predicted = sizes.points.iter().map(|point| point.loss);
    let standards = sizes.standards.iter().map(|standard| standard.total.loss);
    let measured = measured.iter().map(|measured| measured.divergence.value);
    let all = predicted.chain(standards).chain(measured).map(level);
    let [low, high] = all.fold([f64::MAX, f64::MIN], |[low, high], at| [low.min(at), high.max(at)]);
    if low > high { [-4.0, 0.0] } else { [low - BELOW, high + ABOVE] }
}

/// What the pointer finds at each point.
fn told(sizes: &Sizes, measured: &[&Measured], opened: &Opened) -> Vec<(String, String)> {
    let predicted = |name: &str, bytes: u64, loss: f64| {
        let text = format!("{name}\n{} bytes\nKL divergence {loss:.5}, predicted", units::grouped(bytes));
        (name.to_owned(), text)
    };
    let standards = sizes.standards.iter().map(|of| predicted(of.preset.name, of.total.bytes, of.total.loss));
    let here = opened.sizing.predicted.map(|loss| predicted(HERE, opened.choice.plan.file_bytes, loss));
    let measured = measured.iter().map(|of| {
        let (trial, estimate) = (&of.trial, of.divergence);
        let bytes = units::grouped(trial.bytes);
        let figure = format!("KL divergence {:.5} ± {:.5}, measured", estimate.value, estimate.error);
        (trial.name.clone(), format!("{}\n{bytes} bytes\n{figure}", trial.name))
    });
    // A type may be there twice, predicted and measured.
    measured.chain(standards).chain(here).collect()
}

/// What is predicted, and what was measured.
pub(super) fn legend(ui: &mut Ui, opened: &Opened) {
    let colours = theme::palette(ui);
    // A line of small text is no row of buttons.
    let size = vec2(ui.available_width(), 4.0 * theme::GRID);
    ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), |ui| {
        ui.spacing_mut().item_spacing.x = theme::GRID;
        line(ui, colours.cache);
        name(ui, "predicted", "What Tuck expects of every size, from what it measured of each tensor.");
        dot(ui, colours.cache, false);
        name(ui, "types, predicted", "What Tuck expects of the standard types, by the same statistics.");
        dot(ui, colours.buffers, true);
        match opened.quality.comparable().next() {
            Some(_) => {
                name(ui, "measured", "What the Quality tab found, with error bars, on the text that is chosen there.")
            }
            None => name(ui, "none measured", "Measure in the Quality tab, and it stands here."),
        }
    });
}

fn name(ui: &mut Ui, text: &str, about: &str) {
    ui.label(RichText::new(text).small().color(theme::palette(ui).muted)).on_hover_text(about);
    ui.add_space(theme::GRID);
}

fn line(ui: &mut Ui, colour: Color32) {
    let (rect, _) = ui.allocate_exact_size(vec2(3.0 * theme::GRID, 3.0 * theme::GRID), Sense::hover());
    let y = rect.center().y;
    ui.painter().line_segment([pos2(rect.left(), y), pos2(rect.right(), y)], Stroke::new(1.5, colour));
}

fn dot(ui: &mut Ui, colour: Color32, is_filled: bool) {
    let (rect, _) = ui.allocate_exact_size(vec2(2.5 * theme::GRID, 3.0 * theme::GRID), Sense::hover());
    match is_filled {
        true => ui.painter().circle_filled(rect.center(), RADII[1], colour),
        false => ui.painter().circle_stroke(rect.center(), RADII[0], Stroke::new(1.0, colour)),
    };
}
