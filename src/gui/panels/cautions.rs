//! What to know about the plan before packing.

use crate::gui::state::Opened;
use crate::gui::theme;
use egui::{Frame, Label, Margin, Panel, RichText, Ui};

pub(super) fn show(ui: &mut Ui, opened: &Opened) {
    let findings: Vec<String> = opened.sheet.cautions().map(ToString::to_string).collect();
    let warnings = &opened.choice.cautions;
    if warnings.is_empty() && findings.is_empty() {
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
        if let [first, rest @ ..] = &findings[..] {
            // The tab tells the rest.
            let more = match rest.len() {
                0 => String::new(),
                n => format!(" ({n} more in Metadata)"),
            };
            let text = RichText::new(format!("{first}{more}.")).small().color(colours.warn);
            ui.add(Label::new(text).truncate());
        }
    });
}

/// A sentence begins with a capital letter.
fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
