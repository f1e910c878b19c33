//! The table of tensors. Only the rows in sight are drawn, so thousands cost nothing.

use super::heat_map::details;
use crate::gui::action::Action;
use crate::gui::errors::Errors;
use crate::gui::state::{Column, Opened};
use crate::gui::table::stored;
use crate::gui::theme;
use crate::gui::widgets::{Field, explain, field};
use crate::recipe::FallbackGroup;
use crate::units;
use egui::{Align, Button, Id, Label, Layout, RichText, TextStyle, Ui};
use egui_extras::{Column as Width, TableBuilder, TableRow};

/// Tensors that a list of fallbacks names before it counts the rest.
const NAMED: usize = 20;

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
            width: 180.0,
        };
        let (response, changed) = field(ui, &opened.table.filter, looks);
        explain(response, &Action::FocusFilter);
        actions.extend(changed.map(Action::Filter));
        let (shown, all) = (opened.table.rows.len() as u64, opened.model.tensors.len() as u64);
        let count = if shown == all {
            format!("{} tensors", units::grouped(all))
        } else {
            format!("{} of {} tensors", units::grouped(shown), units::grouped(all))
        };
        ui.label(RichText::new(count).small().color(theme::palette(ui).muted));
    });
}

pub(super) fn show(ui: &mut Ui, opened: &Opened, actions: &mut Vec<Action>) {
    if opened.table.rows.is_empty() {
        ui.add_space(theme::APART);
        let text = format!("No tensor has “{}” in its name.", opened.table.filter.trim());
        ui.vertical_centered(|ui| ui.label(RichText::new(text).color(theme::palette(ui).muted)));
        return;
    }
    fallbacks(ui, opened);
    ui.spacing_mut().item_spacing.y = 0.0;
    let columns = columns(opened, ui.available_width());
    let mut table = TableBuilder::new(ui)
        .striped(true)
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
                cells(&mut row, opened, index, &columns);
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
        Column::Planned => 72.0,
        Column::Bytes => 104.0,
        _ => 68.0,
    }
}

/// Why some rows have a star.
fn fallbacks(ui: &mut Ui, opened: &Opened) {
    let groups = FallbackGroup::of(&opened.choice.plan.fallbacks);
    let text = |group: &FallbackGroup| RichText::new(group.sentence()).small().color(theme::palette(ui).warn);
    let texts: Vec<RichText> = groups.iter().map(text).collect();
    for (group, text) in groups.iter().zip(texts) {
        ui.label(text).on_hover_ui(|ui| {
            ui.label(group.tensors.iter().take(NAMED).cloned().collect::<Vec<_>>().join("\n"));
            if group.tensors.len() > NAMED {
                ui.weak(format!("and {} more", group.tensors.len() - NAMED));
            }
        });
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
        explain(ui.add(Button::new(text).frame(false).min_size(egui::vec2(0.0, theme::LINE))), &action).clicked()
    };
    let clicked = if matches!(column, Column::Bytes | Column::Error) { right(ui, draw) } else { draw(ui) };
    if clicked {
        actions.push(action);
    }
}

fn cells(row: &mut TableRow<'_, '_>, opened: &Opened, index: usize, columns: &[Column]) {
    let tensor = &opened.model.tensors[index];
    let planned = &opened.choice.plan.tensors[index];
    let fallback = opened.choice.plan.fallbacks.iter().find(|fallback| fallback.tensor == tensor.name);
    row.col(|ui| {
        let response = ui.add(Label::new(RichText::new(&tensor.name).monospace()).truncate());
        if tensor.name != tensor.stored_name {
            response.on_hover_text(format!("{} in the model's files", tensor.stored_name));
        }
    });
    row.col(|ui| {
        let shape: Vec<String> = tensor.shape.iter().map(u64::to_string).collect();
        ui.monospace(shape.join(" × ")).on_hover_text(format!("{} weights", units::grouped(tensor.weights())));
    });
    if columns.contains(&Column::Stored) {
        row.col(|ui| {
            let name = stored(tensor).map_or("computed", |format| format.name);
            ui.label(RichText::new(name).monospace().color(theme::palette(ui).muted));
        });
    }
    row.col(|ui| {
        let colours = theme::palette(ui);
        match fallback {
            None => ui.monospace(planned.format.name).on_hover_text(planned.format.about),
            Some(fallback) => ui
                .label(RichText::new(format!("{} *", planned.format)).monospace().color(colours.warn))
                .on_hover_text(format!("Instead of {}, because {}.", fallback.wanted, fallback.reason())),
        };
    });
    row.col(|ui| {
        right(ui, |ui| ui.monospace(units::grouped(planned.bytes)).on_hover_text(units::bytes(planned.bytes)));
    });
    if let Some(errors) = &opened.errors {
        row.col(|ui| right(ui, |ui| error(ui, errors, index)));
    }
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

fn right<R>(ui: &mut Ui, add: impl FnOnce(&mut Ui) -> R) -> R {
    ui.with_layout(Layout::right_to_left(Align::Center), add).inner
}
