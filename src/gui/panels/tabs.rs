//! The middle of the window: one tab in front. A later capability adds its tab to `Tab` and its panel here.

use super::{errors, fallbacks, fit, kv, metadata, prompt, pruning, quality, result, tensors};
use crate::gui::action::Action;
use crate::gui::state::{Opened, State, Tab};
use crate::gui::theme;
use crate::units;
use egui::{Button, RichText, Ui};

/// With room for heads further apart.
const WIDE: f32 = 720.0;
/// How far apart they are there.
const APART: f32 = 6.0 * theme::GRID;

pub(super) fn show(ui: &mut Ui, state: &State, opened: &Opened, actions: &mut Vec<Action>) {
    ui.horizontal(|ui| {
        ui.spacing_mut().button_padding.x = 0.0;
        let is_wide = ui.available_width() >= WIDE;
        ui.spacing_mut().item_spacing.x = if is_wide { APART } else { theme::NEAR };
        for tab in Tab::ALL {
            head(ui, opened, tab, is_wide, actions);
        }
        ui.reset_style();
        match opened.tab {
            Tab::Tensors => tensors::filter(ui, opened, actions),
            Tab::Metadata => metadata::filter(ui, opened, actions),
            Tab::Fit => fit::find(ui, &state.fit, actions),
            _ => {}
        }
    });
    ui.add_space(theme::GRID);
    match opened.tab {
        Tab::Tensors => tensors::show(ui, opened, actions),
        Tab::Metadata => metadata::show(ui, opened, actions),
        Tab::Fit => fit::show(ui, state, opened, actions),
        Tab::Kv => kv::show(ui, opened, actions),
        Tab::Prompt => prompt::show(ui, state, opened, actions),
        Tab::Pruning => pruning::show(ui, opened, actions),
        Tab::Quality => quality::show(ui, state, opened, actions),
        Tab::Fallbacks => fallbacks::show(ui, opened, actions),
        Tab::Result => result::show(ui, opened, actions),
        Tab::Errors => errors::show(ui, state, opened, actions),
    }
}

fn head(ui: &mut Ui, opened: &Opened, tab: Tab, is_wide: bool, actions: &mut Vec<Action>) {
    let colours = theme::palette(ui);
    let is_front = opened.tab == tab;
    let colour = if is_front { colours.text } else { colours.muted };
    let count = match tab {
        Tab::Fallbacks => opened.choice.plan.fallbacks.len(),
        Tab::Metadata => opened.sheet.cautions().count(),
        _ => 0,
    };
    let label = match count {
        0 => tab.label().to_owned(),
        n => format!("{} {}", tab.label(), units::grouped(n as u64)),
    };
    // In the smallest window all of them have room in smaller letters only.
    let style = if is_wide { egui::TextStyle::Heading } else { theme::value() };
    let text = RichText::new(label).text_style(style).color(colour);
    let button = Button::selectable(is_front, text).fill(egui::Color32::TRANSPARENT).stroke(egui::Stroke::NONE);
    let response = ui.add(button);
    if is_front {
        let line = response.rect.bottom();
        ui.painter().hline(response.rect.x_range(), line, (2.0, colours.accent));
    }
    if response.clicked() {
        actions.push(Action::Show(tab));
    }
}
