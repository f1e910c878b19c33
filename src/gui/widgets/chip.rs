//! A name with a cross that takes it away.

use super::cross;
use crate::gui::action::Action;
use crate::gui::theme;
use egui::{Frame, Label, Margin, RichText, Ui};

/// Draws the cross at the right of `text`, which is cut short where there is no room; `hover` tells more. For layouts from
/// right to left.
pub(in crate::gui) fn chip(
    ui: &mut Ui,
    actions: &mut Vec<Action>,
    text: &str,
    remove: Action,
    hover: impl FnOnce(&mut Ui),
) {
    let margin = Margin { left: theme::NEAR as i8, ..Margin::ZERO };
    let frame = Frame::new().fill(theme::palette(ui).selected).corner_radius(theme::ROUND).inner_margin(margin);
    frame.show(ui, |ui| {
        ui.spacing_mut().item_spacing.x = 0.0;
        cross(ui, actions, remove);
        ui.add(Label::new(RichText::new(text)).truncate()).on_hover_ui(hover);
    });
}
