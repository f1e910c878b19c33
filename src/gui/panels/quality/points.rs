//! What was measured so far: a list to choose from, and size against divergence.

use super::charts::{chart, power, round, title, whole};
use crate::gui::action::Action;
use crate::gui::quality::{Inquiry, Measured};
use crate::gui::state::Opened;
use crate::gui::theme;
use crate::units;
use egui::accesskit::Role;
use egui::{Align, Align2, Label, Layout, Response, RichText, Sense, Ui, UiBuilder, WidgetInfo, vec2};
use egui_plot::{AxisHints, HoverPosition, Line, PlotPoint, Points, Text};

/// Of a point, and of the one in view.
const RADII: [f32; 2] = [4.0, 6.0];
/// No divergence is drawn lower, for 0 has no place on this scale.
pub(in crate::gui::panels) const LEAST: f64 = 1e-7;
/// Of the columns of the list.
const SIZE: f32 = 76.0;
const DIVERGENCE: f32 = 92.0;

pub(super) fn show(ui: &mut Ui, opened: &Opened, actions: &mut Vec<Action>) {
    title(ui, "Size against loss", "Lower is nearer to the original. Only measurements on the same text are compared.");
    let quality = &opened.quality;
    let measured: Vec<(usize, &Measured)> = quality.comparable().collect();
    if measured.is_empty() {
        let text = "Nothing was measured on this text yet.";
        ui.label(RichText::new(text).color(theme::palette(ui).muted));
        return;
    }
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        heads(ui);
        for (place, measured) in &measured {
            if row(ui, measured, *place == quality.shown, opened.is_current(&measured.trial)).clicked() {
                actions.push(Action::Quality(Inquiry::Look(*place)));
            }
        }
    });
    ui.add_space(theme::NEAR);
    points(ui, opened, &measured);
}

fn row(ui: &mut Ui, measured: &Measured, is_shown: bool, is_current: bool) -> Response {
    let colours = theme::palette(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), theme::LINE), Sense::click());
    if is_shown {
        ui.painter().rect_filled(rect, theme::ROUND, colours.selected);
    } else if response.hovered() || response.has_focus() {
        ui.painter().rect_filled(rect, theme::ROUND, colours.raised);
    }
    let size = units::bytes(measured.trial.bytes);
    let divergence = format!("{:.5}", measured.divergence.value);
    let inside = rect.shrink2(vec2(theme::NEAR, 0.0));
    let layout = Layout::right_to_left(Align::Center);
    ui.scope_builder(UiBuilder::new().max_rect(inside).layout(layout), |ui| {
        cell(ui, DIVERGENCE, RichText::new(&divergence).monospace());
        cell(ui, SIZE, RichText::new(&size).monospace());
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
            let colour = if is_current { colours.accent } else { colours.text };
            ui.add(Label::new(RichText::new(&measured.trial.name).color(colour)).truncate());
        });
    });
    let spoken = format!("{}, {size}, KL divergence {divergence}", measured.trial.name);
    response.widget_info(|| WidgetInfo::selected(Role::RadioButton, true, is_shown, &spoken));
    response.on_hover_text("Show the figures of this type.")
}

/// What the columns are.
fn heads(ui: &mut Ui) {
    let muted = theme::palette(ui).muted;
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), theme::LINE), Sense::hover());
    let inside = rect.shrink2(vec2(theme::NEAR, 0.0));
    let layout = Layout::right_to_left(Align::Center);
    ui.scope_builder(UiBuilder::new().max_rect(inside).layout(layout), |ui| {
        cell(ui, DIVERGENCE, RichText::new("KL divergence").small().color(muted));
        cell(ui, SIZE, RichText::new("File size").small().color(muted));
    });
}

fn cell(ui: &mut Ui, width: f32, text: RichText) {
    ui.allocate_ui_with_layout(vec2(width, theme::LINE), Layout::right_to_left(Align::Center), |ui| {
        ui.set_min_width(width);
        ui.label(text);
    });
}

fn points(ui: &mut Ui, opened: &Opened, measured: &[(usize, &Measured)]) {
    let colours = theme::palette(ui);
    let label = format!("Size against KL divergence of {} types", measured.len());
    let x = AxisHints::new_x().formatter(|mark, _| match mark.value {
        bytes if bytes > 0.0 => units::bytes(bytes as u64),
        _ => String::new(),
    });
    let y = AxisHints::new_y().formatter(|mark, _| power(mark.value));
    let told: Vec<(String, String)> = measured.iter().map(|(_, measured)| about(measured)).collect();
    let largest = measured.iter().map(|(_, measured)| measured.trial.bytes).max().unwrap_or(1) as f64;
    let heights = measured.iter().map(|(_, measured)| height(measured.divergence.value));
    let (low, high) = heights.fold((0.0f64, f64::MIN), |(low, high), at| (low.min(at), high.max(at)));
    chart(ui, &label, [x.label_spacing(40.0..=60.0), y.label_spacing(12.0..=16.0)], |plot, ui| {
        let plot = plot.x_grid_spacer(round(96.0, 1.0)).y_grid_spacer(whole).set_margin_fraction(vec2(0.0, 0.05));
        let plot = plot.include_x(0.0).include_x(1.15 * largest);
        let plot = plot.include_y((low - 0.1).floor()).include_y((high + 0.1).ceil());
        let hover = move |position: &HoverPosition<'_>| match position {
            HoverPosition::NearDataPoint { plot_name, .. } => {
                told.iter().find(|(name, _)| name == plot_name).map(|(_, about)| about.clone())
            }
            HoverPosition::Elsewhere { .. } => None,
        };
        let drawn = plot.label_formatter(hover).show(ui, |plot| {
            for (_, measured) in measured {
                let is_current = opened.is_current(&measured.trial);
                let colour = if is_current { colours.accent } else { colours.cache };
                let (size, estimate) = (measured.trial.bytes as f64, measured.divergence);
                let bar = [estimate.value - estimate.error, estimate.value + estimate.error];
                let line = Line::new("", bar.map(|end| [size, height(end)]).to_vec());
                plot.line(line.color(colour).width(1.5).allow_hover(false));
                let at = [size, height(estimate.value)];
                let radius = RADII[usize::from(is_current)];
                plot.points(Points::new(&measured.trial.name, vec![at]).color(colour).radius(radius));
                let text = RichText::new(format!("  {}", measured.trial.short)).small();
                let colour = if is_current { colours.text } else { colours.muted };
                let text = Text::new("", PlotPoint::new(at[0], at[1]), text).anchor(Align2::LEFT_BOTTOM);
                plot.text(text.color(colour).allow_hover(false));
            }
        });
        drawn.response
    });
}

/// The power of ten of a divergence.
fn height(divergence: f64) -> f64 {
    divergence.max(LEAST).log10()
}

/// What the pointer finds at a point.
fn about(measured: &Measured) -> (String, String) {
    let (trial, estimate) = (&measured.trial, measured.divergence);
    let text = format!(
        "{}\n{}, {:.2} bits / weight\nKL divergence {:.5} ± {:.5}",
        trial.name,
        units::bytes(trial.bytes),
        trial.bits_per_weight,
        estimate.value,
        estimate.error
    );
    (trial.name.clone(), text)
}
