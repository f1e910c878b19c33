//! The quality tab: what is measured and on what, the figures with their charts, and answers side by side.

mod answers;
mod charts;
mod controls;
mod figures;
mod points;

use crate::checkpoint::Kind;
use crate::gui::action::Action;
use crate::gui::quality::View;
use crate::gui::state::{Opened, State};
use crate::gui::theme;
use egui::{Align, Frame, Layout, RichText, Ui};

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
    }
}

fn card(ui: &mut Ui, add: impl FnOnce(&mut Ui)) {
    let colours = theme::palette(ui);
    Frame::new().fill(colours.panel).corner_radius(theme::CARD_ROUND).inner_margin(theme::CARD_MARGIN).show(ui, |ui| {
        ui.set_width(ui.available_width());
        // Columns would justify every text.
        ui.with_layout(Layout::top_down(Align::Min), add);
    });
}
