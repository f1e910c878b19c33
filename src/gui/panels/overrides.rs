//! Where tensors depart from the recipe: those chosen in the table, and those whose name matches a pattern.

use crate::gui::action::Action;
use crate::gui::state::Opened;
use crate::gui::theme;
use crate::gui::widgets::{Field, button, cross, field};
use crate::units;
use egui::{Align, Layout, RichText, TextStyle, Ui};

pub(super) fn show(ui: &mut Ui, opened: &Opened, actions: &mut Vec<Action>) {
    let colours = theme::palette(ui);
    let decision = opened.choice.decision();
    ui.horizontal(|ui| {
        ui.label(RichText::new("Overrides").text_style(theme::value()));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| button(ui, actions, Action::AddPattern));
    });
    if decision.picks.is_empty() && decision.patterns.is_empty() {
        ui.label(RichText::new("None. All tensors follow the type.").small().color(colours.muted));
    }
    if !decision.picks.is_empty() {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.set_height(theme::ROW);
            cross(ui, actions, Action::ResetTypes);
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                let text = match decision.picks.len() {
                    1 => "1 tensor has a type of its own".to_owned(),
                    n => format!("{} tensors have a type of their own", units::grouped(n as u64)),
                };
                ui.label(text);
            });
        });
    }
    for (index, (text, problem)) in decision.patterns.iter().zip(&opened.choice.problems).enumerate() {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.set_height(theme::ROW);
            cross(ui, actions, Action::RemovePattern(index));
            let looks = Field {
                id: ui.scope_id().with(("pattern", index)),
                label: &format!("Pattern {}", index + 1),
                hint: "pattern=TYPE, such as attn_v=Q8_0",
                style: TextStyle::Monospace,
                width: f32::INFINITY,
            };
            if let (_, Some(text)) = field(ui, text, looks) {
                actions.push(Action::EditPattern(index, text));
            }
        });
        if let Some(problem) = problem {
            ui.label(RichText::new(problem).small().color(colours.error));
        }
    }
}
