//! The dialog that fetches a model by name.

use super::pack_bar::pace;
use crate::engine::Progress;
use crate::gui::action::Action;
use crate::gui::download::{Download, Downloading};
use crate::gui::theme;
use crate::gui::widgets::{Field, Segment, bar, button, field, labelled, primary};
use crate::units;
use egui::accesskit::Role;
use egui::{Align, Id, Key, Label, Layout, RichText, ScrollArea, Sense, TextStyle, Ui, UiBuilder, WidgetInfo, vec2};

/// Of the list of models, before it scrolls, in lines.
const LINES: f32 = 7.0;

pub(super) fn show(ui: &mut Ui, form: &Download, downloading: Option<&Downloading>, actions: &mut Vec<Action>) {
    let colours = theme::palette(ui);
    ui.label(RichText::new("Download by name").heading());
    let text = "From Hugging Face, as owner/name stands over the model’s page. Nothing is sent but the request.";
    ui.add(Label::new(RichText::new(text).small().color(colours.muted)).wrap());
    ui.add_space(theme::GRID);
    ui.add_enabled_ui(downloading.is_none(), |ui| fields(ui, form, actions));
    if !form.choices.is_empty() {
        choices(ui, form, downloading.is_none(), actions);
    }
    if let Some(problem) = &form.problem {
        ui.add_space(theme::GRID);
        ScrollArea::vertical().id_salt("problem").max_height(120.0).show(ui, |ui| {
            ui.add(Label::new(RichText::new(problem).color(colours.error)).wrap().selectable(true));
        });
    }
    ui.add_space(theme::NEAR);
    match downloading {
        Some(downloading) => progress(ui, downloading.progress.as_ref(), actions),
        None => buttons(ui, form, actions),
    }
}

fn fields(ui: &mut Ui, form: &Download, actions: &mut Vec<Action>) {
    let id = Id::unique("download id");
    labelled(ui, "Model", |ui| {
        let looks = Field { id, label: "Model", hint: "owner/name", style: TextStyle::Body, width: f32::INFINITY };
        let (response, changed) = field(ui, &form.id, looks);
        actions.extend(changed.map(Action::NameDownload));
        if form.id.is_empty() && ui.memory(|memory| memory.focused().is_none()) {
            response.request_focus();
        }
        if response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter)) {
            actions.push(Action::StartDownload);
        }
    });
    labelled(ui, "Revision", |ui| {
        let id = Id::unique("download revision");
        let hint = "the newest, or a branch, tag or commit";
        let looks = Field { id, label: "Revision", hint, style: TextStyle::Body, width: f32::INFINITY };
        let (_, changed) = field(ui, &form.revision, looks);
        actions.extend(changed.map(Action::ReviseDownload));
    });
    labelled(ui, "Into", |ui| {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            button(ui, actions, Action::ChooseDownloadFolder);
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                let place = form.destination().display().to_string();
                ui.add(Label::new(&place).truncate()).on_hover_text(place);
            });
        });
    });
}

/// The GGUF models of a repository that holds several.
fn choices(ui: &mut Ui, form: &Download, is_enabled: bool, actions: &mut Vec<Action>) {
    let colours = theme::palette(ui);
    ui.add_space(theme::GRID);
    ui.label(RichText::new(format!("It holds {} models. Choose one:", form.choices.len())).text_style(theme::value()));
    let height = LINES * theme::LINE;
    ui.spacing_mut().item_spacing.y = 0.0;
    let list = ScrollArea::vertical().id_salt("choices").max_height(height).auto_shrink([false, true]);
    list.show_rows(ui, theme::LINE, form.choices.len(), |ui, range| {
        for choice in &form.choices[range] {
            let is_chosen = form.chosen.as_ref() == Some(&choice.name);
            let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), theme::LINE), Sense::click());
            if is_chosen {
                ui.painter().rect_filled(rect, theme::ROUND, colours.selected);
            } else if response.hovered() || response.has_focus() {
                ui.painter().rect_filled(rect, theme::ROUND, colours.raised);
            }
            let inside = rect.shrink2(vec2(theme::NEAR, 0.0));
            let layout = Layout::right_to_left(Align::Center);
            ui.scope_builder(UiBuilder::new().max_rect(inside).layout(layout), |ui| {
                ui.label(RichText::new(units::bytes(choice.bytes)).monospace());
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    ui.add(Label::new(&choice.name).truncate());
                });
            });
            let spoken = format!("{}, {}", choice.name, units::bytes(choice.bytes));
            response.widget_info(|| WidgetInfo::selected(Role::RadioButton, true, is_chosen, &spoken));
            if response.clicked() && is_enabled {
                actions.push(Action::PickDownload(choice.name.clone()));
            }
        }
    });
}

fn buttons(ui: &mut Ui, form: &Download, actions: &mut Vec<Action>) {
    let size = vec2(ui.available_width(), theme::TALL);
    ui.allocate_ui_with_layout(size, Layout::right_to_left(Align::Center), |ui| {
        let reason = if form.id.trim().is_empty() {
            Some("Type the model’s name first.")
        } else if !form.choices.is_empty() && form.chosen.is_none() {
            Some("Choose one of the models first.")
        } else {
            None
        };
        let label = Action::StartDownload.label();
        primary(ui, actions, Action::StartDownload, &label, reason);
        if ui.button("Close").clicked() {
            actions.push(Action::Dismiss);
        }
    });
}

fn progress(ui: &mut Ui, progress: Option<&Progress>, actions: &mut Vec<Action>) {
    let colours = theme::palette(ui);
    let fraction = progress.map_or(0.0, Progress::fraction);
    let label =
        progress.map_or_else(|| "Looking it up".to_owned(), |_| format!("Downloading {:.0} %", fraction * 100.0));
    ui.horizontal(|ui| {
        ui.label(RichText::new(&label).text_style(theme::value()));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.label(RichText::new(progress.map(pace).unwrap_or_default()).small());
        });
    });
    bar(ui, &[Segment { share: fraction, colour: colours.accent }], &label);
    ui.horizontal(|ui| {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if ui
                .button("Cancel")
                .on_hover_text("What came is kept, and the same download goes on from there.")
                .clicked()
            {
                actions.push(Action::Dismiss);
            }
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                let file = progress.map_or("", |progress| &progress.tensor);
                ui.add(Label::new(RichText::new(file).small().color(colours.muted)).truncate());
            });
        });
    });
}
