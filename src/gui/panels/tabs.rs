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
        ui.spacing_mut().item_spacing.x = if ui.available_width() < WIDE { theme::NEAR + theme::GRID } else { APART };
        for tab in Tab::ALL {
            head(ui, opened, tab, actions);
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

fn head(ui: &mut Ui, opened: &Opened, tab: Tab, actions: &mut Vec<Action>) {
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
    let text = RichText::new(label).text_style(egui::TextStyle::Heading).color(colour);
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
