//! Things to know that stopped nothing: warnings, and what was noticed as the model was opened.

use super::sentence;
use crate::gui::action::Action;
use crate::gui::state::State;
use crate::gui::theme;
use crate::gui::widgets::cross;
use egui::{Align, Frame, Label, Layout, Margin, Panel, RichText, ScrollArea, Ui};

/// Before they scroll.
const HEIGHT: f32 = 4.0 * theme::LINE;

pub(super) fn show(ui: &mut Ui, state: &State, actions: &mut Vec<Action>) {
    let colours = theme::palette(ui);
    let shown = state.opened.as_ref().filter(|opened| opened.shows_notes);
    let notes = shown.into_iter().flat_map(|opened| &opened.model.notes).map(|note| (sentence(note), colours.text));
    let warnings = state.warnings.iter().map(|warning| (warning.clone(), colours.warn));
    let lines: Vec<_> = warnings.chain(notes).collect();
    if lines.is_empty() {
        return;
    }
    let frame = Frame::new().fill(colours.raised).inner_margin(Margin::symmetric(20, 6));
    Panel::top("notices").frame(frame).show(ui, |ui| {
        ui.with_layout(Layout::right_to_left(Align::Min), |ui| {
            cross(ui, actions, Action::DismissWarnings);
            ui.with_layout(Layout::top_down(Align::Min), |ui| {
                ui.add_space(theme::GRID);
                ScrollArea::vertical().max_height(HEIGHT).auto_shrink([false, true]).show(ui, |ui| {
                    ui.spacing_mut().item_spacing.y = theme::GRID;
                    for (text, colour) in lines {
                        ui.add(Label::new(RichText::new(text).color(colour)).wrap().selectable(true));
                    }
                });
            });
        });
    });
}
