//! The window's parts, from top to bottom. Each draws a part of the state and pushes what the user asks for.

mod adapter;
mod adapters;
mod card;
mod cautions;
mod dialogs;
mod download;
mod dropping;
mod errors;
mod fallbacks;
mod fit;
mod footer;
mod formats;
mod heat_map;
mod importance;
mod kv;
mod menu;
mod metadata;
mod notices;
mod overrides;
mod pack_bar;
mod pre_tokenizer;
mod prompt;
mod pruning;
mod quality;
mod result;
mod side;
mod size;
mod tabs;
mod tensors;
mod type_row;
mod types;
mod welcome;

pub(super) use metadata::value_id;
pub(super) use tensors::filter_id;

use super::action::Action;
use super::state::State;
use super::theme;
use egui::{Align, CentralPanel, Frame, Layout, Ui};

/// Draws the whole window.
pub(super) fn show(ui: &mut Ui, state: &State, actions: &mut Vec<Action>) {
    menu::show(ui, state, actions);
    notices::show(ui, &state.warnings, actions);
    match &state.opened {
        None => welcome::show(ui, state, actions),
        Some(opened) => {
            card::show(ui, &opened.model);
            pack_bar::show(ui, state, opened, actions);
            cautions::show(ui, opened, actions);
            side::show(ui, state, opened, actions);
            let frame = Frame::new().fill(theme::palette(ui).window).inner_margin(theme::MARGIN);
            CentralPanel::default().frame(frame).show(ui, |ui| tabs::show(ui, state, opened, actions));
        }
    }
    if let Some(dialog) = &state.dialog {
        dialogs::show(ui.ctx(), state, dialog, actions);
    }
    dropping::show(ui, state);
}

/// The frame of bars and side panels.
fn panel_frame(ui: &Ui) -> Frame {
    Frame::new().fill(theme::palette(ui).panel).inner_margin(theme::MARGIN)
}

/// A group of things, with room below.
fn card(ui: &mut Ui, add: impl FnOnce(&mut Ui)) {
    let colours = theme::palette(ui);
    Frame::new().fill(colours.panel).corner_radius(theme::CARD_ROUND).inner_margin(theme::CARD_MARGIN).show(ui, |ui| {
        ui.set_width(ui.available_width());
        // Columns would justify every text.
        ui.with_layout(Layout::top_down(Align::Min), add);
    });
    ui.add_space(theme::GRID);
}

/// A capital letter at the beginning, and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.trim_end_matches('.').chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).chain(['.']).collect())
}
