//! The map of errors: layers down, kinds of tensors across, the relative error as colour.

use crate::engine::TensorError;
use crate::eval::ErrorSums;
use crate::gui::errors::{Errors, Grid, Row, Scale};
use crate::gui::theme;
use crate::units;
use egui::accesskit::Role;
use egui::{
    Align2, Color32, FontId, Id, Label, Rect, Response, RichText, ScrollArea, Sense, TextStyle, Ui, WidgetInfo, pos2,
    vec2,
};

/// Of a cell.
const HEIGHT: f32 = 5.5 * theme::GRID;
/// Between cells.
const GAP: f32 = theme::GRID / 2.0;
/// Of the layers' numbers.
const NUMBERS: f32 = 8.0 * theme::GRID;
/// The least and most of a cell, of which a number needs the middle.
const WIDTHS: [f32; 3] = [28.0, 52.0, 112.0];
/// Of the legend's colours.
const LEGEND: f32 = 40.0 * theme::GRID;

pub(super) fn show(ui: &mut Ui, errors: &Errors) {
    let Some(scale) = errors.scale else {
        ui.add_space(theme::APART);
        ui.vertical_centered(|ui| ui.label("Every weight that was compared is equal."));
        return;
    };
    legend(ui, errors, scale);
    ui.spacing_mut().item_spacing.y = GAP;
    let columns = errors.grids.iter().map(|grid| grid.columns.len()).max().unwrap_or(1);
    let room = ui.available_width() - NUMBERS - ui.spacing().scroll.allocated_width();
    let width = (room / columns as f32 - GAP).clamp(WIDTHS[0], WIDTHS[2]);
    for grid in &errors.grids {
        heads(ui, grid, width);
        let draw = |ui: &mut Ui, row: &Row| cells(ui, errors, scale, row, width);
        if grid.rows.len() == 1 {
            draw(ui, &grid.rows[0]);
        } else {
            ScrollArea::vertical().auto_shrink(false).show_rows(ui, HEIGHT, grid.rows.len(), |ui, range| {
                grid.rows[range].iter().for_each(|row| draw(ui, row))
            });
        }
    }
}

/// What the colours mean, and what the map leaves out.
fn legend(ui: &mut Ui, errors: &Errors, scale: Scale) {
    let colours = theme::palette(ui);
    let is_weighted = errors.report.total.weighted.is_some();
    ui.horizontal(|ui| {
        let small = |text: String| RichText::new(text).small().color(colours.muted);
        ui.label(small(if is_weighted { "Weighted relative error" } else { "Relative error" }.to_owned()));
        ui.label(small(units::percent(scale.from)));
        let (rect, _) = ui.allocate_exact_size(vec2(LEGEND, 2.0 * theme::GRID), Sense::hover());
        let steps = LEGEND as usize;
        for step in 0..steps {
            let at = |n: usize| rect.left() + rect.width() * n as f32 / steps as f32;
            let part = Rect::from_min_max(pos2(at(step), rect.top()), pos2(at(step + 1), rect.bottom()));
            ui.painter().rect_filled(part, 0.0, theme::heat(colours, step as f32 / (steps - 1) as f32));
        }
        ui.label(small(units::percent(scale.to)));
        if !errors.exact.is_empty() {
            ui.add_space(theme::APART);
            let text = format!("Without error: {}", errors.exact.join(", "));
            ui.add(Label::new(small(text)).truncate());
        }
    });
}

/// Kinds of tensors over their columns.
fn heads(ui: &mut Ui, grid: &Grid, width: f32) {
    let line = row_rect(ui, grid.columns.len(), width);
    for (column, kind) in grid.columns.iter().enumerate() {
        let rect = cell_rect(line, column, width);
        let label = Label::new(RichText::new(kind).small().color(theme::palette(ui).muted)).truncate();
        ui.place(rect, label).on_hover_text(kind);
    }
}

fn cells(ui: &mut Ui, errors: &Errors, scale: Scale, row: &Row, width: f32) {
    let colours = theme::palette(ui);
    let small = TextStyle::Small.resolve(ui.style());
    let line = row_rect(ui, row.cells.len(), width);
    if let Some(layer) = row.layer {
        let at = pos2(line.left() + NUMBERS - theme::NEAR, line.center().y);
        ui.painter().text(at, Align2::RIGHT_CENTER, layer, small.clone(), colours.muted);
    }
    for (column, place) in row.cells.iter().enumerate() {
        let Some(tensor) = place.map(|place| &errors.report.tensors[place]) else { continue };
        cell(ui, tensor, scale, cell_rect(line, column, width), small.clone());
    }
}

fn cell(ui: &mut Ui, tensor: &TensorError, scale: Scale, rect: Rect, font: FontId) {
    let colours = theme::palette(ui);
    let relative = tensor.error.judged().relative_rmse();
    let (fill, text) = match relative {
        0.0 => (colours.sunken, colours.muted),
        error => {
            let fill = theme::heat(colours, scale.place(error));
            (fill, theme::on(fill))
        }
    };
    let number = units::percent(relative);
    ui.painter().rect_filled(rect, theme::GRID / 2.0, fill);
    if rect.width() >= WIDTHS[1] {
        ui.painter().text(rect.center(), Align2::CENTER_CENTER, &number, font, text);
    }
    let response = ui.interact(rect, Id::unique(("error of", &tensor.name)), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Cell, true, format!("{}, {number}", tensor.name)));
    if response.hovered() {
        frame(ui, rect, colours.text);
    }
    details(response, tensor);
}

fn frame(ui: &Ui, rect: Rect, colour: Color32) {
    ui.painter().rect_stroke(rect, theme::GRID / 2.0, (1.5, colour), egui::StrokeKind::Inside);
}

/// All figures of a tensor.
pub(super) fn details(response: Response, tensor: &TensorError) {
    response.on_hover_ui(|ui| {
        let error = &tensor.error;
        ui.label(RichText::new(&tensor.name).monospace());
        let shape: Vec<String> = tensor.shape.iter().map(u64::to_string).collect();
        ui.weak(format!("{}, {} against {}", shape.join(" × "), tensor.format, tensor.reference_format));
        ui.label(sums("Relative error", &error.plain));
        if let Some(weighted) = &error.weighted {
            ui.label(sums("Weighted", weighted));
        }
        ui.label(format!("Largest difference {:.3e}", error.largest));
        if error.nonfinite + error.reference_nonfinite > 0 {
            let (ours, theirs) = (units::grouped(error.nonfinite), units::grouped(error.reference_nonfinite));
            ui.label(format!("NaN or infinite: {ours} weights of the file, {theirs} of the model"));
        }
    });
}

/// `Relative error 7.21 %, RMSE 1.234e-3, cosine 0.997408`.
fn sums(label: &str, sums: &ErrorSums) -> String {
    let relative = units::percent(sums.relative_rmse());
    format!("{label} {relative}, RMSE {:.3e}, cosine {:.6}", sums.rmse(), sums.cosine())
}

fn row_rect(ui: &mut Ui, columns: usize, width: f32) -> Rect {
    let size = vec2(NUMBERS + columns as f32 * (width + GAP), HEIGHT);
    ui.allocate_exact_size(size, Sense::hover()).0
}

fn cell_rect(row: Rect, column: usize, width: f32) -> Rect {
    let left = row.left() + NUMBERS + column as f32 * (width + GAP);
    Rect::from_min_size(pos2(left, row.top()), vec2(width, row.height()))
}
