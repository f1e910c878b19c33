//! A horizontal bar of coloured segments.

use crate::gui::theme;
use egui::accesskit::Role;
use egui::{Color32, CornerRadius, Rect, Response, Sense, Ui, WidgetInfo, pos2, vec2};

/// A part of a bar.
pub(in crate::gui) struct Segment {
    /// From 0 to 1 of the whole bar.
    pub(in crate::gui) share: f32,
    pub(in crate::gui) colour: Color32,
}

/// Draws segments one after another from the left. `label` is what a screen reader says.
pub(in crate::gui) fn bar(ui: &mut Ui, segments: &[Segment], label: &str) -> Response {
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 2.0 * theme::GRID), Sense::hover());
    let round = CornerRadius::same(theme::GRID as u8);
    let painter = ui.painter();
    painter.rect_filled(rect, round, theme::palette(ui).pressed);
    let mut left = rect.left();
    for segment in segments.iter().filter(|segment| segment.share > 0.0) {
        // A sliver stays visible.
        let width = (segment.share * rect.width()).max(2.0);
        let right = (left + width).min(rect.right());
        let part = Rect::from_min_max(pos2(left, rect.top()), pos2(right, rect.bottom()));
        // Each is clipped out of a bar with round ends.
        painter.with_clip_rect(part).rect_filled(rect, round, segment.colour);
        left = right;
    }
    response.widget_info(|| WidgetInfo::labeled(Role::ProgressIndicator, true, label));
    response
}
