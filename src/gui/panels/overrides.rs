//! Types of their own for tensors whose name matches a pattern.

use crate::gui::action::Action;
use crate::gui::state::Opened;
use crate::gui::theme;
use crate::gui::widgets::{button, cross};
use egui::{Align, FontSelection, Layout, RichText, TextEdit, TextStyle, Ui};

pub(super) fn show(ui: &mut Ui, opened: &Opened, actions: &mut Vec<Action>) {
    let colours = theme::palette(ui);
    ui.horizontal(|ui| {
        ui.label(RichText::new("Overrides").text_style(theme::value()));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| button(ui, actions, Action::AddOverride));
    });
    if opened.choice.overrides.is_empty() {
        ui.label(RichText::new("None. All tensors follow the type.").small().color(colours.muted));
    }
    for (index, line) in opened.choice.overrides.iter().enumerate() {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.set_height(theme::ROW);
            cross(ui, actions, Action::RemoveOverride(index));
            let mut text = line.text.clone();
            let edit = TextEdit::singleline(&mut text)
                .id(ui.scope_id().with(("override", index)))
                .hint_text("pattern=TYPE, such as attn_v=Q8_0")
                .font(FontSelection::Style(TextStyle::Monospace))
                .desired_width(f32::INFINITY);
            let response = ui.add(edit);
            if response.changed() {
                actions.push(Action::EditOverride(index, text));
            }
        });
        if let Some(problem) = &line.problem {
            ui.label(RichText::new(problem).small().color(colours.error));
        }
    }
}
