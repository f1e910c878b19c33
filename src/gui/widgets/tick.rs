//! A box to tick, drawn into a given place.

use super::explain;
use crate::gui::action::Action;
use crate::gui::theme;
use egui::accesskit::Role;
use egui::{CornerRadius, Rect, Sense, Stroke, StrokeKind, Ui, WidgetInfo, vec2};

/// Of the box.
const SIDE: f32 = 3.5 * theme::GRID;

/// A box in the middle of `rect`, all of which can be clicked.
pub(in crate::gui) fn tick(ui: &mut Ui, rect: Rect, is_ticked: bool, actions: &mut Vec<Action>, action: Action) {
    let colours = theme::palette(ui);
    let response = ui.interact(rect, ui.scope_id().with(action.label()), Sense::click());
    let square = Rect::from_center_size(rect.center(), vec2(SIDE, SIDE));
    let round = CornerRadius::same(theme::GRID as u8);
    let is_near = response.hovered() || response.has_focus();
    let painter = ui.painter();
    if is_ticked {
        painter.rect_filled(square, round, colours.accent);
        let inside = square.shrink(3.5);
        let knee = inside.left_bottom() + vec2(inside.width() * 0.36, -inside.height() * 0.08);
        let stroke = Stroke::new(1.75, colours.on_accent);
        painter.line_segment([inside.left_center(), knee], stroke);
        painter.line_segment([knee, inside.right_top()], stroke);
    } else {
        let line = if is_near { colours.muted } else { colours.used };
        painter.rect_stroke(square, round, (1.0, line), StrokeKind::Inside);
    }
    response.widget_info(|| WidgetInfo::selected(Role::CheckBox, true, is_ticked, action.label()));
    if explain(response, &action).clicked() {
        actions.push(action);
    }
}
