//! The files that were written, and how to run them.

use super::card;
use crate::checkpoint::Kind;
use crate::engine::{OutputReport, PackReport};
use crate::gui::action::Action;
use crate::gui::state::{Opened, file_name};
use crate::gui::theme;
use crate::gui::widgets::{button, fact_list};
use crate::recipe::FallbackGroup;
use crate::units;
use egui::accesskit::Role;
use egui::{Align, Frame, Label, Layout, Response, RichText, ScrollArea, Sense, Ui, UiBuilder, WidgetInfo, vec2};
use std::path::Path;

/// Of the column of programs.
const PROGRAM_WIDTH: f32 = 120.0;

pub(super) fn show(ui: &mut Ui, opened: &Opened, actions: &mut Vec<Action>) {
    let colours = theme::palette(ui);
    let Some(report) = &opened.report else {
        ui.add_space(theme::APART);
        let text = "Nothing has been packed yet. Choose a type and press Pack.";
        ui.vertical_centered(|ui| ui.label(RichText::new(text).color(colours.muted)));
        return;
    };
    let Some(shown) = report.outputs.get(opened.shown_output) else { return };
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        if report.outputs.len() > 1 {
            card(ui, |ui| files(ui, report, opened.shown_output, actions));
        }
        card(ui, |ui| written(ui, report, shown, actions));
        card(ui, |ui| {
            ui.heading("Run it");
            for (program, text) in commands(opened.model.kind, &shown.path) {
                command(ui, program, &text, actions);
            }
        });
    });
}

/// Every file that was written; the one chosen is told more of below.
fn files(ui: &mut Ui, report: &PackReport, shown: usize, actions: &mut Vec<Action>) {
    let colours = theme::palette(ui);
    let bytes = units::bytes(report.outputs.iter().map(|output| output.file_bytes).sum());
    let time = units::duration(report.elapsed);
    ui.horizontal(|ui| {
        ui.heading(format!("{} files, {bytes}", report.outputs.len()));
        let text = format!("written in {time} from one read of the model");
        ui.label(RichText::new(text).small().color(colours.muted));
    });
    ui.spacing_mut().item_spacing.y = 0.0;
    for (place, output) in report.outputs.iter().enumerate() {
        if file(ui, output, place == shown).clicked() {
            actions.push(Action::ShowOutput(place));
        }
    }
}

fn file(ui: &mut Ui, output: &OutputReport, is_shown: bool) -> Response {
    let colours = theme::palette(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), theme::LINE), Sense::click());
    if is_shown {
        ui.painter().rect_filled(rect, theme::ROUND, colours.selected);
    } else if response.hovered() || response.has_focus() {
        ui.painter().rect_filled(rect, theme::ROUND, colours.raised);
    }
    let inside = rect.shrink2(vec2(theme::NEAR, 0.0));
    let layout = Layout::right_to_left(Align::Center);
    ui.scope_builder(UiBuilder::new().max_rect(inside).layout(layout), |ui| {
        let bits = format!("{:.2} bits / weight", output.bits_per_weight);
        ui.label(RichText::new(bits).monospace().color(colours.muted));
        ui.add_space(theme::APART);
        ui.monospace(units::bytes(output.file_bytes));
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
            ui.add(Label::new(file_name(&output.path)).truncate());
        });
    });
    let spoken = format!("About {}", file_name(&output.path));
    response.widget_info(|| WidgetInfo::selected(Role::RadioButton, true, is_shown, &spoken));
    response
}

fn written(ui: &mut Ui, report: &PackReport, output: &OutputReport, actions: &mut Vec<Action>) {
    let colours = theme::palette(ui);
    let path = output.path.display().to_string();
    ui.with_layout(Layout::right_to_left(Align::Min), |ui| {
        button(ui, actions, Action::ShowInFolder(output.path.clone()));
        button(ui, actions, Action::Verify(output.path.clone()));
        ui.with_layout(Layout::top_down(Align::Min), |ui| {
            ui.add(Label::new(RichText::new(file_name(&output.path)).heading()).truncate());
            ui.add(Label::new(RichText::new(&path).small().color(colours.muted)).truncate());
        });
    });
    ui.add_space(theme::GRID);
    let exact = format!("{} bytes", units::grouped(output.file_bytes));
    let mut facts = vec![
        ("Size", units::bytes(output.file_bytes), exact),
        ("Type", output.recipe.to_owned(), String::new()),
        ("Bits / weight", format!("{:.2}", output.bits_per_weight), String::new()),
        ("Verified", "every tensor".to_owned(), "Each was read back and is as it was written.".to_owned()),
    ];
    if report.outputs.len() == 1 {
        let rate = report.source_bytes as f64 / report.elapsed.as_secs_f64().max(1e-9);
        let read = format!("{} of weights read, {}", units::bytes(report.source_bytes), units::rate(rate));
        facts.insert(3, ("Time", units::duration(report.elapsed), read));
    }
    fact_list(ui, &facts);
    ui.add_space(theme::GRID);
    let formats = output.formats.iter().map(|(format, tensors, _)| format!("{tensors} {format}"));
    let formats = formats.collect::<Vec<_>>().join(", ");
    ui.label(RichText::new(format!("Computed on {}. Tensors: {formats}.", report.device)).small().color(colours.muted));
    if let Some(recipe) = &output.recipe_path {
        let text = format!("The recipe is beside it: {}.", file_name(recipe));
        ui.label(RichText::new(text).small().color(colours.muted)).on_hover_text(recipe.display().to_string());
    }
    for group in FallbackGroup::of(&output.fallbacks) {
        ui.label(RichText::new(group.sentence()).small().color(colours.warn)).on_hover_text(group.names());
    }
}

fn command(ui: &mut Ui, program: &str, text: &str, actions: &mut Vec<Action>) {
    let colours = theme::palette(ui);
    Frame::new().fill(colours.sunken).corner_radius(theme::ROUND).inner_margin(theme::GRID).show(ui, |ui| {
        let width = ui.available_width();
        ui.allocate_ui_with_layout(vec2(width, theme::ROW), Layout::right_to_left(Align::Center), |ui| {
            let copy = Action::Copy(text.to_owned());
            let response = ui.button(copy.label());
            let spoken = format!("Copy for {program}");
            response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &spoken));
            if response.clicked() {
                actions.push(copy);
            }
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                ui.add_space(theme::GRID);
                let label = RichText::new(program).small().color(colours.muted);
                let left = ui.label(label).rect.left();
                ui.add_space(left + PROGRAM_WIDTH - ui.cursor().left());
                ui.add(Label::new(RichText::new(text).monospace()).truncate().selectable(true));
            });
        });
    });
}

/// What each program wants to be told.
fn commands(kind: Kind, file: &Path) -> Vec<(&'static str, String)> {
    let path = quoted(&file.display().to_string());
    if kind == Kind::Adapter {
        return vec![
            ("llama.cpp", format!("llama-cli -m MODEL.gguf --lora {path}")),
            ("Ollama’s Modelfile", format!("ADAPTER {}", file.display())),
        ];
    }
    vec![
        ("llama.cpp", format!("llama-cli -m {path}")),
        ("LM Studio", format!("lms import {path}")),
        ("Ollama’s Modelfile", format!("FROM {}", file.display())),
        ("Ollama", format!("ollama create {} -f Modelfile", ollama_name(file))),
    ]
}

/// As a shell takes it.
fn quoted(path: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/\\:._-".contains(c);
    match path {
        _ if path.chars().all(plain) => path.to_owned(),
        _ if cfg!(windows) => format!("\"{path}\""),
        _ => format!("'{}'", path.replace('\'', r"'\''")),
    }
}

/// Ollama's names are lower case.
fn ollama_name(file: &Path) -> String {
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().to_lowercase()).unwrap_or_default();
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    stem.chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_survive_a_shell() {
        assert_eq!(quoted("/models/a-b_c.gguf"), "/models/a-b_c.gguf");
        if cfg!(unix) {
            assert_eq!(quoted("/my models/it's.gguf"), r"'/my models/it'\''s.gguf'");
        }
        assert_eq!(ollama_name(Path::new("/x/Tuck Sample-Q4_K_M.gguf")), "tuck-sample-q4_k_m");
    }
}
