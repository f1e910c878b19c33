//! The importance matrix in use, or the way to one.

use crate::gui::action::Action;
use crate::gui::state::{Opened, State, file_name};
use crate::gui::theme;
use crate::gui::widgets::{chip, explain};
use crate::imatrix::Imatrix;
use crate::units;
use egui::accesskit::Role;
use egui::{Align, Label, Layout, RichText, Spinner, Ui, WidgetInfo, vec2};

pub(super) fn show(ui: &mut Ui, state: &State, opened: &Opened, actions: &mut Vec<Action>) {
    let size = vec2(ui.available_width(), theme::ROW);
    ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), |ui| {
        ui.label(RichText::new("Importance matrix").text_style(theme::value()));
        if let Some(reading) = &state.reading {
            ui.add(Spinner::new().size(4.0 * theme::GRID));
            let text = format!("Reading {}…", file_name(&reading.path));
            ui.add(Label::new(RichText::new(text).small().color(theme::palette(ui).muted)).truncate());
            return;
        }
        match &opened.choice.decision().imatrix {
            Some(imatrix) => used(ui, imatrix, actions),
            None => none(ui, actions),
        }
    });
}

fn none(ui: &mut Ui, actions: &mut Vec<Action>) {
    ui.label(RichText::new("none").small().color(theme::palette(ui).muted));
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        let action = Action::UseImatrix;
        let response = explain(ui.button("Choose file…"), &action);
        response.widget_info(|| WidgetInfo::labeled(Role::Button, true, action.label()));
        if response.clicked() {
            actions.push(action);
        }
    });
}

/// The file's name, and a cross to do without it.
fn used(ui: &mut Ui, imatrix: &Imatrix, actions: &mut Vec<Action>) {
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        chip(ui, actions, &file_name(&imatrix.path), Action::RemoveImatrix, |ui| {
            ui.label(imatrix.path.display().to_string());
            ui.weak(about(imatrix));
        });
    });
}

/// `56 tensors, 20 chunks of calibration.txt`.
fn about(imatrix: &Imatrix) -> String {
    let tensors = units::grouped(imatrix.columns.len() as u64);
    let texts = if imatrix.datasets.is_empty() { "unknown text".to_owned() } else { imatrix.datasets.join(", ") };
    format!("{tensors} tensors, {} chunks of {texts}", units::grouped(u64::from(imatrix.chunks)))
}
