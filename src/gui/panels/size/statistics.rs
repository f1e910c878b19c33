//! The statistics that mixes are chosen by: what they are of, the way to them, and how far they are.

use crate::engine::Progress;
use crate::gui::action::Action;
use crate::gui::panels::quality::combo;
use crate::gui::size::{CHUNKS, Standing, Wish};
use crate::gui::state::Opened;
use crate::gui::theme;
use crate::gui::widgets::{Segment, bar, button, explain, primary};
use crate::units;
use egui::{Align, Label, Layout, RichText, Ui, vec2};

/// Of the lists.
const TEXT: f32 = 128.0;
const COUNT: f32 = 48.0;

/// On what the model is observed.
pub(in crate::gui::panels) fn observed(ui: &mut Ui, opened: &Opened, actions: &mut Vec<Action>) {
    let sizing = &opened.sizing;
    let size = vec2(ui.available_width(), theme::ROW);
    ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), |ui| {
        let head = ui.add(Label::new(RichText::new("Observed on").text_style(theme::value())).extend());
        if let Standing::Ready(report) = &sizing.standing {
            head.on_hover_ui(|ui| {
                ui.label(format!("Statistics on {}.", report.text.display()));
                ui.weak(report.statistics.path.display().to_string());
            });
        }
        ui.add_enabled_ui(!sizing.is_making(), |ui| {
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                combo(ui, "Chunks", &Wish::Chunks(sizing.chunks).label(), COUNT, |ui| {
                    for chunks in CHUNKS {
                        let wish = Wish::Chunks(chunks);
                        if ui.selectable_label(sizing.chunks == chunks, wish.label()).clicked() {
                            actions.push(Action::Size(wish));
                        }
                    }
                });
                let about = "Pieces of the text, of 512 tokens each. More of them make better files, and take longer.";
                ui.label(RichText::new("chunks").color(theme::palette(ui).muted)).on_hover_text(about);
                combo(ui, "Text to observe", &Wish::Text(sizing.text.clone()).label(), TEXT, |ui| {
                    for wish in [Wish::Text(None), Wish::ChooseText] {
                        let is_chosen = wish == Wish::Text(sizing.text.clone());
                        let action = Action::Size(wish);
                        let response = explain(ui.selectable_label(is_chosen, action.label()), &action);
                        if response.clicked() {
                            actions.push(action);
                        }
                    }
                });
            });
        });
    });
}

/// The way to them.
pub(super) fn missing(ui: &mut Ui, opened: &Opened, is_begun: bool, actions: &mut Vec<Action>) {
    let colours = theme::palette(ui);
    let paragraph = |ui: &mut Ui, text: &str| {
        ui.add(Label::new(RichText::new(text).color(colours.muted)).wrap());
    };
    ui.heading(if is_begun { "Begun, and not finished" } else { "The best file of any size" });
    match is_begun {
        false => paragraph(
            ui,
            "Tuck runs the model over a text once and notes what each tensor does to its predictions. From then on it finds, \
             for any size, the types that lose least.",
        ),
        true => paragraph(
            ui,
            "There are statistics of this model and text, but not all that this effort chooses by. What is there stays.",
        ),
    }
    ui.add_space(theme::GRID);
    let label = if is_begun { "Go on" } else { "Make statistics" };
    primary(ui, actions, Action::Size(Wish::Make), label, None);
    ui.add_space(theme::GRID);
    let name = opened.choice.decision().preset.name;
    let meanwhile = match opened.choice.decision().size {
        None => format!(
            "It can be stopped, and goes on later. Until then Pack writes {name}, and all types are there as before."
        ),
        Some(_) => "It can be stopped, and goes on later. Types are there as before.".to_owned(),
    };
    paragraph(ui, &meanwhile);
}

/// How far they are.
pub(super) fn making(ui: &mut Ui, progress: Option<&Progress>, actions: &mut Vec<Action>) {
    let colours = theme::palette(ui);
    let fraction = progress.map_or(0.0, Progress::fraction);
    let stage = progress.map_or("Waiting", |progress| progress.stage.label());
    ui.heading("Making statistics");
    let size = vec2(ui.available_width(), theme::ROW);
    ui.allocate_ui_with_layout(size, Layout::right_to_left(Align::Center), |ui| {
        button(ui, actions, Action::Size(Wish::Stop));
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
            let share = progress.map(|_| format!(" {:.0} %", fraction * 100.0)).unwrap_or_default();
            ui.label(RichText::new(format!("{stage}{share}")).text_style(theme::value()));
            let left = progress.and_then(|progress| progress.remaining).filter(|_| fraction < 1.0);
            let left = left.map(|left| match left.as_secs() {
                0 => "less than 1 s left in this step".to_owned(),
                _ => format!("{} left in this step", units::duration(left)),
            });
            ui.add(Label::new(RichText::new(left.unwrap_or_default()).color(colours.muted)).truncate());
        });
    });
    let segment = Segment { share: fraction, colour: colours.accent };
    bar(ui, &[segment], &format!("{stage}, {:.0} percent", fraction * 100.0));
    let tensor = progress.map_or("", |progress| &progress.tensor);
    ui.add(Label::new(RichText::new(tensor).small().color(colours.muted)).truncate());
    ui.add_space(theme::GRID);
    let text = "First the inputs of all matrices, then what every type would do to each, then what each tensor does to the \
                predictions. Types can be chosen meanwhile; Pack goes first, and this goes on after it.";
    ui.add(Label::new(RichText::new(text).color(colours.muted)).wrap());
}
