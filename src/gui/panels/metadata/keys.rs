//! Every key with its value; the usual ones can be edited in their place. Only the rows in sight are drawn.

use crate::gui::action::Action;
use crate::gui::metadata::{Editing, Page, Row};
use crate::gui::state::Opened;
use crate::gui::theme;
use crate::gui::widgets::{Field, button, cross, field, text_area};
use crate::model::{Usual, UsualKind};
use egui::accesskit::Role;
use egui::{Align, Id, Key, Label, Layout, RichText, Sense, TextStyle, Ui, UiBuilder, WidgetInfo, vec2};
use egui_extras::{Column as Width, TableBuilder};

/// With room for the column of types, and for the keys beside the labels.
const WIDE: f32 = 640.0;
/// Of the first column, as a share of the table.
const SHARE: f32 = 0.42;
const TYPE_WIDTH: f32 = 64.0;
/// Lines of a long text while it is edited.
const LINES: usize = 5;

/// Of the text field that a value is typed into, for the focus to go there.
pub(in crate::gui) fn value_id(usual: &Usual) -> Id {
    Id::unique(("metadata value", usual.option))
}

/// The filter's text field, at the right of the tabs.
pub(in crate::gui::panels) fn filter(ui: &mut Ui, opened: &Opened, actions: &mut Vec<Action>) {
    if opened.sheet.page != Page::Keys {
        return;
    }
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        let looks = Field {
            id: Id::unique("metadata filter"),
            label: "Filter metadata",
            hint: "Filter metadata",
            style: TextStyle::Body,
            width: ui.available_width().min(180.0) - theme::NEAR,
        };
        let (_, changed) = field(ui, &opened.sheet.filter, looks);
        actions.extend(changed.map(Action::FilterMetadata));
    });
}

pub(super) fn show(ui: &mut Ui, opened: &Opened, actions: &mut Vec<Action>) {
    let sheet = &opened.sheet;
    if sheet.rows.is_empty() {
        ui.add_space(theme::APART);
        let text = format!("Nothing has “{}” in its key or value.", sheet.filter.trim());
        ui.vertical_centered(|ui| ui.label(RichText::new(text).color(theme::palette(ui).muted)));
        return;
    }
    ui.spacing_mut().item_spacing.y = 0.0;
    let is_wide = ui.available_width() >= WIDE;
    let first = (ui.available_width() * SHARE).min(420.0);
    let mut table = TableBuilder::new(ui)
        .striped(true)
        .cell_layout(Layout::left_to_right(Align::Center))
        .auto_shrink(false)
        .column(Width::exact(first).clip(true))
        .column(Width::remainder().clip(true));
    if is_wide {
        table = table.column(Width::exact(TYPE_WIDTH));
    }
    let heights = sheet.rows.iter().map(|row| height(row, sheet.editing.as_ref()));
    table.body(|body| {
        body.heterogeneous_rows(heights, |mut table_row| {
            let row = &sheet.rows[table_row.index()];
            table_row.col(|ui| name(ui, row, is_wide));
            table_row.col(|ui| match edited(row, sheet.editing.as_ref()) {
                Some(editing) => edit(ui, editing, actions),
                None => value(ui, row, actions),
            });
            if is_wide {
                table_row.col(|ui| {
                    ui.label(RichText::new(&row.kind).small().monospace().color(theme::palette(ui).muted));
                });
            }
        });
    });
}

/// The editing of this row, if it is the one.
fn edited<'e>(row: &Row, editing: Option<&'e Editing>) -> Option<&'e Editing> {
    editing.filter(|editing| row.usual == Some(editing.usual))
}

fn height(row: &Row, editing: Option<&Editing>) -> f32 {
    match edited(row, editing) {
        None => theme::LINE,
        Some(editing) => {
            let lines = if editing.usual.kind == UsualKind::Text { LINES } else { 1 };
            let problem = if editing.problem.is_some() { 2.0 * theme::LINE } else { 0.0 };
            theme::ROW + (lines - 1) as f32 * 4.5 * theme::GRID + theme::GRID + problem
        }
    }
}

/// A label with the key behind it, or the key alone.
fn name(ui: &mut Ui, row: &Row, is_wide: bool) {
    let colours = theme::palette(ui);
    let Some(usual) = row.usual else {
        ui.add(Label::new(RichText::new(&row.key).monospace().color(colours.text)).truncate()).on_hover_text(&row.key);
        return;
    };
    let label = ui.label(RichText::new(usual.label).color(colours.text));
    if is_wide {
        ui.add(Label::new(RichText::new(&row.key).small().monospace().color(colours.muted)).truncate());
    } else {
        label.on_hover_text(&row.key);
    }
}

fn value(ui: &mut Ui, row: &Row, actions: &mut Vec<Action>) {
    let colours = theme::palette(ui);
    let muted = RichText::new("not set").color(colours.muted);
    let text = row.value.as_ref().map_or(muted, |value| RichText::new(value).color(colours.text));
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        if row.is_changed {
            changed(ui, row, actions);
        }
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
            let Some(usual) = row.usual else {
                let response = ui.add(Label::new(text.monospace()).truncate().selectable(true));
                response.on_hover_text(row.value.as_deref().unwrap_or_default());
                return;
            };
            let action = match usual.kind {
                UsualKind::Template => Action::Turn(Page::Template),
                _ => Action::EditValue(usual),
            };
            // The text keeps the place that it has in a row that cannot be edited.
            let size = vec2(ui.available_width(), theme::LINE - theme::GRID);
            let (rect, response) = ui.allocate_exact_size(size, Sense::click());
            let label = Label::new(text).truncate().selectable(false).sense(Sense::hover());
            let layout = Layout::left_to_right(Align::Center);
            ui.scope_builder(UiBuilder::new().max_rect(rect).layout(layout), |ui| ui.add(label));
            if response.hovered() || response.has_focus() {
                let frame = rect.expand2(vec2(theme::GRID, 1.0));
                let painter = ui.painter().with_clip_rect(ui.clip_rect().expand(theme::GRID));
                painter.rect_stroke(frame, theme::ROUND, (1.0, colours.used), egui::StrokeKind::Inside);
            }
            let spoken = format!("Edit {}: {}", usual.label, row.value.as_deref().unwrap_or("not set"));
            response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &spoken));
            if response.on_hover_text("Click to change it.").clicked() {
                actions.push(action);
            }
        });
    });
}

/// A dot that says so, and the way back.
fn changed(ui: &mut Ui, row: &Row, actions: &mut Vec<Action>) {
    cross(ui, actions, Action::RestoreValue(row.key.clone()));
    let (rect, response) = ui.allocate_exact_size(vec2(theme::NEAR, theme::NEAR), Sense::hover());
    ui.painter().circle_filled(rect.center(), 3.0, theme::palette(ui).accent);
    response.on_hover_text("You changed it.");
}

fn edit(ui: &mut Ui, editing: &Editing, actions: &mut Vec<Action>) {
    let colours = theme::palette(ui);
    ui.vertical(|ui| {
        ui.spacing_mut().item_spacing.y = theme::GRID / 2.0;
        ui.horizontal_top(|ui| {
            ui.with_layout(Layout::right_to_left(Align::Min), |ui| {
                button(ui, actions, Action::LeaveValue);
                button(ui, actions, Action::SetValue);
                ui.with_layout(Layout::left_to_right(Align::Min), |ui| typed(ui, editing, actions));
            });
        });
        if let Some(problem) = &editing.problem {
            ui.add(Label::new(RichText::new(problem).small().color(colours.error)).wrap());
        }
    });
}

/// The text field. Enter sets the value, but for a text of several lines.
fn typed(ui: &mut Ui, editing: &Editing, actions: &mut Vec<Action>) {
    let hint = match editing.usual.kind {
        UsualKind::Token => "an id, or the token's text",
        UsualKind::Flag => "yes or no",
        UsualKind::Count => "a number",
        _ => "",
    };
    let looks = Field {
        id: value_id(editing.usual),
        label: editing.usual.label,
        hint,
        style: TextStyle::Body,
        width: f32::INFINITY,
    };
    let is_text = editing.usual.kind == UsualKind::Text;
    let (response, changed) = match is_text {
        true => text_area(ui, &editing.text, looks, LINES),
        false => field(ui, &editing.text, looks),
    };
    actions.extend(changed.map(Action::TypeValue));
    if response.lost_focus() && !is_text && ui.input(|input| input.key_pressed(Key::Enter)) {
        actions.push(Action::SetValue);
    }
}
