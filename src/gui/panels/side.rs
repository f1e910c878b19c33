//! The left of the window: what is to be written, by type or by size, then where tensors depart from it.

use super::{adapters, importance, overrides, panel_frame, size, types};
use crate::checkpoint::Kind;
use crate::gui::action::Action;
use crate::gui::size::{Side, Wish};
use crate::gui::state::{Opened, State};
use crate::gui::theme;
use crate::gui::widgets::explain;
use egui::{Button, Color32, Frame, Margin, Panel, RichText, Stroke, TextStyle, Ui};

/// From a small window to a large one, and the share of the window between.
const WIDTH: std::ops::RangeInclusive<f32> = 388.0..=520.0;
const SHARE: f32 = 0.27;
/// A lower panel leaves its lines to what stands above: an adapter can be dropped, or chosen in the menu.
const ADAPTERS_HEIGHT: f32 = 400.0;
/// A mix has more above.
const ADAPTERS_HEIGHT_BY_SIZE: f32 = 640.0;
/// Between heads.
const APART: f32 = 5.0 * theme::GRID;

pub(super) fn show(ui: &mut Ui, state: &State, opened: &Opened, actions: &mut Vec<Action>) {
    let frame = panel_frame(ui);
    let width = (ui.available_width() * SHARE).clamp(*WIDTH.start(), *WIDTH.end());
    Panel::left("types").frame(frame).exact_size(width).resizable(false).show(ui, |ui| {
        let side = opened.sizing.side;
        let least = if side == Side::Size { ADAPTERS_HEIGHT_BY_SIZE } else { ADAPTERS_HEIGHT };
        let is_high = ui.available_height() > least;
        let below = Frame::new().inner_margin(Margin { top: 8, ..Margin::ZERO });
        Panel::bottom("overrides").frame(below).show(ui, |ui| {
            match side {
                Side::Type => importance::show(ui, state, opened, actions),
                Side::Size => size::observed(ui, opened, actions),
            }
            if is_high && opened.model.kind != Kind::Adapter || !opened.model.adapters.is_empty() {
                adapters::show(ui, opened, actions);
            }
            overrides::show(ui, opened, actions);
        });
        ui.horizontal(|ui| {
            heads(ui, opened, actions);
            if side == Side::Type {
                types::find(ui, opened, actions);
            }
        });
        match side {
            Side::Type => types::show(ui, opened, actions),
            Side::Size => size::show(ui, opened, actions),
        }
    });
}

/// An adapter has no mixes.
fn heads(ui: &mut Ui, opened: &Opened, actions: &mut Vec<Action>) {
    let colours = theme::palette(ui);
    if opened.model.kind == Kind::Adapter {
        ui.heading(Side::Type.label());
        return;
    }
    ui.scope(|ui| {
        ui.spacing_mut().button_padding.x = 0.0;
        ui.spacing_mut().item_spacing.x = APART;
        for side in Side::ALL {
            let is_front = opened.sizing.side == side;
            let colour = if is_front { colours.text } else { colours.muted };
            let text = RichText::new(side.label()).text_style(TextStyle::Heading).color(colour);
            let button = Button::selectable(is_front, text).fill(Color32::TRANSPARENT).stroke(Stroke::NONE);
            let action = Action::Size(Wish::Turn(side));
            let response = explain(ui.add(button), &action);
            if is_front {
                ui.painter().hline(response.rect.x_range(), response.rect.bottom(), (2.0, colours.accent));
            }
            if response.clicked() {
                actions.push(action);
            }
        }
    });
}
