//! A line of text, and several.

use crate::gui::theme;
use egui::{Align, FontSelection, Id, Layout, Response, RichText, TextEdit, TextStyle, Ui, vec2};

/// What a text field is like.
pub(in crate::gui) struct Field<'a> {
    /// To move the focus to it.
    pub(in crate::gui) id: Id,
    /// What a screen reader calls it.
    pub(in crate::gui) label: &'a str,
    /// Shown while it is empty.
    pub(in crate::gui) hint: &'a str,
    pub(in crate::gui) style: TextStyle,
    pub(in crate::gui) width: f32,
}

/// Several lines of text, as [`field`] has one.
pub(in crate::gui) fn text_area(ui: &mut Ui, text: &str, field: Field<'_>, lines: usize) -> (Response, Option<String>) {
    let mut edited = text.to_owned();
    let edit = TextEdit::multiline(&mut edited)
        .id(field.id)
        .hint_text(field.hint)
        .font(FontSelection::Style(field.style))
        .desired_rows(lines)
        .desired_width(field.width);
    let response = ui.add(edit);
    ui.ctx().accesskit_node_builder(response.id, |node| node.set_label(field.label));
    let changed = response.changed().then_some(edited);
    (response, changed)
}

/// Edits a copy of `text`; returns the new one where it changed.
pub(in crate::gui) fn field(ui: &mut Ui, text: &str, field: Field<'_>) -> (Response, Option<String>) {
    let mut edited = text.to_owned();
    let edit = TextEdit::singleline(&mut edited)
        .id(field.id)
        .hint_text(field.hint)
        .font(FontSelection::Style(field.style))
        .desired_width(field.width);
    let response = ui.add(edit);
    ui.ctx().accesskit_node_builder(response.id, |node| node.set_label(field.label));
    let changed = response.changed().then_some(edited);
    (response, changed)
}

/// Of the labels before the fields of a form.
const LABEL_WIDTH: f32 = 84.0;

/// A line of a form: what `add` draws, behind a label.
pub(in crate::gui) fn labelled(ui: &mut Ui, label: &str, add: impl FnOnce(&mut Ui)) {
    let size = vec2(ui.available_width(), theme::ROW);
    ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), |ui| {
        let left = ui.cursor().left();
        ui.label(RichText::new(label).color(theme::palette(ui).muted));
        ui.add_space(left + LABEL_WIDTH - ui.cursor().left());
        add(ui);
    });
}
