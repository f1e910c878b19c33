//! The metadata tab: what is wrong, then every key with its value, or the chat template.

mod findings;
mod keys;
mod template;

use crate::gui::action::Action;
use crate::gui::metadata::Page;
use crate::gui::state::Opened;
use crate::gui::theme;
use crate::gui::widgets::choice;
use egui::Ui;

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
