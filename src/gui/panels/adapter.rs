//! The dialog about a LoRA adapter: merge it into its model, or make a file of it.

use crate::gui::action::Action;
use crate::gui::adapter::AdapterForm;
use crate::gui::state::{State, file_name};
use crate::gui::theme;
use crate::gui::widgets::{Field, button, explain, field, labelled, primary};
use egui::{Align, Id, Key, Label, Layout, RichText, TextStyle, Ui, vec2};

const SCALE_WIDTH: f32 = 72.0;

pub(super) fn show(ui: &mut Ui, state: &State, form: &AdapterForm, actions: &mut Vec<Action>) {
    let colours = theme::palette(ui);
    ui.add(Label::new(RichText::new(format!("LoRA adapter {}", form.name)).heading()).truncate());
    let text = format!("This is {}. It changes a model, and is none by itself.", form.about);
    ui.add(Label::new(RichText::new(text).color(colours.muted)).wrap());
    ui.add_space(theme::NEAR);
    labelled(ui, "Model", |ui| {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            button(ui, actions, Action::ChooseBaseFile);
            button(ui, actions, Action::ChooseBaseFolder);
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| base(ui, state, form));
        });
    });
    labelled(ui, "Scale", |ui| scale(ui, form, actions));
    let problem = form.choice().err();
    if let Some(problem) = problem {
        ui.label(RichText::new(problem).small().color(colours.error));
    }
    ui.add_space(theme::NEAR);
    let lacking = form.base.is_none().then_some("Choose its model first, or drop it here.");
    let size = vec2(ui.available_width(), theme::TALL);
    ui.allocate_ui_with_layout(size, Layout::right_to_left(Align::Center), |ui| {
        let label = Action::MergeAdapter.label();
        primary(ui, actions, Action::MergeAdapter, &label, lacking.or(problem));
        let export = explain(
            ui.add_enabled(lacking.is_none(), egui::Button::new(Action::ExportAdapter.label())),
            &Action::ExportAdapter,
        );
        if export.clicked() {
            actions.push(Action::ExportAdapter);
        }
        if ui.button("Close").clicked() {
            actions.push(Action::Dismiss);
        }
    });
}

/// The opened model by its name, another by its path.
fn base(ui: &mut Ui, state: &State, form: &AdapterForm) {
    let Some(path) = &form.base else {
        let text = "Choose it, or drop it here.";
        ui.add(Label::new(RichText::new(text).color(theme::palette(ui).muted)).truncate());
        return;
    };
    let opened = state.opened.as_ref().filter(|opened| opened.source.path == *path);
    let name = opened.map_or_else(|| file_name(path), |opened| opened.model.card.name.clone());
    ui.add(Label::new(RichText::new(name).text_style(theme::value())).truncate())
        .on_hover_text(path.display().to_string());
}

fn scale(ui: &mut Ui, form: &AdapterForm, actions: &mut Vec<Action>) {
    let id = Id::unique("adapter scale");
    let looks = Field { id, label: "Scale", hint: "1", style: TextStyle::Body, width: SCALE_WIDTH };
    let (response, changed) = field(ui, &form.scale, looks);
    actions.extend(changed.map(Action::ScaleAdapter));
    if response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter)) {
        actions.push(Action::MergeAdapter);
    }
    let text = "1 is as it was trained, 0.5 half as much";
    ui.add(Label::new(RichText::new(text).small().color(theme::palette(ui).muted)).truncate());
}
