//! The middle of the window: one tab in front. A later capability adds its tab to `Tab` and its panel here.

use super::{errors, fallbacks, fit, kv, metadata, prompt, pruning, quality, result, tensors};
use crate::gui::action::Action;
use crate::gui::state::{Opened, State, Tab};
use crate::gui::theme;
use crate::units;
use egui::containers::menu::MenuButton;
use egui::{Button, RichText, Ui};

/// How far apart heads are where there is room, and where there is none.
const GAPS: [f32; 2] = [6.0 * theme::GRID, theme::NEAR + theme::GRID];
/// What a tab's own field has at least, beside the heads.
const FIELD: f32 = 140.0;
/// Over the heads that there is no room for.
const MORE: &str = "More";

pub(super) fn show(ui: &mut Ui, state: &State, opened: &Opened, actions: &mut Vec<Action>) {
    ui.horizontal(|ui| {
        let heads = Heads::new(ui, opened);
        ui.spacing_mut().button_padding.x = 0.0;
        ui.spacing_mut().item_spacing.x = heads.gap;
        heads.shown.iter().for_each(|tab| head(ui, opened, *tab, actions));
        if !heads.hidden.is_empty() {
            more(ui, opened, &heads.hidden, actions);
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

/// Which heads there is room for. The one in front always has some; the last ones go first.
struct Heads {
    shown: Vec<Tab>,
    hidden: Vec<Tab>,
    gap: f32,
}

impl Heads {
    fn new(ui: &Ui, opened: &Opened) -> Self {
        let font = egui::TextStyle::Heading.resolve(ui.style());
        let width = |text: String| ui.painter().layout_no_wrap(text, font.clone(), egui::Color32::WHITE).size().x;
        let has_field = matches!(opened.tab, Tab::Tensors | Tab::Metadata | Tab::Fit);
        let room = ui.available_width() - if has_field { FIELD } else { 0.0 };
        let mut shown: Vec<(Tab, f32)> = Tab::ALL.into_iter().map(|tab| (tab, width(label(opened, tab)))).collect();
        let taken = |shown: &[(Tab, f32)], gap: f32| shown.iter().map(|(_, width)| width + gap).sum::<f32>();
        let gap = GAPS.into_iter().find(|gap| taken(&shown, *gap) <= room).unwrap_or(GAPS[1]);
        let mut hidden = Vec::new();
        if taken(&shown, gap) > room {
            let room = room - width(MORE.to_owned()) - gap;
            while let Some(last) = shown.iter().rposition(|(tab, _)| *tab != opened.tab) {
                hidden.insert(0, shown.remove(last).0);
                if taken(&shown, gap) <= room {
                    break;
                }
            }
        }
        Self { shown: shown.into_iter().map(|(tab, _)| tab).collect(), hidden, gap }
    }
}

fn label(opened: &Opened, tab: Tab) -> String {
    let count = match tab {
        Tab::Fallbacks => opened.choice.plan.fallbacks.len(),
        Tab::Metadata => opened.sheet.cautions().count(),
        _ => 0,
    };
    match count {
        0 => tab.label().to_owned(),
        n => format!("{} {}", tab.label(), units::grouped(n as u64)),
    }
}

fn more(ui: &mut Ui, opened: &Opened, hidden: &[Tab], actions: &mut Vec<Action>) {
    let text = RichText::new(MORE).text_style(egui::TextStyle::Heading).color(theme::palette(ui).muted);
    let button = Button::new(text).fill(egui::Color32::TRANSPARENT).stroke(egui::Stroke::NONE);
    MenuButton::from_button(button).ui(ui, |ui| {
        for tab in hidden {
            if ui.button(label(opened, *tab)).clicked() {
                actions.push(Action::Show(*tab));
                ui.close();
            }
        }
    });
}

fn head(ui: &mut Ui, opened: &Opened, tab: Tab, actions: &mut Vec<Action>) {
    let colours = theme::palette(ui);
    let is_front = opened.tab == tab;
    let colour = if is_front { colours.text } else { colours.muted };
    let text = RichText::new(label(opened, tab)).text_style(egui::TextStyle::Heading).color(colour);
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
