//! The menu of formats for the chosen tensors: which tensors, then every format with what would come of it.

use crate::gui::action::Action;
use crate::gui::offer::{Offer, code_bits, offers};
use crate::gui::selection::{Select, kind, members};
use crate::gui::state::Opened;
use crate::gui::theme;
use crate::gui::widgets::explain;
use crate::units;
use egui::accesskit::Role;
use egui::{
    Align2, FontId, Label, Popup, PopupCloseBehavior, Response, RichText, Sense, TextStyle, Ui, WidgetInfo, pos2, vec2,
};
use std::collections::BTreeSet;

/// Of a column of formats, and of the bits before it.
const FORMAT_WIDTH: f32 = 256.0;
const BITS_WIDTH: f32 = 52.0;
/// Of a format.
const LINE: f32 = 6.0 * theme::GRID;
/// Codes of this many bits and more stand in the left column.
const LEFT: u32 = 4;

/// Opens under `button` when that is clicked.
pub(super) fn menu(button: &Response, opened: &Opened, actions: &mut Vec<Action>) {
    let popup = Popup::menu(button).close_behavior(PopupCloseBehavior::CloseOnClickOutside);
    popup.show(|ui| {
        ui.set_width(2.0 * (BITS_WIDTH + FORMAT_WIDTH) + theme::APART);
        ui.spacing_mut().item_spacing = vec2(theme::GRID, theme::GRID);
        ui.spacing_mut().button_padding.x = theme::NEAR;
        let chosen = &opened.table.selection.tensors;
        head(ui, opened, chosen);
        scopes(ui, opened, actions);
        ui.separator();
        ui.spacing_mut().item_spacing.y = 0.0;
        columns(ui, opened, chosen, actions);
        if chosen.iter().any(|index| opened.choice.decision().picks.contains_key(index)) {
            ui.add_space(theme::GRID);
            ui.separator();
            ui.add_space(theme::GRID);
            follow(ui, opened, chosen, actions);
        }
    });
}

fn head(ui: &mut Ui, opened: &Opened, chosen: &BTreeSet<usize>) {
    let text = match chosen.iter().next() {
        Some(only) if chosen.len() == 1 => opened.model.tensors[*only].name.clone(),
        _ => format!("{} tensors", units::grouped(chosen.len() as u64)),
    };
    let weights = chosen.iter().map(|index| opened.model.tensors[*index].weights()).sum();
    ui.horizontal(|ui| {
        ui.add_space(theme::NEAR);
        ui.add(Label::new(RichText::new(text).text_style(theme::value())).truncate());
        let weights = format!("{} weights", units::count(weights));
        ui.label(RichText::new(weights).small().color(theme::palette(ui).muted));
    });
}

/// The tensor that was clicked, or what it belongs to.
fn scopes(ui: &mut Ui, opened: &Opened, actions: &mut Vec<Action>) {
    let Some(anchor) = opened.table.selection.anchor else { return };
    let tensor = &opened.model.tensors[anchor];
    let kind = Select::Kind(anchor);
    let mut scopes = vec![(Select::Only(anchor), "This tensor".to_owned())];
    if let Some(layer) = tensor.layer() {
        scopes.push((kind, format!("Every {}", self::kind(tensor))));
        scopes.push((Select::Layer(anchor), format!("Layer {layer}")));
    }
    scopes.push((Select::Shown, "All in the table".to_owned()));
    ui.horizontal_wrapped(|ui| {
        ui.add_space(theme::NEAR);
        for (select, label) in scopes {
            let of = members(select, Some(anchor), &opened.model, &opened.table.rows);
            let label = if of.len() > 1 { format!("{label} ({})", units::grouped(of.len() as u64)) } else { label };
            if ui.selectable_label(of == opened.table.selection.tensors, label).clicked() {
                actions.push(Action::Select(select));
            }
        }
    });
}

fn columns(ui: &mut Ui, opened: &Opened, chosen: &BTreeSet<usize>, actions: &mut Vec<Action>) {
    let offers = offers(&opened.model, chosen);
    let is_left = |offer: &&Offer| code_bits(offer.format).is_none_or(|bits| bits >= LEFT);
    let (left, right): (Vec<&Offer>, Vec<&Offer>) = offers.iter().partition(is_left);
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = theme::APART;
        for mut column in [left, right] {
            // Groups of as many bits, in which the list's order, by size, stays.
            column.sort_by_key(|offer| std::cmp::Reverse(code_bits(offer.format).unwrap_or(u32::MAX)));
            ui.vertical(|ui| {
                let mut before = None;
                for offer in column {
                    let bits = code_bits(offer.format);
                    let is_first = before.replace(bits) != Some(bits);
                    line(ui, opened, chosen, offer, is_first, actions);
                }
            });
        }
    });
}

fn line(
    ui: &mut Ui,
    opened: &Opened,
    chosen: &BTreeSet<usize>,
    offer: &Offer,
    is_first: bool,
    actions: &mut Vec<Action>,
) {
    let colours = theme::palette(ui);
    let picks = &opened.choice.decision().picks;
    let is_current = chosen.iter().all(|index| match picks.get(index) {
        Some(pick) => *pick == offer.format,
        None => opened.choice.plan.tensors[*index].format == offer.format,
    });
    let (whole, _) = ui.allocate_exact_size(vec2(BITS_WIDTH + FORMAT_WIDTH, LINE), Sense::hover());
    let rect = whole.with_min_x(whole.left() + BITS_WIDTH);
    let action = Action::GiveType(Some(offer.format));
    let response = ui.interact(rect, ui.scope_id().with(("format", offer.format.name)), Sense::click());
    let painter = ui.painter();
    if is_current && !chosen.is_empty() {
        painter.rect_filled(rect, theme::ROUND, colours.selected);
    } else if response.hovered() || response.has_focus() {
        painter.rect_filled(rect, theme::ROUND, colours.raised);
    }
    let small = TextStyle::Small.resolve(ui.style());
    let name = FontId::monospace(12.5);
    let middle = rect.center().y;
    if is_first {
        let bits = match code_bits(offer.format) {
            None => "Floats".to_owned(),
            Some(1) => "1 bit".to_owned(),
            Some(bits) => format!("{bits} bits"),
        };
        let at = pos2(whole.left() + theme::NEAR, middle);
        painter.text(at, Align2::LEFT_CENTER, bits, small.clone(), colours.muted);
    }
    let note = note(offer, chosen.len());
    let bytes = units::bytes(offer.bytes);
    let is_refused = offer.refused == chosen.len();
    let colour = if is_refused { colours.muted } else { colours.text };
    let left = rect.left() + theme::NEAR;
    let end = painter.text(pos2(left, middle), Align2::LEFT_CENTER, offer.format.name, name.clone(), colour).right();
    painter.text(pos2(end + theme::NEAR, middle), Align2::LEFT_CENTER, &note, small, colours.warn);
    let right = pos2(rect.right() - theme::NEAR, middle);
    painter.text(right, Align2::RIGHT_CENTER, &bytes, name, colours.muted);
    let spoken = format!("{}, {bytes}{}{note}", offer.format.name, if note.is_empty() { "" } else { ", " });
    response.widget_info(|| WidgetInfo::selected(Role::MenuItemRadio, true, is_current, &spoken));
    if explain(response, &action).clicked() {
        actions.push(action);
        ui.close();
    }
}

/// What a format becomes where its blocks do not divide the rows.
fn note(offer: &Offer, chosen: usize) -> String {
    match (&offer.instead[..], offer.refused) {
        ([], _) => String::new(),
        ([instead], refused) if refused == chosen => format!("becomes {instead}"),
        ([instead], refused) => format!("{} become {instead}", units::grouped(refused as u64)),
        (_, refused) => format!("{} do not fit", units::grouped(refused as u64)),
    }
}

/// The way back to the recipe.
fn follow(ui: &mut Ui, opened: &Opened, chosen: &BTreeSet<usize>, actions: &mut Vec<Action>) {
    let known = chosen.iter().filter_map(|index| opened.choice.unpicked.get(*index));
    let mut formats: Vec<&str> = known.map(|format| format.name).collect();
    formats.dedup();
    formats.sort_unstable();
    formats.dedup();
    let action = Action::GiveType(None);
    let text = match formats.is_empty() {
        true => "Follow the mix".to_owned(),
        false => format!("{} ({})", action.label(), formats.join(", ")),
    };
    if explain(ui.button(text), &action).clicked() {
        actions.push(action);
        ui.close();
    }
}
