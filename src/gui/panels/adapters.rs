//! The LoRA adapters that are merged into the model, and the way to more.

use crate::gui::action::Action;
use crate::gui::state::Opened;
use crate::gui::theme;
use crate::gui::widgets::{chip, explain};
use crate::model::Merged;
use crate::units;
use egui::accesskit::Role;
use egui::{Align, Layout, RichText, Ui, WidgetInfo, vec2};

pub(super) fn show(ui: &mut Ui, opened: &Opened, actions: &mut Vec<Action>) {
    let adapters = &opened.model.adapters;
    line(ui, |ui| {
        ui.label(RichText::new("LoRA adapters").text_style(theme::value()));
        if adapters.is_empty() {
            ui.label(RichText::new("none").small().color(theme::palette(ui).muted));
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let action = Action::ChooseAdapter;
            let response = explain(ui.button("Choose folder…"), &action);
            response.widget_info(|| WidgetInfo::labeled(Role::Button, true, action.label()));
            if response.clicked() {
                actions.push(action);
            }
        });
    });
    for (place, merged) in adapters.iter().enumerate() {
        line(ui, |ui| {
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                chip(ui, actions, &name(merged), Action::RemoveAdapter(place), |ui| {
                    ui.label(merged.choice.path.display().to_string());
                    let tensors = units::grouped(merged.tensors as u64);
                    ui.weak(format!("{}; changes {tensors} tensors", merged.about));
                });
            });
        });
    }
}

fn line(ui: &mut Ui, add: impl FnOnce(&mut Ui)) {
    let size = vec2(ui.available_width(), theme::ROW);
    ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), add);
}

/// `my-adapter`, or `my-adapter × 0.5`.
fn name(merged: &Merged) -> String {
    match merged.choice.scale {
        1.0 => merged.name.clone(),
        scale => format!("{} × {scale}", merged.name),
    }
}
