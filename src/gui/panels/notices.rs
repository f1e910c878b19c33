//! Warnings: things to know that stopped nothing.

use crate::gui::action::Action;
use crate::gui::theme;
use crate::gui::widgets::cross;
use egui::{Align, Frame, Layout, Margin, Panel, RichText, Ui};

pub(super) fn show(ui: &mut Ui, warnings: &[String], actions: &mut Vec<Action>) {
    if warnings.is_empty() {
        return;
    }
    let colours = theme::palette(ui);
    let frame = Frame::new().fill(colours.raised).inner_margin(Margin::symmetric(20, 6));
    Panel::top("notices").frame(frame).show(ui, |ui| {
        ui.with_layout(Layout::right_to_left(Align::Min), |ui| {
            cross(ui, actions, Action::DismissWarnings);
            ui.with_layout(Layout::top_down(Align::Min), |ui| {
                ui.add_space(theme::GRID);
                for warning in warnings {
                    ui.label(RichText::new(warning).color(colours.warn));
                }
            });
        });
    });
}
