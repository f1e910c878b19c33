//! The table of tensors. Only the rows in sight are drawn, so thousands cost nothing.

use super::heat_map::details;
use super::{footer, formats};
use crate::gui::action::Action;
use crate::gui::errors::Errors;
use crate::gui::selection::Select;
use crate::gui::state::{Column, Opened};
use crate::gui::theme;
use crate::gui::widgets::{Field, explain, field};
use crate::recipe::quantizable;
use crate::units;
use egui::accesskit::Role;
use egui::{
    Align, Align2, Button, Color32, Id, Label, Layout, Response, RichText, Sense, Shape, Stroke, TextStyle, Ui,
    WidgetInfo, pos2, vec2,
};
use egui_extras::{Column as Width, TableBuilder, TableRow};

/// With room for all columns.
const WIDE: f32 = 640.0;

/// Of the filter's text field, which a shortcut moves the focus to.
pub(in crate::gui) fn filter_id() -> Id {
    Id::unique("tensor filter")
}

pub(super) fn filter(ui: &mut Ui, opened: &Opened, actions: &mut Vec<Action>) {
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        let looks = Field {
            id: filter_id(),
            label: "Filter tensors",
            hint: "Filter tensors",
            style: TextStyle::Body,
            width: ui.available_width().min(180.0) - theme::NEAR,
        };
        let (response, changed) = field(ui, &opened.table.filter, looks);
        explain(response, &Action::FocusFilter);
        actions.extend(changed.map(Action::Filter));
    });
}

pub(super) fn show(ui: &mut Ui, opened: &Opened, actions: &mut Vec<Action>) {
    footer::show(ui, opened, actions);
    if opened.table.rows.is_empty() {
        ui.add_space(theme::APART);
        let text = format!("No tensor has “{}” in its name.", opened.table.filter.trim());
        ui.vertical_centered(|ui| ui.label(RichText::new(text).color(theme::palette(ui).muted)));
        return;
    }
    ui.spacing_mut().item_spacing.y = 0.0;
    // A row under the pointer is no button.
    ui.visuals_mut().widgets.hovered.bg_fill = theme::palette(ui).raised;
    let columns = columns(opened, ui.available_width());
    let mut table = TableBuilder::new(ui)
        .striped(true)
        .sense(Sense::click())
        .cell_layout(Layout::left_to_right(Align::Center))
        .column(Width::remainder().at_least(116.0).clip(true))
        .auto_shrink(false);
    for column in columns.iter().skip(1) {
        table = table.column(Width::exact(width(*column)));
    }
    table
        .header(theme::ROW, |mut header| {
            for column in &columns {
                header.col(|ui| head(ui, opened, *column, actions));
            }
        })
        .body(|body| {
            body.rows(theme::LINE, opened.table.rows.len(), |mut row| {
                let index = opened.table.rows[row.index()];
                row.set_selected(opened.table.selection.tensors.contains(&index));
                cells(&mut row, opened, index, &columns, actions);
                let response = row.response();
                if response.clicked() {
                    let modifiers = response.ctx.input(|input| input.modifiers);
                    actions.push(Action::Select(match (modifiers.shift, modifiers.command) {
                        (true, _) => Select::Through(index),
                        (false, true) => Select::Toggle(index),
                        (false, false) => Select::Only(index),
                    }));
                }
            });
        });
}

/// Those there is something for, and room.
fn columns(opened: &Opened, room: f32) -> Vec<Column> {
    let is_shown = |column: &Column| match column {
        Column::Error => opened.errors.is_some(),
        Column::Stored => opened.errors.is_none() || room >= WIDE,
        _ => true,
    };
    Column::HEADS.into_iter().filter(is_shown).collect()
}

/// Of a column. That of names takes what is left.
fn width(column: Column) -> f32 {
    match column {
        Column::Shape => 108.0,
        Column::Stored => 64.0,
        Column::Planned => 92.0,
        Column::Bytes => 104.0,
        _ => 68.0,
    }
}

fn head(ui: &mut Ui, opened: &Opened, column: Column, actions: &mut Vec<Action>) {
    let colours = theme::palette(ui);
    let is_sorted = opened.table.column == column;
    let arrow = match (is_sorted, opened.table.descending) {
        (false, _) => "",
        (true, false) => " ↑",
        (true, true) => " ↓",
    };
    let colour = if is_sorted { colours.accent } else { colours.muted };
    let text = RichText::new(format!("{}{arrow}", column.label())).small().color(colour);
    let action = Action::Sort(column);
    let draw = |ui: &mut Ui| {
        explain(ui.add(Button::new(text).frame(false).min_size(vec2(0.0, theme::LINE))), &action).clicked()
    };
    let clicked = if matches!(column, Column::Bytes | Column::Error) { right(ui, draw) } else { draw(ui) };
    if clicked {
        actions.push(action);
    }
}

fn cells(row: &mut TableRow<'_, '_>, opened: &Opened, index: usize, columns: &[Column], actions: &mut Vec<Action>) {
    let tensor = &opened.model.tensors[index];
    let planned = &opened.choice.plan.tensors[index];
    // Selected rows have another ground, not another colour of text, which stands for other things here.
    let text = |ui: &Ui| theme::palette(ui).text;
    row.col(|ui| {
        let name = RichText::new(&tensor.name).monospace().color(text(ui));
        let response = ui.add(Label::new(name).truncate());
        if tensor.name != tensor.stored_name {
            response.on_hover_text(format!("{} in the model's files", tensor.stored_name));
        }
    });
    row.col(|ui| {
        let shape: Vec<String> = tensor.shape.iter().map(u64::to_string).collect();
        ui.label(RichText::new(shape.join(" × ")).monospace().color(text(ui)))
            .on_hover_text(format!("{} weights", units::grouped(tensor.weights())));
    });
    if columns.contains(&Column::Stored) {
        row.col(|ui| {
            let name = tensor.precision();
            ui.label(RichText::new(name).monospace().color(theme::palette(ui).muted));
        });
    }
    row.col(|ui| plan(ui, opened, index, actions));
    row.col(|ui| {
        let bytes = RichText::new(units::grouped(planned.bytes)).monospace().color(text(ui));
        right(ui, |ui| ui.label(bytes).on_hover_text(units::bytes(planned.bytes)));
    });
    if let Some(errors) = &opened.errors {
        row.col(|ui| right(ui, |ui| error(ui, errors, index)));
    }
}

/// The type in the file to be: a menu of the others, where it can be changed.
fn plan(ui: &mut Ui, opened: &Opened, index: usize, actions: &mut Vec<Action>) {
    let colours = theme::palette(ui);
    let tensor = &opened.model.tensors[index];
    let format = opened.choice.plan.tensors[index].format;
    if !quantizable(tensor) {
        ui.label(RichText::new(format.name).monospace().color(colours.muted))
            .on_hover_text("Tensors as small and sensitive as this keep their precision in every recipe.");
        return;
    }
    let fallback = opened.choice.plan.fallbacks.iter().find(|fallback| fallback.tensor == tensor.name);
    let is_picked = opened.choice.decision().picks.contains_key(&index);
    let (mark, colour) = match (fallback, is_picked) {
        (Some(_), _) => (" *", colours.warn),
        (None, true) => (" •", colours.accent),
        (None, false) => ("", colours.text),
    };
    let response = drop_down(ui, &format!("{format}{mark}"), colour);
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, format!("Type of {}: {format}", tensor.name)));
    if response.clicked() && !opened.table.selection.tensors.contains(&index) {
        actions.push(Action::Select(Select::Only(index)));
    }
    formats::menu(&response, opened, actions);
    response.on_hover_ui(|ui| {
        ui.label(format.about);
        if is_picked {
            match opened.choice.unpicked.get(index) {
                Some(format) => ui.label(format!("You chose it; the recipe has {format}.")),
                None => ui.label("You chose it; the mix is found around it."),
            };
        }
        if let Some(fallback) = fallback {
            ui.label(format!("Instead of {}, because {}.", fallback.wanted, fallback.reason()));
        }
        ui.weak("Click to change it.");
    });
}

/// Of the file that was compared, in which the tensor may have another type than the plan.
fn error(ui: &mut Ui, errors: &Errors, index: usize) {
    match errors.of(index) {
        Some(found) => {
            let text = RichText::new(units::percent(found.error.judged().relative_rmse())).monospace();
            details(ui.label(text), found);
        }
        None => {
            let file = errors.report.candidate.display();
            ui.weak("–").on_hover_text(format!("It could not be compared with {file}."));
        }
    }
}

/// Text with a triangle at its right, in a frame under the pointer.
fn drop_down(ui: &mut Ui, text: &str, colour: Color32) -> Response {
    let colours = theme::palette(ui);
    // The text keeps the place it has without a frame.
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), theme::LINE), Sense::click());
    let frame = rect.expand2(vec2(theme::GRID * 1.5, -1.0));
    let is_near = response.hovered() || response.has_focus();
    if is_near {
        ui.painter().rect_filled(frame, theme::ROUND, colours.pressed);
    }
    let font = TextStyle::Monospace.resolve(ui.style());
    ui.painter().text(rect.left_center(), Align2::LEFT_CENTER, text, font, colour);
    let (tip, arm) = (pos2(rect.right() - 1.5 * theme::GRID, rect.center().y + 2.0), 3.5);
    let corners = vec![tip + vec2(-arm, -arm), tip + vec2(arm, -arm), tip];
    let shade = if is_near { colours.text } else { colours.used };
    ui.painter().add(Shape::convex_polygon(corners, shade, Stroke::NONE));
    response
}

fn right<R>(ui: &mut Ui, add: impl FnOnce(&mut Ui) -> R) -> R {
    ui.with_layout(Layout::right_to_left(Align::Center), add).inner
}
