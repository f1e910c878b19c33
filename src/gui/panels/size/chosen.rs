//! The file that is chosen: its exact bytes, what is predicted and measured of it, and where to move it.

use super::curve;
use crate::gui::action::Action;
use crate::gui::size::{Sizes, Wish};
use crate::gui::state::Opened;
use crate::gui::theme;
use crate::gui::widgets::{Field, explain, field};
use crate::units;
use egui::{Align, Label, Layout, RichText, Slider, TextStyle, Ui};

/// Of the picture, in a low window and in a high one.
const CURVE: std::ops::RangeInclusive<f32> = 104.0..=480.0;
/// Of all else that stands here.
const REST: f32 = 248.0;
/// Of the field.
const FIELD: f32 = 120.0;

pub(super) fn show(ui: &mut Ui, opened: &Opened, sizes: &Sizes, height: f32, actions: &mut Vec<Action>) {
    facts(ui, opened);
    curve::show(ui, opened, sizes, (height - REST).clamp(*CURVE.start(), *CURVE.end()), actions);
    slider(ui, opened, sizes, actions);
    curve::legend(ui, opened);
    exactly(ui, opened, sizes, actions);
}

/// Bytes at the left, divergence at the right.
fn facts(ui: &mut Ui, opened: &Opened) {
    let muted = theme::palette(ui).muted;
    let plan = &opened.choice.plan;
    let fact = |ui: &mut Ui, value: &str, about: &str| {
        ui.spacing_mut().item_spacing.y = 0.0;
        ui.add(Label::new(RichText::new(value).heading()).extend());
        ui.add(Label::new(RichText::new(about).small().color(muted)).extend());
    };
    ui.horizontal(|ui| {
        ui.vertical(|ui| {
            let about = format!("{}, {:.2} bits / weight", units::bytes(plan.file_bytes), plan.bits_per_weight);
            fact(ui, &format!("{} bytes", units::grouped(plan.file_bytes)), &about);
        });
        ui.with_layout(Layout::top_down(Align::Max), |ui| {
            let predicted =
                opened.sizing.predicted.map_or("…".to_owned(), |predicted| format!("≈ {}", figure(predicted)));
            let about = match measured(opened) {
                None => "KL divergence, predicted".to_owned(),
                Some(measured) => format!("KL divergence, predicted; {measured} measured"),
            };
            fact(ui, &predicted, &about);
        });
    });
}

/// What the quality tab found of this very mix.
fn measured(opened: &Opened) -> Option<String> {
    let mut comparable = opened.quality.comparable();
    let (_, found) = comparable.find(|(_, measured)| opened.is_current(&measured.trial))?;
    Some(figure(found.divergence.value))
}

/// Three digits that count.
fn figure(divergence: f64) -> String {
    let digits = if divergence > 0.0 { (2.0 - divergence.log10().floor()).clamp(2.0, 8.0) as usize } else { 2 };
    format!("{divergence:.digits$}")
}

/// Under the picture, whose sizes are at the same places.
fn slider(ui: &mut Ui, opened: &Opened, sizes: &Sizes, actions: &mut Vec<Action>) {
    let Some(asked) = opened.choice.decision().size else { return };
    let mut bytes = asked.bytes.clamp(sizes.smallest, sizes.largest) as f64;
    let all = sizes.smallest as f64..=sizes.largest as f64;
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 0.0;
        ui.add_space(curve::LEFT);
        ui.spacing_mut().slider_width = ui.available_width();
        let slider = Slider::new(&mut bytes, all).show_value(false).trailing_fill(true);
        let response = ui.add(slider);
        ui.ctx().accesskit_node_builder(response.id, |node| node.set_label(Wish::LetGo.label()));
        if response.changed() {
            actions.push(Action::Size(Wish::Move(bytes.round() as u64)));
        }
        if response.drag_stopped() || response.lost_focus() {
            actions.push(Action::Size(Wish::LetGo));
        }
    });
}

/// The size as it is typed.
fn exactly(ui: &mut Ui, opened: &Opened, sizes: &Sizes, actions: &mut Vec<Action>) {
    let muted = theme::palette(ui).muted;
    let sizing = &opened.sizing;
    let Some(asked) = opened.choice.decision().size else { return };
    ui.horizontal(|ui| {
        ui.label(RichText::new("At most").color(muted));
        let bytes = units::grouped(asked.bytes.clamp(sizes.smallest, sizes.largest));
        let looks = Field {
            id: ui.scope_id().with("exact size"),
            label: &Wish::Leave.label(),
            hint: "4.5 GB",
            style: TextStyle::Monospace,
            width: FIELD,
        };
        let (response, changed) = field(ui, sizing.typed.as_ref().unwrap_or(&bytes), looks);
        if response.lost_focus() {
            actions.push(Action::Size(Wish::Leave));
        }
        actions.extend(changed.map(|text| Action::Size(Wish::Type(text))));
        let units = ui.label(RichText::new("bytes, GB or bits / weight").small().color(muted));
        units.on_hover_text("Such as 4,831,838,208, 4.5 GB or 4.2 bits. The file is never larger.");
    });
    let action = Action::Size(Wish::WriteRecipe(!sizing.writes_recipe));
    let mut is_ticked = sizing.writes_recipe;
    let response = explain(ui.checkbox(&mut is_ticked, action.label()), &action);
    if response.changed() {
        actions.push(action);
    }
}
