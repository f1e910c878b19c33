//! The cache tab: how much of a text is kept and in how many bytes, what each way loses, and the best in a budget.

mod controls;
mod rows;

use crate::checkpoint::Kind;
use crate::gui::action::Action;
use crate::gui::state::Opened;
use crate::gui::theme;
use egui::{RichText, Ui};

pub(super) fn show(ui: &mut Ui, opened: &Opened, actions: &mut Vec<Action>) {
    if opened.model.kind == Kind::Adapter {
        ui.add_space(theme::APART);
        let text = "An adapter by itself keeps no keys and values. Merge it into its model to see what that keeps.";
        ui.vertical_centered(|ui| ui.label(RichText::new(text).color(theme::palette(ui).muted)));
        return;
    }
    controls::show(ui, opened, actions);
    ui.add_space(theme::GRID);
    rows::show(ui, &opened.keeping, actions);
}
