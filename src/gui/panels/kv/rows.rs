//! The list of choices.

use crate::engine::KvRow;
use crate::gui::action::Action;
use crate::gui::kv::{Keeping, Row};
use crate::gui::theme;
use crate::gui::widgets::button;
use crate::units;
use egui::accesskit::Role;
use egui::{Grid, Label, RichText, ScrollArea, Sense, Ui, WidgetInfo};

const HEADS: [(&str, &str); 7] = [
    ("Choice", "A way to keep keys and values; keys/values where they are kept apart."),
    ("Keys", "Bytes of all keys at this context."),
    ("Values", "Bytes of all values at this context."),
    ("KL", "Mean divergence of the predictions from those with f16, in nats."),
    ("Early to late", "The same by position: the first and the last eighth of what was scored."),
    ("Needle", "How much more likely a thing told once is remembered than guessed, in nats a token."),
    ("Same bytes", "What quantization alone loses in the same bytes, or fewer."),
];

pub(super) fn show(ui: &mut Ui, keeping: &Keeping, actions: &mut Vec<Action>) {
    ScrollArea::both().auto_shrink(false).show(ui, |ui| {
        Grid::new("kv").num_columns(HEADS.len() + 1).striped(true).spacing([theme::APART, theme::GRID]).show(
            ui,
            |ui| {
                let colours = theme::palette(ui);
                for (head, about) in HEADS {
                    ui.label(RichText::new(head).color(colours.muted)).on_hover_text(about);
                }
                ui.label(RichText::new("llama-server").color(colours.muted));
                ui.end_row();
                for row in &keeping.rows {
                    line(ui, keeping, row, actions);
                    ui.end_row();
                }
            },
        );
    });
}

fn line(ui: &mut Ui, keeping: &Keeping, row: &Row, actions: &mut Vec<Action>) {
    let colours = theme::palette(ui);
    let fits = row.total() <= keeping.allowed();
    let is_best = keeping.best().is_some_and(|best| best.choice == row.choice);
    let colour = match (is_best, fits) {
        (true, _) => colours.accent,
        (_, true) => colours.text,
        _ => colours.muted,
    };
    let measured = keeping.report.as_ref().and_then(|report| report.rows.iter().find(|of| of.choice == row.choice));
    let name = ui.add(Label::new(RichText::new(&row.choice.name).color(colour)).sense(Sense::hover()));
    let said = match measured {
        None => format!("{}, {}", row.choice.name, units::bytes(row.total())),
        Some(of) => {
            format!("{}, {}, KL divergence {:.6}", row.choice.name, units::bytes(row.total()), of.divergence.value)
        }
    };
    name.widget_info(|| WidgetInfo::labeled(Role::Label, true, &said));
    name.on_hover_text(row.choice.about);
    for bytes in row.bytes {
        ui.label(RichText::new(units::bytes(bytes)).monospace().color(colour));
    }
    figures(ui, measured);
    match keeping.same_bytes(row) {
        Some(same) if measured.is_some() => {
            let loss = keeping.loss(&same.choice.name).unwrap_or_default();
            ui.label(RichText::new(format!("{} {loss:.6}", same.choice.name)).monospace());
        }
        None if measured.is_some() && row.choice.types().is_none() => {
            ui.label(RichText::new("none so small").color(colours.muted));
        }
        _ => {
            ui.label("");
        }
    }
    match row.choice.flags() {
        Some(flags) => {
            ui.horizontal(|ui| {
                ui.label(RichText::new(&flags).small().monospace());
                button(ui, actions, Action::Copy(flags));
            });
        }
        None => {
            ui.label(RichText::new("measured here, no runtime in llama.cpp yet").small().color(colours.muted));
        }
    }
}

fn figures(ui: &mut Ui, measured: Option<&KvRow>) {
    let mut cell = |text: String| {
        ui.label(RichText::new(text).monospace());
    };
    let Some(row) = measured else {
        (0..3).for_each(|_| cell(String::new()));
        return;
    };
    cell(format!("{:.6}", row.divergence.value));
    let ends = row.positions.first().zip(row.positions.last());
    cell(ends.map_or_else(String::new, |(first, last)| format!("{first:.6} to {last:.6}")));
    cell(format!("{:.2}", row.needle()));
}
