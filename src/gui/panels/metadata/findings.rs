//! What the lint found, the worst first: a line each, more of the one that is clicked.

use crate::gui::action::Action;
use crate::gui::state::Opened;
use crate::gui::theme;
use crate::gui::widgets::explain;
use crate::model::lint::{Finding, Severity};
use egui::accesskit::Role;
use egui::{
    Align, Align2, Color32, Frame, Label, Layout, Margin, RichText, ScrollArea, Sense, Shape, Stroke, TextStyle, Ui,
    UiBuilder, WidgetInfo, pos2, vec2,
};

/// Of the list, before it scrolls: lines, and the share of the tab.
const LINES: f32 = 5.5;
const SHARE: f32 = 0.4;
/// Room for a finding's mark.
const INDENT: f32 = 6.0 * theme::GRID;

pub(super) fn show(ui: &mut Ui, opened: &Opened, actions: &mut Vec<Action>) {
    let colours = theme::palette(ui);
    let findings = &opened.sheet.findings;
    if findings.is_empty() {
        ui.label(RichText::new("Nothing is wrong with the metadata, as far as Tuck can tell.").color(colours.muted));
        ui.add_space(theme::GRID);
        return;
    }
    let height = (LINES * theme::LINE).min(ui.available_height() * SHARE);
    Frame::new().fill(colours.panel).corner_radius(theme::ROUND).inner_margin(Margin::same(6)).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        ScrollArea::vertical().id_salt("findings").max_height(height).auto_shrink([false, true]).show(ui, |ui| {
            for (place, finding) in findings.iter().enumerate() {
                let is_open = opened.sheet.unfolded == Some(place);
                line(ui, place, finding, is_open, actions);
                if is_open {
                    more(ui, finding);
                }
            }
        });
    });
    ui.add_space(theme::GRID);
}

fn colour(ui: &Ui, severity: Severity) -> Color32 {
    let colours = theme::palette(ui);
    match severity {
        Severity::Error => colours.error,
        Severity::Caution => colours.warn,
        Severity::Note => colours.muted,
    }
}

fn line(ui: &mut Ui, place: usize, finding: &Finding, is_open: bool, actions: &mut Vec<Action>) {
    let colours = theme::palette(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), theme::LINE), Sense::click());
    if response.hovered() || response.has_focus() {
        ui.painter().rect_filled(rect, theme::ROUND, colours.raised);
    }
    mark(ui, pos2(rect.left() + INDENT / 2.0, rect.center().y), finding.severity);
    let inside = rect.with_min_x(rect.left() + INDENT);
    let layout = Layout::right_to_left(Align::Center);
    let mut child = ui.new_child(UiBuilder::new().max_rect(inside).layout(layout));
    if finding.fix.is_some() {
        let action = Action::Fix(place);
        let button = child.add(egui::Button::new(RichText::new(action.label()).small()).min_size(vec2(0.0, 0.0)));
        let spoken = format!("Fix {}", finding.key);
        button.widget_info(|| WidgetInfo::labeled(Role::Button, true, &spoken));
        if explain(button, &action).clicked() {
            actions.push(action);
        }
    }
    child.with_layout(Layout::left_to_right(Align::Center), |ui| {
        let text = RichText::new(sentence(finding)).color(colours.text);
        ui.add(Label::new(text).truncate().selectable(false).sense(Sense::hover()));
    });
    let spoken = format!("{}: {}", finding.severity.label(), sentence(finding));
    response.widget_info(|| WidgetInfo::selected(Role::Button, true, is_open, &spoken));
    if response.clicked() {
        actions.push(Action::UnfoldFinding(place));
    }
}

/// A filled mark for what will go wrong, a ring for what is good to know; its letter for those who see no colours.
fn mark(ui: &Ui, centre: egui::Pos2, severity: Severity) {
    let (colours, colour) = (theme::palette(ui), colour(ui, severity));
    let radius = 1.75 * theme::GRID;
    let (letter, ink) = match severity {
        Severity::Note => ("i", colour),
        Severity::Caution => ("!", theme::on(colour)),
        Severity::Error => ("×", theme::on(colour)),
    };
    match severity {
        Severity::Note => ui.painter().circle_stroke(centre, radius - 0.5, Stroke::new(1.0, colours.used)),
        Severity::Caution => {
            let corners = [vec2(0.0, -radius), vec2(radius, radius * 0.8), vec2(-radius, radius * 0.8)];
            let corners = corners.map(|corner| centre + corner * 1.1).to_vec();
            ui.painter().add(Shape::convex_polygon(corners, colour, Stroke::NONE))
        }
        Severity::Error => ui.painter().circle_filled(centre, radius, colour),
    };
    let font = TextStyle::Small.resolve(ui.style());
    ui.painter().text(centre, Align2::CENTER_CENTER, letter, font, ink);
}

/// `The chat template: it does not render`: what is found, behind the key where it does not name it.
fn sentence(finding: &Finding) -> String {
    let mut letters = finding.found.chars();
    let capital =
        letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>()).unwrap_or_default();
    match finding.found.starts_with("it ") {
        true => format!("{} – {}.", finding.key, finding.found),
        false => format!("{capital}."),
    }
}

fn more(ui: &mut Ui, finding: &Finding) {
    let colours = theme::palette(ui);
    Frame::new().inner_margin(Margin { left: INDENT as i8, right: 8, top: 0, bottom: 8 }).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = theme::GRID / 2.0;
        ui.add(
            Label::new(RichText::new(sentence(finding)).color(colour(ui, finding.severity))).wrap().selectable(true),
        );
        for text in [&finding.why, &finding.advice] {
            ui.add(Label::new(RichText::new(text).small().color(colours.text)).wrap().selectable(true));
        }
        ui.add(Label::new(RichText::new(&finding.key).small().monospace().color(colours.muted)).truncate());
    });
}
