//! A label over its value.

use crate::gui::theme;
use egui::{Label, RichText, Ui};

/// A small label and, under it, a value; `hover` says more.
fn fact(ui: &mut Ui, label: &str, value: &str, hover: &str) {
    ui.vertical(|ui| {
        ui.spacing_mut().item_spacing.y = theme::GRID / 2.0;
        ui.label(RichText::new(label).small().color(theme::palette(ui).muted));
        let response = ui.add(Label::new(RichText::new(value).text_style(theme::value())).extend());
        if !hover.is_empty() {
            response.on_hover_text(hover);
        }
    });
}

/// Facts in a row that wraps: label, value, hover.
pub(in crate::gui) fn fact_list(ui: &mut Ui, facts: &[(&str, String, String)]) {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 6.0 * theme::GRID;
        for (label, value, hover) in facts {
            fact(ui, label, value, hover);
        }
    });
}
