//! Buttons that stand for actions.

use crate::gui::action::Action;
use crate::gui::theme;
use egui::accesskit::Role;
use egui::{Button, Response, RichText, Sense, Ui, WidgetInfo, vec2};

/// An ordinary button.
pub(in crate::gui) fn button(ui: &mut Ui, actions: &mut Vec<Action>, action: Action) -> Response {
    let response = explain(ui.button(action.label()), &action);
    if response.clicked() {
        actions.push(action);
    }
    response
}

/// The button most people want next. `reason` says why it is disabled.
pub(in crate::gui) fn primary(
    ui: &mut Ui,
    actions: &mut Vec<Action>,
    action: Action,
    label: &str,
    reason: Option<&str>,
) -> Response {
    let colours = theme::palette(ui);
    let text = RichText::new(label).text_style(theme::value()).color(colours.on_accent);
    let button = Button::new(text).fill(colours.accent).min_size(vec2(0.0, theme::TALL));
    let mut response = ui.add_enabled(reason.is_none(), button);
    response = match reason {
        Some(reason) => response.on_disabled_hover_text(reason),
        None => explain(response, &action),
    };
    if response.clicked() {
        actions.push(action);
    }
    response
}

/// One of a few to choose from.
pub(in crate::gui) fn choice(ui: &mut Ui, is_chosen: bool, action: Action, actions: &mut Vec<Action>) {
    let colours = theme::palette(ui);
    let fill = if is_chosen { colours.selected } else { colours.window };
    let line = if is_chosen { colours.accent } else { colours.border };
    let response = ui.add(Button::selectable(is_chosen, action.label()).fill(fill).stroke((1.0, line)));
    if response.clicked() {
        actions.push(action);
    }
}

/// A line of a menu.
pub(in crate::gui) fn menu_item(ui: &mut Ui, actions: &mut Vec<Action>, action: Action, enabled: bool) {
    let shortcut = action.shortcut().map(|shortcut| ui.ctx().format_shortcut(&shortcut)).unwrap_or_default();
    let response = ui.add_enabled(enabled, Button::new(action.label()).shortcut_text(shortcut));
    let tooltip = action.tooltip();
    let response = if tooltip.is_empty() { response } else { response.on_hover_text(tooltip) };
    if response.clicked() {
        actions.push(action);
        ui.close();
    }
}

/// A small cross that removes or closes something, drawn because fonts differ in theirs.
pub(in crate::gui) fn cross(ui: &mut Ui, actions: &mut Vec<Action>, action: Action) {
    let (rect, response) = ui.allocate_exact_size(vec2(theme::ROW, theme::ROW), Sense::click());
    let visuals = ui.style().interact(&response);
    if response.hovered() || response.has_focus() {
        ui.painter().rect_filled(rect, theme::ROUND, visuals.bg_fill);
    }
    let arm = rect.shrink(2.5 * theme::GRID);
    let stroke = egui::Stroke::new(1.5, theme::palette(ui).muted);
    ui.painter().line_segment([arm.left_top(), arm.right_bottom()], stroke);
    ui.painter().line_segment([arm.right_top(), arm.left_bottom()], stroke);
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, action.label()));
    if explain(response, &action).clicked() {
        actions.push(action);
    }
}

/// Adds the action's explanation and shortcut, where it has them.
pub(in crate::gui) fn explain(response: Response, action: &Action) -> Response {
    let tooltip = action.tooltip();
    let keys = action.shortcut().map(|shortcut| response.ctx.format_shortcut(&shortcut));
    match (tooltip, keys) {
        ("", None) => response,
        (tooltip, None) => response.on_hover_text(tooltip),
        (tooltip, Some(keys)) => response.on_hover_ui(|ui| {
            ui.label(tooltip);
            ui.weak(keys);
        }),
    }
}
