//! The prompt tab: a prompt and its question, what is kept of it, and what that does to the answer.

mod controls;
mod effect;
mod text;

use crate::checkpoint::Kind;
use crate::gui::action::Action;
use crate::gui::state::{Opened, State};
use crate::gui::theme;
use egui::{RichText, Ui, UiBuilder};

/// With room for the prompt and its effect side by side.
const WIDE: f32 = 760.0;
/// The part of it that the prompt takes.
const TEXT: f32 = 0.58;

pub(super) fn show(ui: &mut Ui, state: &State, opened: &Opened, actions: &mut Vec<Action>) {
    if opened.model.kind == Kind::Adapter {
        ui.add_space(theme::APART);
        let text = "An adapter by itself reads no prompts. Merge it into its model to shorten some for that.";
        ui.vertical_centered(|ui| ui.label(RichText::new(text).color(theme::palette(ui).muted)));
        return;
    }
    let prompting = &opened.prompting;
    controls::show(ui, prompting, actions);
    ui.add_space(theme::GRID);
    if prompting.is_editing {
        return text::edit(ui, prompting, actions);
    }
    let all = ui.available_rect_before_wrap();
    let (mut first, mut second) = match all.width() >= WIDE {
        true => all.split_left_right_at_fraction(TEXT),
        false => all.split_top_bottom_at_fraction(TEXT),
    };
    match all.width() >= WIDE {
        true => (first.max.x, second.min.x) = (first.max.x - theme::NEAR, second.min.x + theme::NEAR),
        false => (first.max.y, second.min.y) = (first.max.y - theme::GRID, second.min.y + theme::GRID),
    }
    ui.scope_builder(UiBuilder::new().max_rect(first), |ui| text::kept(ui, prompting));
    ui.scope_builder(UiBuilder::new().max_rect(second), |ui| effect::show(ui, state, opened));
}
