//! What to know about the plan before packing.

use crate::gui::state::Opened;
use crate::gui::theme;
use egui::{Frame, Label, Margin, Panel, RichText, Ui};

pub(super) fn show(ui: &mut Ui, opened: &Opened) {
    let warnings = &opened.choice.cautions;
    if warnings.is_empty() {
        return;
    }
    let colours = theme::palette(ui);
    let frame = Frame::new().fill(colours.raised).inner_margin(Margin::symmetric(20, 6));
    Panel::bottom("cautions").frame(frame).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = theme::GRID / 2.0;
        for warning in warnings {
            let text = format!("{}.", capital(warning));
            ui.add(Label::new(RichText::new(text).small().color(colours.warn)).wrap());
        }
    });
}

/// A sentence begins with a capital letter.
fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
