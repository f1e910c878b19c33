//! The quality tab: what is measured and on what, the figures with their charts, and answers side by side.

mod adapters;
mod answers;
mod charts;
mod controls;
mod figures;
mod points;

pub(super) use charts::{chart, power, round, whole};
pub(super) use controls::combo;
pub(super) use points::LEAST;

use super::card;
use crate::checkpoint::Kind;
use crate::gui::action::Action;
use crate::gui::quality::View;
use crate::gui::state::{Opened, State};
use crate::gui::theme;
use egui::{RichText, Ui};

pub(super) fn show(ui: &mut Ui, state: &State, opened: &Opened, actions: &mut Vec<Action>) {
    if opened.model.kind == Kind::Adapter {
        ui.add_space(theme::APART);
        let text = "An adapter by itself predicts nothing. Merge it into its model to measure that.";
        ui.vertical_centered(|ui| ui.label(RichText::new(text).color(theme::palette(ui).muted)));
        return;
    }
    controls::show(ui, opened, actions);
    ui.add_space(theme::GRID);
    match opened.quality.view {
        View::Figures => figures::show(ui, opened, actions),
        View::Answers => answers::show(ui, state, opened, actions),
        View::Adapters => adapters::show(ui, opened, actions),
    }
}
