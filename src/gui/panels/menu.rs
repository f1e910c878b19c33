//! The menu bar, with what is being opened at its right.

use crate::gui::action::Action;
use crate::gui::choice::Choice;
use crate::gui::selection::Select;
use crate::gui::state::{State, Target};
use crate::gui::theme;
use crate::gui::widgets::{button, menu_item};
use egui::{Align, Frame, Layout, Margin, MenuBar, Panel, Spinner, ThemePreference, Ui};

pub(super) fn show(ui: &mut Ui, state: &State, actions: &mut Vec<Action>) {
    let frame = Frame::new().fill(theme::palette(ui).panel).inner_margin(Margin::symmetric(12, 4));
    Panel::top("menu").frame(frame).show(ui, |ui| {
        MenuBar::new().ui(ui, |ui| {
            ui.menu_button("File", |ui| file(ui, state, actions));
            ui.menu_button("Edit", |ui| edit(ui, state, actions));
            ui.menu_button("View", |ui| view(ui, state, actions));
            ui.menu_button("Help", |ui| menu_item(ui, actions, Action::ShowShortcuts, true));
            if let Some(opening) = &state.opening {
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    button(ui, actions, Action::Cancel);
                    ui.label(format!("Opening {}…", opening.target.name()));
                    ui.add(Spinner::new().size(4.0 * theme::GRID));
                });
            }
        });
    });
}

fn file(ui: &mut Ui, state: &State, actions: &mut Vec<Action>) {
    menu_item(ui, actions, Action::OpenFolder, true);
    menu_item(ui, actions, Action::OpenFile, true);
    menu_item(ui, actions, Action::Open(Target::Sample), true);
    menu_item(ui, actions, Action::ChooseAdapter, true);
    // The engine does one thing at a time, and a download can take hours.
    let is_free = state.packing.is_none() && state.verifying.is_none() && state.inquiring().is_none();
    menu_item(ui, actions, Action::Download, is_free);
    ui.separator();
    let can_pack = state.opened.is_some() && state.packing.is_none();
    menu_item(ui, actions, Action::SaveAs, can_pack);
    menu_item(ui, actions, Action::Pack, can_pack);
    menu_item(ui, actions, Action::CompareWith, state.opened.is_some());
    menu_item(ui, actions, Action::Cancel, state.packing.is_some() || state.opening.is_some());
    ui.separator();
    menu_item(ui, actions, Action::Quit, true);
}

fn edit(ui: &mut Ui, state: &State, actions: &mut Vec<Action>) {
    let choice = state.opened.as_ref().map(|opened| &opened.choice);
    menu_item(ui, actions, Action::Undo, choice.is_some_and(Choice::can_undo));
    menu_item(ui, actions, Action::Redo, choice.is_some_and(Choice::can_redo));
    ui.separator();
    menu_item(ui, actions, Action::Select(Select::Shown), choice.is_some());
    let is_selected = state.opened.as_ref().is_some_and(|opened| !opened.table.selection.tensors.is_empty());
    menu_item(ui, actions, Action::Select(Select::Nothing), is_selected);
    ui.separator();
    menu_item(ui, actions, Action::UseImatrix, choice.is_some());
    let has_imatrix = choice.is_some_and(|choice| choice.decision().imatrix.is_some());
    menu_item(ui, actions, Action::RemoveImatrix, has_imatrix);
    menu_item(ui, actions, Action::ResetTypes, choice.is_some_and(|choice| !choice.decision().picks.is_empty()));
}

fn view(ui: &mut Ui, state: &State, actions: &mut Vec<Action>) {
    for preference in [ThemePreference::System, ThemePreference::Light, ThemePreference::Dark] {
        let action = Action::Theme(preference);
        let chosen = ui.ctx().options(|options| options.theme_preference) == preference;
        if ui.selectable_label(chosen, action.label()).clicked() {
            actions.push(action);
            ui.close();
        }
    }
    ui.separator();
    menu_item(ui, actions, Action::ToggleTheme, true);
    menu_item(ui, actions, Action::FocusFilter, state.opened.is_some());
}
