//! What to know about the plan before packing.

use super::sentence;
use crate::gui::action::Action;
use crate::gui::state::Opened;
use crate::gui::theme;
use crate::gui::widgets::button;
use egui::{Align, Frame, Label, Layout, Margin, Panel, RichText, ScrollArea, Ui, vec2};

/// Of the warnings, before they scroll.
const HEIGHT: f32 = 18.0 * theme::GRID;

pub(super) fn show(ui: &mut Ui, opened: &Opened, actions: &mut Vec<Action>) {
    let findings: Vec<String> = opened.sheet.cautions().map(ToString::to_string).collect();
    let warnings = &opened.choice.cautions;
    let is_asked = opened.model.question.is_some();
    if warnings.is_empty() && findings.is_empty() && !is_asked {
        return;
    }
    let colours = theme::palette(ui);
    let frame = Frame::new().fill(colours.raised).inner_margin(Margin::symmetric(20, 6));
    Panel::bottom("cautions").frame(frame).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = theme::GRID / 2.0;
        if is_asked {
            question(ui, actions);
        }
        ScrollArea::vertical().max_height(HEIGHT).auto_shrink([false, true]).show(ui, |ui| {
            for warning in warnings {
                ui.add(Label::new(RichText::new(sentence(warning)).small().color(colours.warn)).wrap());
            }
        });
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

/// What keeps the model from being packed.
fn question(ui: &mut Ui, actions: &mut Vec<Action>) {
    let size = vec2(ui.available_width(), theme::ROW);
    ui.allocate_ui_with_layout(size, Layout::right_to_left(Align::Center), |ui| {
        button(ui, actions, Action::Ask);
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
            let text = "Not to be packed yet: llama.cpp does not know this model’s pre-tokenizer.";
            ui.add(Label::new(RichText::new(text).color(theme::palette(ui).warn)).truncate());
        });
    });
}
