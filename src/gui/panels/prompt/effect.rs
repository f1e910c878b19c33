//! What the shorter prompt does to the answer, beside others as long.

use crate::engine::{PromptEffect, PromptRow};
use crate::gui::prompt::{ALL, Prompting};
use crate::gui::state::{Opened, State};
use crate::gui::theme;
use crate::units;
use egui::accesskit::Role;
use egui::{Grid, Label, RichText, ScrollArea, Sense, Ui, WidgetInfo};

const HEADS: [(&str, &str); 4] = [
    ("Prompt", "How it was shortened: by the scores, or without them."),
    ("Tokens", "How many are kept."),
    ("KL", "Mean divergence of the predictions of the answer from those after the whole prompt, in nats a token."),
    ("Same", "How many tokens of the answer are held most likely after both."),
];

pub(super) fn show(ui: &mut Ui, state: &State, opened: &Opened) {
    let prompting = &opened.prompting;
    ScrollArea::vertical().id_salt("effect").auto_shrink(false).show(ui, |ui| match &prompting.effect {
        Some((ratio, Ok(effect))) => table(ui, prompting, *ratio, effect),
        Some((_, Err(why))) => muted(ui, why),
        None => nothing(ui, state, opened),
    });
}

fn muted(ui: &mut Ui, text: &str) {
    ui.add(Label::new(RichText::new(text).color(theme::palette(ui).muted)).wrap());
}

fn nothing(ui: &mut Ui, state: &State, opened: &Opened) {
    ui.label("Does the answer stay the same?");
    muted(
        ui,
        "Move the slider: the words that go follow at once. Measure, to see how far the predictions of the answer move, beside \
         keeping the end alone, both ends, or words by chance.",
    );
    let needs = opened.source.card.bytes;
    let colours = theme::palette(ui);
    let is_scarce = state.memory.is_some_and(|memory| needs > memory.available);
    let (more, colour) = if is_scarce { (", more than is free", colours.warn) } else { ("", colours.muted) };
    let text = format!("The model is held in memory meanwhile, about {}{more}.", units::bytes(needs));
    ui.add(Label::new(RichText::new(text).small().color(colour)).wrap());
}

fn table(ui: &mut Ui, prompting: &Prompting, ratio: u64, effect: &PromptEffect) {
    let colours = theme::palette(ui);
    let share = units::percent(ratio as f64 / ALL as f64);
    let is_current = ratio == prompting.ratio;
    let title = if is_current { format!("At {share}") } else { format!("At {share}, as measured before") };
    ui.horizontal(|ui| ui.label(RichText::new(title).text_style(theme::value())));
    Grid::new("effect").num_columns(HEADS.len()).spacing([3.0 * theme::GRID, theme::GRID]).show(ui, |ui| {
        for (head, about) in HEADS {
            ui.label(RichText::new(head).color(colours.muted)).on_hover_text(about);
        }
        ui.end_row();
        for (n, row) in effect.rows.iter().enumerate() {
            line(ui, row, if n == 0 && is_current { colours.accent } else { colours.text });
            ui.end_row();
        }
    });
    match effect.better() {
        Some(row) => {
            let text = format!("Here “{}” changes the answer less than the scores do. {}", row.name, row.about);
            ui.add(Label::new(RichText::new(text).color(colours.warn)).wrap());
        }
        None => {
            ui.add(Label::new("Nothing without scores changes the answer less at as many tokens.").wrap());
        }
    }
    ui.add_space(theme::GRID);
    muted(ui, &format!("The answer to the whole prompt, its first {} tokens:", effect.answer_tokens));
    ui.add(Label::new(effect.answer.trim()).wrap().selectable(true));
}

fn line(ui: &mut Ui, row: &PromptRow, colour: egui::Color32) {
    let name = ui.add(Label::new(RichText::new(row.name).color(colour)).sense(Sense::hover()));
    let said = format!("{}, {} tokens, KL divergence {:.4}", row.name, row.tokens, row.divergence.value);
    name.widget_info(|| WidgetInfo::labeled(Role::Label, true, &said));
    name.on_hover_text(row.about);
    let loss = format!("{:.4} ± {:.4}", row.divergence.value, row.divergence.error);
    for text in [units::grouped(row.tokens as u64), loss, units::percent(row.same_top.value)] {
        ui.label(RichText::new(text).monospace().color(colour));
    }
}
