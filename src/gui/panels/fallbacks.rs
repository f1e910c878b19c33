//! Tensors that cannot have the type of the recipe, by reason. Only the lines in sight are drawn.

use crate::gui::action::Action;
use crate::gui::state::Opened;
use crate::gui::theme;
use crate::recipe::FallbackGroup;
use egui::accesskit::Role;
use egui::{Align, Label, Layout, Response, RichText, ScrollArea, Sense, Shape, Ui, WidgetInfo, pos2, vec2};

/// A line of the list: a group's sentence, what is in it, or one tensor of it.
#[derive(Clone, Copy)]
enum Line<'a> {
    Sentence(usize, &'a FallbackGroup),
    Kinds(&'a FallbackGroup),
    Tensor(&'a FallbackGroup, usize),
}

pub(super) fn show(ui: &mut Ui, opened: &Opened, actions: &mut Vec<Action>) {
    let colours = theme::palette(ui);
    let groups = &opened.choice.fallbacks;
    if groups.is_empty() {
        ui.add_space(theme::APART);
        let text = format!("None: every tensor can have the type that {} gives it.", opened.choice.title());
        ui.vertical_centered(|ui| ui.label(RichText::new(text).color(colours.muted)));
        return;
    }
    let lines: Vec<Line<'_>> =
        groups.iter().enumerate().flat_map(|(place, group)| lines(opened, place, group)).collect();
    ui.spacing_mut().item_spacing.y = 0.0;
    ScrollArea::vertical().auto_shrink(false).show_rows(ui, theme::LINE, lines.len(), |ui, range| {
        for line in &lines[range] {
            ui.allocate_ui_with_layout(
                vec2(ui.available_width(), theme::LINE),
                Layout::left_to_right(Align::Center),
                |ui| draw(ui, opened, *line, actions),
            );
        }
    });
}

fn lines<'a>(opened: &Opened, place: usize, group: &'a FallbackGroup) -> Vec<Line<'a>> {
    let mut lines = vec![Line::Sentence(place, group)];
    match opened.unfolded.contains(&place) {
        true => lines.extend((0..group.tensors.len()).map(|tensor| Line::Tensor(group, tensor))),
        false => lines.push(Line::Kinds(group)),
    }
    lines
}

/// Room for the triangle, by which the names are set in as well.
const INDENT: f32 = 5.0 * theme::GRID;

fn draw(ui: &mut Ui, opened: &Opened, line: Line<'_>, actions: &mut Vec<Action>) {
    let colours = theme::palette(ui);
    match line {
        Line::Sentence(place, group) => {
            if sentence(ui, group, opened.unfolded.contains(&place)).clicked() {
                actions.push(Action::Unfold(place));
            }
        }
        Line::Kinds(group) => {
            ui.add_space(INDENT);
            let names = group.names();
            let text = RichText::new(&names).monospace().color(colours.muted);
            ui.add(Label::new(text).truncate()).on_hover_text(names);
        }
        Line::Tensor(group, tensor) => {
            ui.add_space(INDENT);
            ui.label(RichText::new(&group.tensors[tensor]).monospace());
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                ui.add_space(theme::NEAR);
                let text = format!("{} instead of {}, rows of {}", group.got, group.wanted, group.columns);
                ui.add(Label::new(RichText::new(text).small().color(colours.muted)).truncate());
            });
        }
    }
}

/// The whole line folds and unfolds.
fn sentence(ui: &mut Ui, group: &FallbackGroup, is_open: bool) -> Response {
    let colours = theme::palette(ui);
    let (rect, response) = ui.allocate_exact_size(ui.available_size(), Sense::click());
    if response.hovered() || response.has_focus() {
        ui.painter().rect_filled(rect, theme::ROUND, colours.raised);
    }
    let (middle, arm) = (pos2(rect.left() + 2.0 * theme::GRID, rect.center().y), theme::GRID);
    let corners = match is_open {
        true => [vec2(-arm, -arm / 2.0), vec2(arm, -arm / 2.0), vec2(0.0, arm * 0.75)],
        false => [vec2(-arm / 2.0, -arm), vec2(-arm / 2.0, arm), vec2(arm * 0.75, 0.0)],
    };
    let triangle = corners.map(|corner| middle + corner).to_vec();
    ui.painter().add(Shape::convex_polygon(triangle, colours.muted, egui::Stroke::NONE));
    let text = group.sentence();
    let mut inside = ui.new_child(egui::UiBuilder::new().max_rect(rect.with_min_x(rect.left() + INDENT)));
    inside.add(Label::new(RichText::new(&text).color(colours.warn)).truncate().sense(Sense::hover()));
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, is_open, &text));
    response.on_hover_text(text)
}
