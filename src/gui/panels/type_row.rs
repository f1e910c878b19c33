//! A type in the picker: a tick to write it, its name, its exact size, and a sentence about it.

use crate::gui::action::Action;
use crate::gui::choice::Size;
use crate::gui::state::USUAL;
use crate::gui::theme;
use crate::gui::widgets::tick;
use crate::recipe::Preset;
use crate::units;
use egui::accesskit::Role;
use egui::{Align2, FontId, Rect, Response, Sense, TextStyle, Ui, WidgetInfo, pos2, vec2};

/// Of the column of bits.
pub(super) const BITS_WIDTH: f32 = 84.0;
/// Of a row's contents from its ends.
pub(super) const PADDING: f32 = 10.0;
/// Of the tick.
const TICK_WIDTH: f32 = 6.5 * theme::GRID;

/// What a row shows.
pub(super) struct Row {
    pub(super) preset: &'static Preset,
    pub(super) size: Size,
    pub(super) is_chosen: bool,
    pub(super) is_ticked: bool,
    /// Whether its sentence stands under it.
    pub(super) is_explained: bool,
    /// Whether it needs an importance matrix and there is none.
    pub(super) lacks_imatrix: bool,
}

/// Draws a row. The response is that of the row without the tick.
pub(super) fn show(ui: &mut Ui, row: &Row, actions: &mut Vec<Action>) -> Response {
    let Row { preset, size, is_chosen, is_ticked, is_explained, lacks_imatrix } = *row;
    let colours = theme::palette(ui);
    let width = ui.available_width();
    let small = TextStyle::Small.resolve(ui.style());
    let about = is_explained.then(|| {
        let room = width - TICK_WIDTH - PADDING;
        ui.painter().layout(preset.about.to_owned(), small.clone(), colours.muted, room)
    });
    let about_height = about.as_ref().map_or(0.0, |text| text.size().y + theme::NEAR);
    let (rect, response) = ui.allocate_exact_size(vec2(width, theme::LINE + about_height), Sense::click());
    let painter = ui.painter();
    if is_chosen {
        painter.rect_filled(rect, theme::ROUND, colours.selected);
        let mark = Rect::from_min_max(rect.left_top(), pos2(rect.left() + 3.0, rect.bottom()));
        painter.with_clip_rect(mark).rect_filled(rect, theme::ROUND, colours.accent);
    } else if response.hovered() {
        painter.rect_filled(rect, theme::ROUND, colours.raised);
    }
    if response.has_focus() {
        painter.rect_stroke(rect, theme::ROUND, (1.0, colours.accent), egui::StrokeKind::Inside);
    }
    let middle = rect.top() + theme::LINE / 2.0;
    let (left, right) = (rect.left() + TICK_WIDTH + theme::GRID, rect.right() - PADDING);
    let name = theme::value().resolve(ui.style());
    let number = FontId::monospace(name.size - 1.0);
    let bits = format!("{:.2}", size.bits_per_weight);
    let bytes = units::bytes(size.file_bytes);
    let end = painter.text(pos2(left, middle), Align2::LEFT_CENTER, preset.name, name, colours.text).right();
    let (note, colour) = note(preset, lacks_imatrix, colours);
    painter.text(pos2(end + theme::NEAR, middle + 0.5), Align2::LEFT_CENTER, note, small, colour);
    painter.text(pos2(right - BITS_WIDTH, middle), Align2::RIGHT_CENTER, &bytes, number.clone(), colours.text);
    painter.text(pos2(right, middle), Align2::RIGHT_CENTER, &bits, number, colours.muted);
    if let Some(text) = about {
        painter.galley(pos2(left, rect.top() + theme::LINE - 2.0), text, colours.muted);
    }
    let spoken = format!("{}, {bytes}, {bits} bits per weight", preset.name);
    response.widget_info(|| WidgetInfo::selected(Role::RadioButton, true, is_chosen, &spoken));
    let box_rect = Rect::from_min_size(rect.left_top() + vec2(3.0, 0.0), vec2(TICK_WIDTH, theme::LINE));
    tick(ui, box_rect, is_ticked, actions, Action::Tick(preset));
    response.on_hover_ui(|ui| {
        ui.label(preset.about);
        ui.weak(format!("{} bytes", units::grouped(size.file_bytes)));
    })
}

/// A word beside the name.
fn note(preset: &Preset, lacks_imatrix: bool, colours: &theme::Palette) -> (&'static str, egui::Color32) {
    if lacks_imatrix {
        ("needs imatrix", colours.warn)
    } else if preset.name == USUAL {
        ("usual", colours.accent)
    } else {
        ("", colours.muted)
    }
}
