//! What a measurement found, in words, as a table and as charts.

use super::{card, charts, points};
use crate::gui::action::Action;
use crate::gui::quality::{Inquiry, Measured};
use crate::gui::state::{Opened, file_name};
use crate::gui::theme;
use crate::units;
use egui::{Grid, Label, RichText, ScrollArea, Ui};

/// With room for two charts side by side, and for the table beside them.
const WIDE: f32 = 640.0;
const VERY_WIDE: f32 = 1040.0;

pub(super) fn show(ui: &mut Ui, opened: &Opened, actions: &mut Vec<Action>) {
    let quality = &opened.quality;
    let Some(measured) = quality.measured.get(quality.shown) else {
        if quality.running.is_none() {
            empty(ui, opened);
        }
        return;
    };
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        // Beside the scroll bar.
        ui.set_width(ui.available_width() - theme::NEAR);
        let columns = if ui.available_width() < VERY_WIDE { 1 } else { 2 };
        ui.columns(columns, |columns| {
            card(&mut columns[0], |ui| figures(ui, opened, measured));
            let last = columns.len() - 1;
            card(&mut columns[last], |ui| points::show(ui, opened, actions));
        });
        let columns = if ui.available_width() < WIDE { 1 } else { 2 };
        ui.columns(columns, |columns| {
            card(&mut columns[0], |ui| charts::histogram(ui, measured));
            let last = columns.len() - 1;
            card(&mut columns[last], |ui| charts::layers(ui, measured));
        });
    });
}

fn empty(ui: &mut Ui, opened: &Opened) {
    let colours = theme::palette(ui);
    ui.add_space(theme::APART);
    ui.vertical_centered(|ui| {
        let name = opened.choice.title();
        ui.label(format!("How much would {name} lose?"));
        let text = "Tuck runs the model and what it would become over the same text, and compares what they predict. It \
                    writes no file, and needs memory for one layer at a time.";
        ui.label(RichText::new(text).color(colours.muted));
    });
}

fn figures(ui: &mut Ui, opened: &Opened, measured: &Measured) {
    let colours = theme::palette(ui);
    let (trial, report) = (&measured.trial, &measured.report);
    ui.add(Label::new(RichText::new(format!("{} beside the original", trial.name)).heading()).truncate());
    let text = match &measured.settings.text {
        Some(path) => file_name(path),
        None => Inquiry::Text(None).label().to_lowercase(),
    };
    let chunks = match report.chunks {
        1 => "1 chunk".to_owned(),
        n => format!("{n} chunks"),
    };
    let about = format!(
        "{}, {:.2} bits / weight · {text}, {chunks} of {} tokens · {}",
        units::bytes(trial.bytes),
        trial.bits_per_weight,
        units::grouped(report.context as u64),
        units::duration(report.elapsed)
    );
    let scored = units::grouped(report.divergence.surprises.len() as u64);
    let about = ui.add(Label::new(RichText::new(about).small().color(colours.muted)).truncate());
    about.on_hover_text(format!(
        "{scored} tokens were scored: the second half of each chunk, as llama-perplexity does."
    ));
    ui.add_space(theme::GRID);
    ui.add(Label::new(measured.sentence()).wrap());
    if !opened.quality.comparable().any(|(_, of)| opened.is_current(&of.trial)) {
        let text = format!("You are looking at {} now, which was not measured on this text yet.", opened.trial().name);
        ui.add(Label::new(RichText::new(text).small().color(colours.muted)).wrap());
    }
    ui.add_space(theme::GRID);
    Grid::new("figures").num_columns(3).spacing([theme::APART, theme::GRID]).min_row_height(0.0).show(ui, |ui| {
        for figure in &measured.figures {
            let is_part = figure.label.starts_with(' ');
            let colour = if is_part { colours.muted } else { colours.text };
            let name = ui.add(Label::new(RichText::new(figure.label).color(colour)).extend());
            let value = ui.add(Label::new(RichText::new(&figure.value).monospace()).extend());
            let about = ui.add(Label::new(RichText::new(figure.about).small().color(colours.muted)).truncate());
            (name | value | about).on_hover_text(figure.hover);
            ui.end_row();
        }
    });
}
