//! The fit tab: how the model is run, the largest type for a machine, and machines with what the model takes of them.

mod bars;
mod controls;
mod rows;

pub(super) use controls::find;

use crate::checkpoint::Kind;
use crate::gui::action::Action;
use crate::gui::state::{Opened, State};
use crate::gui::theme;
use egui::{RichText, ScrollArea, Spinner, Ui};

pub(super) fn show(ui: &mut Ui, state: &State, opened: &Opened, actions: &mut Vec<Action>) {
    let fitting = &state.fit;
    let Some(hardware) = &fitting.hardware else {
        ui.horizontal(|ui| {
            ui.add(Spinner::new().size(4.0 * theme::GRID));
            ui.label(RichText::new("Looking what this machine has…").color(theme::palette(ui).muted));
        });
        return;
    };
    controls::show(ui, fitting, opened, actions);
    controls::question(ui, fitting, hardware, actions);
    controls::found(ui, fitting, hardware, actions);
    ui.add_space(theme::GRID);
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        // Beside the scroll bar.
        ui.set_width(ui.available_width() - theme::NEAR);
        ui.spacing_mut().item_spacing.y = theme::GRID;
        for (at, row) in fitting.rows.iter().enumerate() {
            let is_this = at == 0 && hardware.this.is_some();
            rows::show(ui, row, is_this, opened.model.kind != Kind::Adapter, actions);
        }
    });
}
