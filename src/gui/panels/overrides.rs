//! Types of their own for tensors whose name matches a pattern.

use crate::gui::action::Action;
use crate::gui::state::Opened;
use crate::gui::theme;
use crate::gui::widgets::{Field, button, cross, field};
use egui::{Align, Layout, RichText, TextStyle, Ui};

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
            let looks = Field {
                id: ui.scope_id().with(("override", index)),
                label: &format!("Override {}", index + 1),
                hint: "pattern=TYPE, such as attn_v=Q8_0",
                style: TextStyle::Monospace,
                width: f32::INFINITY,
            };
            if let (_, Some(text)) = field(ui, &line.text, looks) {
                actions.push(Action::EditOverride(index, text));
            }
        });
        if let Some(problem) = &line.problem {
            ui.label(RichText::new(problem).small().color(colours.error));
        }
    }
}
