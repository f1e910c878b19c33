//! Under the table: how many rows there are, which are chosen, and what to do with them.

use super::formats;
use crate::gui::action::Action;
use crate::gui::selection::Select;
use crate::gui::state::Opened;
use crate::gui::theme;
use crate::gui::widgets::{button, cross};
use crate::units;
use egui::{Align, Frame, Label, Layout, Margin, Panel, RichText, Ui};

pub(super) fn show(ui: &mut Ui, opened: &Opened, actions: &mut Vec<Action>) {
    let frame = Frame::new().inner_margin(Margin { top: theme::NEAR as i8, ..Margin::ZERO });
    Panel::bottom("selection").frame(frame).show_separator_line(false).show(ui, |ui| {
        let chosen = &opened.table.selection.tensors;
        ui.set_height(theme::ROW);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if !chosen.is_empty() {
                cross(ui, actions, Action::Select(Select::Nothing));
                let response =
                    ui.button("Change type…").on_hover_text("Give the selected tensors a type of their own.");
                formats::menu(&response, opened, actions);
                if chosen.iter().any(|index| opened.choice.decision().picks.contains_key(index)) {
                    button(ui, actions, Action::GiveType(None));
                }
            }
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                let text = RichText::new(summary(opened)).small().color(theme::palette(ui).muted);
                ui.add(Label::new(text).truncate());
            });
        });
    });
}

/// `8 of 74 tensors · 3 selected, 1.21 MB`.
fn summary(opened: &Opened) -> String {
    let number = |n: usize| units::grouped(n as u64);
    let (shown, all) = (opened.table.rows.len(), opened.model.tensors.len());
    let count = if shown == all { number(all) } else { format!("{} of {}", number(shown), number(all)) };
    let chosen = &opened.table.selection.tensors;
    if chosen.is_empty() {
        return format!("{count} tensors");
    }
    let bytes = chosen.iter().map(|index| opened.choice.plan.tensors[*index].bytes).sum();
    format!("{count} tensors · {} selected, {}", number(chosen.len()), units::bytes(bytes))
}
