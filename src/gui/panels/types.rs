//! The type picker: every type with its exact size, by group.

use super::type_row;
use crate::gui::action::Action;
use crate::gui::state::Opened;
use crate::gui::theme;
use crate::gui::widgets::{Field, explain, field};
use egui::style::ScrollAnimation;
use egui::{Align, Align2, Id, Layout, Rect, RichText, ScrollArea, Sense, TextStyle, Ui, pos2, vec2};

/// A list as wide and high as this has room for every explanation.
const ABOUT_WIDTH: f32 = 420.0;
const ABOUT_HEIGHT: f32 = 480.0;
const FIND_WIDTH: f32 = 150.0;
/// Of the heads of the columns, and of a group's.
const HEAD: f32 = 6.0 * theme::GRID;

pub(super) fn show(ui: &mut Ui, opened: &Opened, actions: &mut Vec<Action>) {
    heads(ui);
    list(ui, opened, actions);
}

/// The search, at the right of the heads.
pub(super) fn find(ui: &mut Ui, opened: &Opened, actions: &mut Vec<Action>) {
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        let looks = Field {
            id: ui.scope_id().with("find"),
            label: "Find a type",
            hint: "Find a type",
            style: TextStyle::Body,
            width: FIND_WIDTH,
        };
        let (response, changed) = field(ui, &opened.picker.filter, looks);
        actions.extend(changed.map(Action::FindType));
        explain(response, &Action::FindType(String::new()));
    });
}

fn heads(ui: &mut Ui) {
    let font = TextStyle::Small.resolve(ui.style());
    let colour = theme::palette(ui).muted;
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), HEAD - theme::NEAR), Sense::hover());
    // The rows stand beside a scroll bar.
    let (middle, right) = (rect.center().y, rect.right() - ui.spacing().scroll.allocated_width() - type_row::PADDING);
    for (x, text) in [(right - type_row::BITS_WIDTH, "File size"), (right, "Bits / weight")] {
        ui.painter().text(pos2(x, middle), Align2::RIGHT_CENTER, text, font.clone(), colour);
    }
}

fn list(ui: &mut Ui, opened: &Opened, actions: &mut Vec<Action>) {
    let colours = theme::palette(ui);
    let shown = opened.picker.shown();
    if shown.is_empty() {
        let text = format!("No type has “{}” in its name or explanation.", opened.picker.filter.trim());
        ui.label(RichText::new(text).color(colours.muted));
        return;
    }
    let is_roomy = ui.available_width() + theme::MARGIN.sum().x > ABOUT_WIDTH && ui.available_height() > ABOUT_HEIGHT;
    let decision = opened.choice.decision();
    ScrollArea::vertical().auto_shrink(false).min_scrolled_height(0.0).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        let mut group = None;
        for preset in shown {
            if group.replace(preset.group) != Some(preset.group) {
                group_head(ui, preset.group.title());
            }
            let is_chosen = *preset == *decision.preset;
            let row = type_row::Row {
                preset,
                size: opened.choice.size(preset),
                is_chosen,
                is_ticked: decision.ticked.contains(&preset),
                is_explained: is_chosen || is_roomy,
                lacks_imatrix: preset.needs_imatrix && decision.imatrix.is_none(),
            };
            let response = type_row::show(ui, &row, actions);
            if is_chosen {
                keep_in_sight(ui, preset.name, response.rect);
            }
            // Focus moves by the arrow keys too, and takes the choice along.
            if !is_chosen && (response.clicked() || response.gained_focus()) {
                actions.push(Action::ChooseType(preset));
            }
        }
    });
}

fn group_head(ui: &mut Ui, title: &str) {
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), HEAD), Sense::hover());
    let at = pos2(rect.left(), rect.bottom() - theme::GRID);
    let font = TextStyle::Small.resolve(ui.style());
    ui.painter().text(at, Align2::LEFT_BOTTOM, title, font, theme::palette(ui).muted);
}

/// Frames that a request to scroll can take to have its effect.
const CALM: u32 = 3;

/// Scrolls to the chosen type, with its neighbours, when another is chosen or the list gets another height. Without an
/// animation, which would go on to a place that was right before the list had its final height.
fn keep_in_sight(ui: &Ui, name: &'static str, row: Rect) {
    let (id, sight) = (Id::unique("type in sight"), ui.clip_rect().y_range());
    let wanted = (name, sight.span());
    let calm = match ui.data(|data| data.get_temp::<((&str, f32), u32)>(id)) {
        Some((before, calm)) if before == wanted => calm,
        _ => 0,
    };
    if calm == CALM {
        return;
    }
    let room = ((sight.span() - row.height()) / 3.0).clamp(0.0, 3.0 * theme::LINE);
    let is_in_sight = room == 0.0 || (sight.contains(row.top()) && sight.contains(row.bottom()));
    if !is_in_sight {
        ui.scroll_to_rect_animation(row.expand2(vec2(0.0, room)), None, ScrollAnimation::none());
    }
    ui.data_mut(|data| data.insert_temp(id, (wanted, if is_in_sight { calm + 1 } else { 0 })));
    ui.ctx().request_repaint();
}
