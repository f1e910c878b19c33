//! Both models answer: side by side, with the place where they part.

use super::card;
use super::controls::{combo, name};
use crate::engine::{Comparison, Parting};
use crate::gui::action::Action;
use crate::gui::quality::{Answers, Inquiry, LENGTHS};
use crate::gui::state::{Opened, State};
use crate::gui::theme;
use crate::gui::widgets::{Field, button, field};
use crate::units;
use egui::text::LayoutJob;
use egui::{Align, FontSelection, Grid, Id, Key, Label, Layout, RichText, ScrollArea, TextFormat, TextStyle, Ui, vec2};

/// Of the list of lengths.
const COUNT: f32 = 56.0;
/// Of what stands behind the prompt.
const BEHIND: f32 = 216.0;

pub(super) fn show(ui: &mut Ui, state: &State, opened: &Opened, actions: &mut Vec<Action>) {
    ask(ui, opened, actions);
    memory(ui, state, opened);
    let Some(answers) = &opened.quality.answers else {
        ui.add_space(theme::APART);
        ui.vertical_centered(|ui| {
            let name = opened.choice.title();
            ui.label(format!("Would you notice the difference of {name}?"));
            let text = "Ask the original and what it would become the same. Both always say what they hold most likely, so \
                        where their answers part, the smaller one has changed its mind.";
            ui.label(RichText::new(text).color(theme::palette(ui).muted));
        });
        return;
    };
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        ui.set_width(ui.available_width() - theme::NEAR);
        let asked = RichText::new(format!("“{}”", answers.prompt.trim())).color(theme::palette(ui).muted);
        ui.add(Label::new(asked).truncate()).on_hover_text(&answers.prompt);
        ui.columns(2, |columns| {
            for (side, ui) in columns.iter_mut().enumerate() {
                card(ui, |ui| answer(ui, answers, side));
            }
        });
        if let Some(comparison) = &answers.comparison {
            card(ui, |ui| end(ui, answers, comparison));
        }
    });
}

/// The prompt, how long answers may be, and the button.
fn ask(ui: &mut Ui, opened: &Opened, actions: &mut Vec<Action>) {
    let quality = &opened.quality;
    let is_ready = quality.running.is_none() && !quality.prompt.trim().is_empty() && opened.choice.is_valid();
    ui.horizontal(|ui| {
        let looks = Field {
            id: Id::unique("what to ask both"),
            label: "Prompt",
            hint: "Ask both the same",
            style: TextStyle::Body,
            width: (ui.available_width() - BEHIND).max(120.0),
        };
        let (response, changed) = field(ui, &quality.prompt, looks);
        actions.extend(changed.map(|text| Action::Quality(Inquiry::Prompt(text))));
        if response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter)) && is_ready {
            actions.push(Action::Quality(Inquiry::Ask));
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.add_enabled_ui(is_ready, |ui| button(ui, actions, Action::Quality(Inquiry::Ask)));
            combo(ui, "Tokens of an answer", &Inquiry::Tokens(quality.tokens).label(), COUNT, |ui| {
                for tokens in LENGTHS {
                    let inquiry = Inquiry::Tokens(tokens);
                    if ui.selectable_label(quality.tokens == tokens, inquiry.label()).clicked() {
                        actions.push(Action::Quality(inquiry));
                    }
                }
            });
            name(ui, "Tokens", "At most so many tokens an answer: about three quarters as many words.");
        });
    });
}

/// Both are held in memory while they answer.
fn memory(ui: &mut Ui, state: &State, opened: &Opened) {
    let colours = theme::palette(ui);
    let needs = opened.model.card.bytes + opened.choice.plan.file_bytes;
    let is_scarce = state.memory.is_some_and(|memory| needs > memory.available);
    let (more, colour) = match is_scarce {
        true => (", more than is free", colours.warn),
        false => ("", colours.muted),
    };
    let text = format!("Both are held in memory while they answer, about {}{more}.", units::bytes(needs));
    ui.add(Label::new(RichText::new(text).small().color(colour)).truncate());
}

fn answer(ui: &mut Ui, answers: &Answers, side: usize) {
    let colours = theme::palette(ui);
    ui.add(Label::new(RichText::new(&answers.names[side]).heading()).truncate());
    ui.add_space(theme::GRID);
    let font = FontSelection::from(TextStyle::Body).resolve(ui.style());
    let plain =
        TextFormat { font_id: font, color: colours.text, line_height: Some(5.0 * theme::GRID), ..Default::default() };
    let marked = TextFormat { color: colours.on_accent, background: colours.accent, ..plain.clone() };
    let [same, parting, rest] = answers.parts(side);
    let mut job = LayoutJob::default();
    // The space before a word is not part of the mark.
    let word = parting.trim_start();
    let before = &parting[..parting.len() - word.len()];
    job.append(&same, 0.0, plain.clone());
    job.append(before, 0.0, plain.clone());
    job.append(word, 0.0, marked);
    job.append(&rest, 0.0, plain.clone());
    if answers.is_growing {
        job.append(" …", 0.0, TextFormat { color: colours.muted, ..plain });
    }
    ui.set_min_height(theme::TALL);
    ui.add(Label::new(job).wrap().selectable(true));
}

/// Where they part, and how sure each was.
fn end(ui: &mut Ui, answers: &Answers, comparison: &Comparison) {
    let colours = theme::palette(ui);
    let Some(parting) = &comparison.parting else {
        ui.label("The answers are the same.");
        return;
    };
    let tokens = match parting.at {
        0 => "They part at the first token.".to_owned(),
        1 => "They part after 1 token.".to_owned(),
        n => format!("They part after {} tokens.", units::grouped(n as u64)),
    };
    ui.label(RichText::new(tokens).heading());
    let about = "How likely each held the two tokens at that place. Near each other, it was a close call.";
    ui.add(Label::new(RichText::new(about).small().color(colours.muted)).wrap());
    ui.add_space(theme::GRID);
    Grid::new("parting").num_columns(3).spacing(vec2(theme::APART, theme::GRID)).min_row_height(0.0).show(ui, |ui| {
        ui.label(RichText::new("Token").small().color(colours.muted));
        for name in &answers.names {
            ui.label(RichText::new(name).small().color(colours.muted));
        }
        ui.end_row();
        for (side, choice) in parting.choices.iter().enumerate() {
            ui.label(RichText::new(shown(parting, side)).monospace());
            for (held_by, probability) in choice.probabilities.iter().enumerate() {
                let text = RichText::new(units::percent(*probability)).monospace();
                // Each chose its own.
                let colour = if held_by == side { colours.accent } else { colours.text };
                ui.label(text.color(colour));
            }
            ui.end_row();
        }
    });
}

/// A token as text in quotation marks, or what it stands for.
fn shown(parting: &Parting, side: usize) -> String {
    let choice = &parting.choices[side];
    match choice.text.as_str() {
        "" => format!("the end ({})", choice.name),
        text => format!("“{}”", text.escape_debug()),
    }
}
