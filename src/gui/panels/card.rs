//! The opened model at a glance.

use super::panel_frame;
use crate::gui::theme;
use crate::gui::widgets::fact_list;
use crate::model::Model;
use crate::units;
use egui::{Label, Panel, RichText, Ui};

/// Where name and facts fit side by side.
const WIDE: f32 = 1180.0;
/// Of the name, there.
const NAME_WIDTH: f32 = 356.0;

pub(super) fn show(ui: &mut Ui, model: &Model) {
    let frame = panel_frame(ui);
    Panel::top("card").frame(frame).show(ui, |ui| {
        if ui.available_width() < WIDE {
            name(ui, model);
            ui.add_space(theme::GRID);
            fact_list(ui, &facts(model));
        } else {
            ui.horizontal(|ui| {
                ui.vertical(|ui| {
                    ui.set_width(NAME_WIDTH);
                    name(ui, model);
                });
                ui.add_space(theme::APART);
                fact_list(ui, &facts(model));
            });
        }
    });
}

fn name(ui: &mut Ui, model: &Model) {
    ui.spacing_mut().item_spacing.y = theme::GRID / 2.0;
    ui.add(Label::new(RichText::new(&model.card.name).text_style(theme::title())).truncate());
    let path = model.path.display().to_string();
    ui.add(Label::new(RichText::new(&path).small().color(theme::palette(ui).muted)).truncate());
}

fn facts(model: &Model) -> [(&'static str, String, String); 8] {
    let card = &model.card;
    let number = units::grouped;
    let precision = card.precision.iter().map(|(format, bytes)| format!("{format}: {} bytes", number(*bytes)));
    let heads = format!("{} query heads and {} key-value heads in each layer", card.heads, card.kv_heads);
    let tied = if card.tied { "; the output shares the token embedding" } else { "" };
    [
        ("Family", card.family.unwrap_or("unknown").to_owned(), format!("{} in GGUF", card.architecture)),
        ("Parameters", units::count(card.parameters), format!("{} weights", number(card.parameters))),
        ("Layers", number(card.layers), format!("each {} wide", number(card.hidden))),
        ("Heads (Q / KV)", format!("{} / {}", card.heads, card.kv_heads), heads),
        ("Context", number(card.context), "tokens at most".to_owned()),
        ("Vocabulary", number(card.vocabulary), format!("tokens{tied}")),
        ("Precision", card.precision_label(), precision.collect::<Vec<_>>().join("\n")),
        ("Size", units::bytes(card.bytes), format!("{} bytes of weights", number(card.bytes))),
    ]
}
