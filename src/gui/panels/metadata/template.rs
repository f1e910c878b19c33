//! The chat template, and what it makes of a conversation.

use super::{choice, value_id};
use crate::chat::EXAMPLES;
use crate::gui::action::Action;
use crate::gui::metadata::Editing;
use crate::gui::state::Opened;
use crate::gui::theme;
use crate::gui::widgets::{Field, button, text_area};
use crate::model::{CHAT_TEMPLATE, Usual};
use egui::text::{LayoutJob, TextFormat};
use egui::{
    Align, Color32, FontId, Frame, Label, Layout, Margin, RichText, ScrollArea, TextStyle, Ui, UiBuilder, vec2,
};
use regex::Regex;
use std::sync::LazyLock;

/// Bytes of text that are shown.
const SHOWN: usize = 64 << 10;
/// With room for template and preview side by side.
const WIDE: f32 = 700.0;

/// Another template, or none, at the right of the pages.
pub(super) fn buttons(ui: &mut Ui, opened: &Opened, actions: &mut Vec<Action>) {
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        if opened.sheet.typed_template().is_some() {
            button(ui, actions, Action::LeaveValue);
            button(ui, actions, Action::SetValue);
            return;
        }
        button(ui, actions, Action::ReadTemplate);
        button(ui, actions, Action::EditValue(Usual::named("chat-template").expect("one of the list")));
        if opened.model.value(CHAT_TEMPLATE).is_some() {
            button(ui, actions, Action::RemoveValue(CHAT_TEMPLATE.to_owned()));
        }
        let is_changed = opened.sheet.rows.iter().any(|row| row.key == CHAT_TEMPLATE && row.is_changed);
        if is_changed {
            button(ui, actions, Action::RestoreValue(CHAT_TEMPLATE.to_owned()));
        }
    });
}

pub(super) fn show(ui: &mut Ui, opened: &Opened, actions: &mut Vec<Action>) {
    let colours = theme::palette(ui);
    let typed = opened.sheet.typed_template();
    if let Some(problem) = typed.and_then(|editing| editing.problem.as_ref()) {
        ui.add(Label::new(RichText::new(problem).color(colours.error)).wrap());
    }
    let source = typed.map(|editing| editing.text.as_str());
    let source = source.or_else(|| opened.model.value(CHAT_TEMPLATE)?.as_str());
    let (Some(source), Some(preview)) = (source, &opened.sheet.preview) else {
        ui.add_space(theme::APART);
        let text = "The model has no chat template. Programs then write conversations down as they see fit.";
        ui.vertical_centered(|ui| ui.label(RichText::new(text).color(colours.muted)));
        return;
    };
    let all = ui.available_rect_before_wrap();
    let (left, right) = match all.width() >= WIDE {
        true => all.split_left_right_at_fraction(0.5),
        false => all.split_top_bottom_at_fraction(0.45),
    };
    let gap = theme::NEAR;
    let (left, right) = match all.width() >= WIDE {
        true => (left.with_max_x(left.right() - gap), right.with_min_x(right.left() + gap)),
        false => (left.with_max_y(left.bottom() - gap), right.with_min_y(right.top() + gap)),
    };
    ui.scope_builder(UiBuilder::new().max_rect(left), |ui| {
        head(ui, |ui| {
            ui.label(RichText::new("Template").text_style(theme::value()));
        });
        match typed {
            Some(editing) => edit(ui, editing, actions),
            None => text(ui, "template", source_job(ui, source)),
        }
    });
    ui.scope_builder(UiBuilder::new().max_rect(right), |ui| {
        head(ui, |ui| {
            for (place, _) in EXAMPLES.iter().enumerate() {
                choice(ui, place == opened.sheet.example, Action::Preview(place), actions);
            }
        });
        match preview {
            Ok(rendered) => text(ui, "preview", preview_job(ui, rendered)),
            Err(problem) => text(ui, "preview", plain(ui, &format!("It renders nothing: {problem}."), colours.error)),
        }
    });
}

/// A line over a text.
fn head(ui: &mut Ui, add: impl FnOnce(&mut Ui)) {
    let size = vec2(ui.available_width(), theme::ROW);
    ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), add);
}

/// The template as it is typed. What it makes is shown at each key.
fn edit(ui: &mut Ui, editing: &Editing, actions: &mut Vec<Action>) {
    let lines = (ui.available_height() / ui.text_style_height(&TextStyle::Monospace)) as usize;
    ScrollArea::vertical().id_salt("editor").auto_shrink(false).show(ui, |ui| {
        let looks = Field {
            id: value_id(editing.usual),
            label: editing.usual.label,
            hint: "A Jinja template that writes a conversation down for the model",
            style: TextStyle::Monospace,
            width: f32::INFINITY,
        };
        let (_, changed) = text_area(ui, &editing.text, looks, lines.saturating_sub(1));
        actions.extend(changed.map(Action::TypeValue));
    });
}

fn text(ui: &mut Ui, name: &str, job: LayoutJob) {
    let colours = theme::palette(ui);
    Frame::new().fill(colours.sunken).corner_radius(theme::ROUND).inner_margin(Margin::same(10)).show(ui, |ui| {
        ScrollArea::vertical().id_salt(name).auto_shrink(false).show(ui, |ui| {
            ui.add(Label::new(job).wrap().selectable(true));
        });
    });
}

fn format(ui: &Ui, color: Color32) -> TextFormat {
    let font_id: FontId = TextStyle::Monospace.resolve(ui.style());
    TextFormat { font_id, color, ..TextFormat::default() }
}

/// The beginning of a text.
fn shown(text: &str) -> &str {
    &text[..text.floor_char_boundary(SHOWN)]
}

fn plain(ui: &Ui, text: &str, colour: Color32) -> LayoutJob {
    LayoutJob::single_section(shown(text).to_owned(), format(ui, colour))
}

/// Parts that match stand out.
fn coloured(ui: &Ui, text: &str, pattern: &Regex, colour: impl Fn(&str) -> Color32) -> LayoutJob {
    let colours = theme::palette(ui);
    let mut job = LayoutJob::default();
    let mut end = 0;
    let begin = shown(text);
    for found in pattern.find_iter(begin) {
        job.append(&begin[end..found.start()], 0.0, format(ui, colours.text));
        job.append(found.as_str(), 0.0, format(ui, colour(found.as_str())));
        end = found.end();
    }
    job.append(&begin[end..], 0.0, format(ui, colours.text));
    if begin.len() < text.len() {
        let more = format!("\n… and {} bytes more", text.len() - begin.len());
        job.append(&more, 0.0, format(ui, colours.muted));
    }
    job
}

/// What is written as it stands is bright, what the template does is not, and its comments least.
fn source_job(ui: &Ui, source: &str) -> LayoutJob {
    static PARTS: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(?s)\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}").expect("a constant pattern"));
    let colours = theme::palette(ui);
    coloured(ui, source, &PARTS, |part| if part.starts_with("{#") { colours.muted } else { colours.accent })
}

/// Tokens stand out from what is said.
fn preview_job(ui: &Ui, rendered: &str) -> LayoutJob {
    static TOKENS: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"<[^<>\s]{1,60}>|\[/?[A-Z_]{2,30}\]").expect("a constant pattern"));
    let colours = theme::palette(ui);
    coloured(ui, rendered, &TOKENS, |_| colours.accent)
}
