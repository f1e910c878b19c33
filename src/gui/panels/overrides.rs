//! Where tensors depart from the recipe: those chosen in the table, and those whose name matches a pattern.

use crate::gui::action::Action;
use crate::gui::state::Opened;
use crate::gui::theme;
use crate::gui::widgets::{Field, button, cross, field};
use crate::units;
use egui::{Align, Layout, RichText, ScrollArea, TextStyle, Ui, vec2};

/// Of the list, before it scrolls.
const HEIGHT: f32 = 3.0 * (theme::ROW + theme::NEAR);

pub(super) fn show(ui: &mut Ui, opened: &Opened, actions: &mut Vec<Action>) {
    let decision = opened.choice.decision();
    ui.horizontal(|ui| {
        ui.label(RichText::new("Overrides").text_style(theme::value()));
        if decision.picks.is_empty() && decision.patterns.is_empty() {
            ui.label(RichText::new("none").small().color(theme::palette(ui).muted));
        }
        if decision.size.is_some() && !(decision.picks.is_empty() && decision.patterns.is_empty()) {
            let text = RichText::new("the mix goes around them").small();
            ui.label(text.color(theme::palette(ui).muted));
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| button(ui, actions, Action::AddPattern));
    });
    if decision.picks.is_empty() && decision.patterns.is_empty() {
        return;
    }
    ScrollArea::vertical().max_height(HEIGHT).min_scrolled_height(HEIGHT).show(ui, |ui| {
        if !decision.picks.is_empty() {
            picks(ui, decision.picks.len(), actions);
        }
        for index in 0..decision.patterns.len() {
            pattern(ui, opened, index, actions);
        }
    });
}

/// From right to left.
fn row(ui: &mut Ui, add: impl FnOnce(&mut Ui)) {
    let size = vec2(ui.available_width(), theme::ROW);
    ui.allocate_ui_with_layout(size, Layout::right_to_left(Align::Center), add);
}

fn picks(ui: &mut Ui, count: usize, actions: &mut Vec<Action>) {
    row(ui, |ui| {
        cross(ui, actions, Action::ResetTypes);
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
            ui.label(match count {
                1 => "1 tensor has a type of its own".to_owned(),
                n => format!("{} tensors have a type of their own", units::grouped(n as u64)),
            });
        });
    });
}

fn pattern(ui: &mut Ui, opened: &Opened, index: usize, actions: &mut Vec<Action>) {
    row(ui, |ui| {
        cross(ui, actions, Action::RemovePattern(index));
        let looks = Field {
            id: ui.scope_id().with(("pattern", index)),
            label: &format!("Pattern {}", index + 1),
            hint: "pattern=TYPE, such as attn_v=Q8_0",
            style: TextStyle::Monospace,
            width: f32::INFINITY,
        };
        if let (_, Some(text)) = field(ui, &opened.choice.decision().patterns[index], looks) {
            actions.push(Action::EditPattern(index, text));
        }
    });
    if let Some(problem) = &opened.choice.problems[index] {
        ui.label(RichText::new(problem).small().color(theme::palette(ui).error));
    }
}
