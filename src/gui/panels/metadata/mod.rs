//! The metadata tab: what is wrong, then every key with its value, or the chat template.

mod findings;
mod keys;
mod template;

use crate::gui::action::Action;
use crate::gui::metadata::Page;
use crate::gui::state::Opened;
use crate::gui::theme;
use egui::{Button, Ui};

pub(super) use keys::filter;
pub(in crate::gui) use keys::value_id;

pub(super) fn show(ui: &mut Ui, opened: &Opened, actions: &mut Vec<Action>) {
    findings::show(ui, opened, actions);
    ui.horizontal(|ui| {
        for page in Page::ALL {
            choice(ui, opened.sheet.page == page, Action::Turn(page), actions);
        }
        if opened.sheet.page == Page::Template {
            template::buttons(ui, opened, actions);
        }
    });
    ui.add_space(theme::GRID);
    match opened.sheet.page {
        Page::Keys => keys::show(ui, opened, actions),
        Page::Template => template::show(ui, opened, actions),
    }
}

/// One of a few to choose from.
fn choice(ui: &mut Ui, is_chosen: bool, action: Action, actions: &mut Vec<Action>) {
    let colours = theme::palette(ui);
    let fill = if is_chosen { colours.selected } else { colours.window };
    let line = if is_chosen { colours.accent } else { colours.border };
    let response = ui.add(Button::selectable(is_chosen, action.label()).fill(fill).stroke((1.0, line)));
    if response.clicked() {
        actions.push(action);
    }
}
