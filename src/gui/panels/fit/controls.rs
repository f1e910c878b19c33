//! How the model is run, the inverse question, and the choice of machines.

use crate::engine::Hardware;
use crate::fit::CACHE_TYPES;
use crate::gui::action::Action;
use crate::gui::fit::{CONTEXTS, Change, Fitting, MOST_SEQUENCES, SHORTEST};
use crate::gui::state::Opened;
use crate::gui::theme;
use crate::gui::widgets::{Field, field};
use crate::quant::FormatRef;
use crate::units;
use egui::accesskit::Role;
use egui::{Align, Checkbox, ComboBox, Id, Label, Layout, RichText, Slider, TextStyle, Ui, WidgetInfo};

/// With room for all of them side by side.
const WIDE: f32 = 760.0;
/// Of the sliders, and of the lists of types.
const SLIDER: f32 = 110.0;
const TYPES: f32 = 72.0;
/// Of the lists of machines.
const MACHINES: f32 = 230.0;
const LIST: f32 = 320.0;
/// Machines that are offered at once.
const FOUND: usize = 8;
/// Context goes in steps of what the cache does.
const STEP: f64 = 256.0;

pub(super) fn show(ui: &mut Ui, fitting: &Fitting, opened: &Opened, actions: &mut Vec<Action>) {
    if ui.available_width() < WIDE {
        ui.horizontal(|ui| tokens(ui, fitting, opened, actions));
        ui.horizontal(|ui| cache(ui, fitting, actions));
    } else {
        ui.horizontal(|ui| {
            tokens(ui, fitting, opened, actions);
            ui.add_space(theme::NEAR);
            cache(ui, fitting, actions);
        });
    }
    if let Some(problem) = fitting.problem {
        let colour = theme::palette(ui).error;
        ui.label(RichText::new(format!("It cannot be run so: {problem}.")).color(colour));
    }
}

/// How many tokens, of how many sequences.
fn tokens(ui: &mut Ui, fitting: &Fitting, opened: &Opened, actions: &mut Vec<Action>) {
    let (mut context, mut sequences) = (fitting.settings.context, fitting.settings.sequences);
    let longest = Fitting::longest(&opened.model);
    label(ui, "Context", "Tokens of context, of all sequences together.");
    ui.spacing_mut().slider_width = SLIDER;
    let slider = Slider::new(&mut context, SHORTEST.min(longest)..=longest).logarithmic(true).step_by(STEP);
    let slider = slider.custom_formatter(|n, _| units::grouped(n as u64)).custom_parser(parsed);
    if named(ui, slider, "Context").changed() {
        actions.push(Action::Fit(Change::Context(context)));
    }
    ui.add_space(theme::NEAR);
    label(ui, "Parallel", "Sequences side by side, which share the context.");
    ui.spacing_mut().slider_width = SLIDER / 2.0;
    if named(ui, Slider::new(&mut sequences, 1..=MOST_SEQUENCES).logarithmic(true), "Parallel sequences").changed() {
        actions.push(Action::Fit(Change::Sequences(sequences)));
    }
}

/// How they are cached.
fn cache(ui: &mut Ui, fitting: &Fitting, actions: &mut Vec<Action>) {
    let settings = &fitting.settings;
    let mut push = |change| actions.push(Action::Fit(change));
    label(ui, "Keys", "The type of cached keys, the more sensitive ones.");
    types(ui, "Type of keys", settings.keys, |format| push(Change::Keys(format)));
    label(ui, "Values", "The type of cached values.");
    types(ui, "Type of values", settings.values, |format| push(Change::Values(format)));
    let mut flash = settings.flash_attention;
    let tick = ui.add(Checkbox::new(&mut flash, "Flash attention"));
    if tick.on_hover_text("Attention in one operation, which needs less memory.").changed() {
        push(Change::FlashAttention(flash));
    }
}

/// `16 GB laptop, 32k context: which size?`
pub(super) fn question(ui: &mut Ui, fitting: &Fitting, hardware: &Hardware, actions: &mut Vec<Action>) {
    let (name, context) = &fitting.question;
    let width = (ui.available_width() * 0.3).min(MACHINES);
    ui.horizontal_wrapped(|ui| {
        ui.label("Largest type for");
        let mut chosen = None;
        combo(ui, "Machine to ask about", name, width, |ui| {
            for machine in hardware.this.iter().chain(hardware.targets.iter().map(|target| &target.machine)) {
                if ui.selectable_label(machine.name == *name, &machine.name).clicked() {
                    chosen = Some(Change::AskMachine(machine.name.clone()));
                }
            }
        });
        ui.label("with");
        combo(ui, "Context to ask about", &units::grouped(*context), TYPES, |ui| {
            for of in CONTEXTS {
                if ui.selectable_label(of == *context, units::grouped(of)).clicked() {
                    chosen = Some(Change::AskContext(of));
                }
            }
        });
        ui.label("tokens:");
        actions.extend(chosen.map(Action::Fit));
        match fitting.largest {
            None => {
                ui.label(RichText::new("none fits").color(theme::palette(ui).warn));
            }
            Some((preset, bytes)) => {
                let text = format!("{}, {}", preset.name, units::bytes(bytes));
                ui.label(RichText::new(text).text_style(theme::value())).on_hover_text(preset.about);
                let response = ui.button("Use it").on_hover_text("Choose this type in the list of types.");
                response.widget_info(|| WidgetInfo::labeled(Role::Button, true, format!("Use {}", preset.name)));
                if response.clicked() {
                    actions.push(Action::ChooseType(preset));
                }
            }
        }
    });
}

/// The search for more machines, at the right of the tabs.
pub(in crate::gui::panels) fn find(ui: &mut Ui, fitting: &Fitting, actions: &mut Vec<Action>) {
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        let looks = Field {
            id: Id::unique("find a machine"),
            label: "Find a machine",
            hint: "Add a machine…",
            style: TextStyle::Body,
            width: ui.available_width().min(180.0) - theme::NEAR,
        };
        let (_, changed) = field(ui, &fitting.find, looks);
        actions.extend(changed.map(|text| Action::Fit(Change::Find(text))));
    });
}

/// Machines that were searched for and are not looked at yet.
pub(super) fn found(ui: &mut Ui, fitting: &Fitting, hardware: &Hardware, actions: &mut Vec<Action>) {
    let wanted = fitting.find.trim().to_lowercase();
    if wanted.is_empty() {
        return;
    }
    let names = hardware.targets.iter().map(|target| &target.machine.name);
    let is_new = |name: &&String| name.to_lowercase().contains(&wanted) && !fitting.chosen.contains(name);
    let mut found = names.filter(is_new).peekable();
    ui.horizontal_wrapped(|ui| {
        if found.peek().is_none() {
            let text = "No other machine is called so. Your own go into targets.toml in Tuck’s configuration folder.";
            ui.label(RichText::new(text).small().color(theme::palette(ui).muted));
        }
        for name in found.take(FOUND) {
            if ui.button(name).on_hover_text("Look at this machine, too.").clicked() {
                actions.push(Action::Fit(Change::Add(name.clone())));
            }
        }
    });
}

fn types(ui: &mut Ui, label: &str, chosen: FormatRef, mut choose: impl FnMut(FormatRef)) {
    combo(ui, label, chosen.name, TYPES, |ui| {
        for &format in CACHE_TYPES {
            if ui.selectable_label(format == chosen, format.name).clicked() {
                choose(format);
            }
        }
    });
}

fn combo(ui: &mut Ui, label: &str, text: &str, width: f32, list: impl FnOnce(&mut Ui)) {
    let combo = ComboBox::from_id_salt(label).selected_text(text).width(width).height(LIST).truncate();
    let response = combo.show_ui(ui, list).response;
    response.widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, format!("{label}: {text}")));
}

fn label(ui: &mut Ui, text: &str, about: &str) {
    ui.add(Label::new(RichText::new(text).color(theme::palette(ui).muted)).extend()).on_hover_text(about);
}

fn named(ui: &mut Ui, slider: Slider<'_>, name: &str) -> egui::Response {
    let response = ui.add(slider);
    ui.ctx().accesskit_node_builder(response.id, |node| node.set_label(name));
    response
}

/// `32768`, `32,768` or `32k`.
fn parsed(text: &str) -> Option<f64> {
    let plain: String = text.chars().filter(|c| c.is_ascii_digit() || *c == '.').collect();
    let scale = if text.trim().ends_with(['k', 'K']) { 1024.0 } else { 1.0 };
    Some(plain.parse::<f64>().ok()? * scale)
}
