//! The question whether a pre-tokenizer that comes near may be used, with the texts that it cuts otherwise.

use super::dialogs::answers;
use crate::gui::action::Action;
use crate::gui::theme;
use crate::tokenizer::Question;
use egui::text::{LayoutJob, TextFormat};
use egui::{Align, Color32, Frame, Label, Layout, Margin, RichText, ScrollArea, TextStyle, Ui, vec2};
use std::collections::HashSet;

/// Of the list of texts, before it scrolls.
const HEIGHT: f32 = 300.0;
/// Of the labels before the pieces.
const LABEL_WIDTH: f32 = 96.0;

pub(super) fn show(ui: &mut Ui, question: &Question, actions: &mut Vec<Action>) {
    let colours = theme::palette(ui);
    let nearest = question.nearest;
    ui.label(RichText::new("This model’s pre-tokenizer is unknown to llama.cpp").heading());
    ui.add_space(theme::GRID);
    let text = format!(
        "Before it looks for tokens, a model cuts text into pieces. llama.cpp has no name for how this one does. The nearest \
         is {nearest}: it cuts {} of {} test texts otherwise, and there the model would read other tokens than it was \
         trained on.",
        question.differences.len(),
        question.texts
    );
    ui.add(Label::new(text).wrap());
    ui.add_space(theme::NEAR);
    Frame::new().fill(colours.sunken).corner_radius(theme::ROUND).inner_margin(Margin::same(10)).show(ui, |ui| {
        ScrollArea::vertical().max_height(HEIGHT).auto_shrink([false, true]).show(ui, |ui| {
            // Those first that everybody can read.
            let (plain, rest): (Vec<_>, Vec<_>) = question.differences.iter().partition(|of| of.text.is_ascii());
            for (place, difference) in plain.into_iter().chain(rest).enumerate() {
                if place > 0 {
                    ui.separator();
                }
                let (stated, known) = (&difference.stated, &difference.known);
                cut(ui, "This model", stated, known);
                cut(ui, nearest, known, stated);
            }
        });
    });
    ui.add_space(theme::NEAR);
    let text = "Nothing can be packed before this is decided. Undo takes a yes back.";
    ui.label(RichText::new(text).small().color(colours.muted));
    ui.add_space(theme::GRID);
    let use_it = Action::UsePreTokenizer(nearest);
    answers(ui, &[("Not now", Action::Dismiss), (&use_it.label(), use_it)], actions);
}

/// The pieces of a text, of which those stand out that `other` does not have in the same place.
fn cut(ui: &mut Ui, label: &str, pieces: &[String], other: &[String]) {
    let colours = theme::palette(ui);
    let other: HashSet<(usize, &str)> = places(other).collect();
    let mut job = LayoutJob::default();
    job.wrap.max_width = ui.available_width() - LABEL_WIDTH;
    let format = |color: Color32, background: Color32| TextFormat {
        font_id: TextStyle::Monospace.resolve(ui.style()),
        color,
        background,
        ..TextFormat::default()
    };
    for place in places(pieces) {
        let colour = if other.contains(&place) { colours.text } else { colours.warn };
        job.append(&visible(place.1), theme::GRID, format(colour, colours.raised));
    }
    ui.horizontal_top(|ui| {
        ui.allocate_ui_with_layout(vec2(LABEL_WIDTH, 0.0), Layout::left_to_right(Align::Min), |ui| {
            ui.set_width(LABEL_WIDTH - theme::NEAR);
            ui.add(Label::new(RichText::new(label).small().color(colours.muted)).truncate());
        });
        ui.add(Label::new(job).wrap());
    });
}

/// Pieces with where each begins.
fn places(pieces: &[String]) -> impl Iterator<Item = (usize, &str)> {
    pieces.iter().scan(0, |start, piece| {
        let at = *start;
        *start += piece.len();
        Some((at, piece.as_str()))
    })
}

/// Spaces and ends of lines as marks.
fn visible(piece: &str) -> String {
    let mark = |c: char| match c {
        ' ' => '·',
        '\n' | '\r' => '↵',
        '\t' => '→',
        c => c,
    };
    piece.chars().map(mark).collect()
}
