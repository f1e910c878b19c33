//! The type picker: every type with its exact size, then overrides.

use super::{overrides, panel_frame};
use crate::gui::action::Action;
use crate::gui::choice::Size;
use crate::gui::state::Opened;
use crate::gui::theme;
use crate::recipe::{PRESETS, Preset};
use crate::units;
use egui::accesskit::Role;
use egui::{Align2, FontId, Panel, Rect, Response, ScrollArea, Sense, TextStyle, Ui, WidgetInfo, pos2, vec2};

/// From a small window to a large one, and the share of the window between.
const WIDTH: std::ops::RangeInclusive<f32> = 388.0..=520.0;
const SHARE: f32 = 0.27;
/// Wide enough for the explanations on one line each.
const ABOUT_WIDTH: f32 = 480.0;
/// Of the column of bits.
const BITS_WIDTH: f32 = 84.0;
const ROW_PADDING: f32 = 10.0;

pub(super) fn show(ui: &mut Ui, opened: &Opened, actions: &mut Vec<Action>) {
    let frame = panel_frame(ui);
    let width = (ui.available_width() * SHARE).clamp(*WIDTH.start(), *WIDTH.end());
    Panel::left("types").frame(frame).exact_size(width).resizable(false).show(ui, |ui| {
        // Explanations stand under all types where there is room, otherwise under the chosen one.
        let is_roomy = width > ABOUT_WIDTH && ui.available_height() > (PRESETS.len() as f32 + 2.0) * 2.0 * theme::LINE;
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            heads(ui);
            ui.spacing_mut().item_spacing.y = 0.0;
            for (preset, size) in PRESETS.iter().zip(&opened.choice.sizes) {
                let is_chosen = *preset == *opened.choice.decision().preset;
                let response = row(ui, preset, size, is_chosen, is_chosen || is_roomy);
                // Focus moves by the arrow keys too, and takes the choice along.
                if !is_chosen && (response.clicked() || response.gained_focus()) {
                    actions.push(Action::ChooseType(preset));
                }
            }
            ui.spacing_mut().item_spacing.y = theme::NEAR;
            ui.add_space(theme::NEAR);
            overrides::show(ui, opened, actions);
        });
    });
}

fn heads(ui: &mut Ui) {
    ui.horizontal(|ui| {
        ui.set_height(theme::ROW);
        ui.heading("Type");
        let font = TextStyle::Small.resolve(ui.style());
        let colours = theme::palette(ui);
        let (middle, right) = (ui.max_rect().center().y, ui.max_rect().right() - ROW_PADDING);
        for (x, text) in [(right - BITS_WIDTH, "File size"), (right, "Bits / weight")] {
            ui.painter().text(pos2(x, middle), Align2::RIGHT_CENTER, text, font.clone(), colours.muted);
        }
    });
}

fn row(ui: &mut Ui, preset: &Preset, size: &Size, is_chosen: bool, is_explained: bool) -> Response {
    let colours = theme::palette(ui);
    let width = ui.available_width();
    let about = is_explained.then(|| {
        let font = TextStyle::Small.resolve(ui.style());
        ui.painter().layout(preset.about.to_owned(), font, colours.muted, width - 2.0 * ROW_PADDING)
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
    let right = rect.right() - ROW_PADDING;
    let name = theme::value().resolve(ui.style());
    let number = FontId::monospace(name.size - 1.0);
    let bits = format!("{:.2}", size.bits_per_weight);
    let bytes = units::bytes(size.file_bytes);
    for (x, align, text, font, colour) in [
        (rect.left() + ROW_PADDING, Align2::LEFT_CENTER, preset.name, name, colours.text),
        (right - BITS_WIDTH, Align2::RIGHT_CENTER, &bytes, number.clone(), colours.text),
        (right, Align2::RIGHT_CENTER, &bits, number, colours.muted),
    ] {
        painter.text(pos2(x, middle), align, text, font, colour);
    }
    if let Some(text) = about {
        painter.galley(pos2(rect.left() + ROW_PADDING, rect.top() + theme::LINE - 2.0), text, colours.muted);
    }
    let spoken = format!("{}, {bytes}, {bits} bits per weight", preset.name);
    response.widget_info(|| WidgetInfo::selected(Role::RadioButton, true, is_chosen, &spoken));
    response.on_hover_ui(|ui| {
        ui.label(preset.about);
        ui.weak(format!("{} bytes", units::grouped(size.file_bytes)));
    })
}
