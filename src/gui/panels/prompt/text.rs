//! The prompt: as it is typed, and with what is dropped struck through.

use crate::gui::action::Action;
use crate::gui::panels::panel_frame;
use crate::gui::prompt::{Prompting, Shorten};
use crate::gui::theme;
use crate::gui::widgets::{Field, text_area};
use crate::units;
use egui::text::{LayoutJob, TextFormat};
use egui::{FontSelection, Id, Label, RichText, ScrollArea, Stroke, TextStyle, Ui};

/// Bytes of text that are shown.
const SHOWN: usize = 64 << 10;

/// The prompt as it is typed.
pub(super) fn edit(ui: &mut Ui, prompting: &Prompting, actions: &mut Vec<Action>) {
    let lines = (ui.available_height() / ui.text_style_height(&TextStyle::Body)) as usize;
    ScrollArea::vertical().id_salt("prompt").auto_shrink(false).show(ui, |ui| {
        let looks = Field {
            id: Id::unique("the prompt to shorten"),
            label: "Prompt",
            hint: "Paste a long prompt here: what the model is to know before it is asked. It reads it once, and shows what can go.",
            style: TextStyle::Body,
            width: f32::INFINITY,
        };
        let (_, changed) = text_area(ui, &prompting.text, looks, lines.saturating_sub(2));
        actions.extend(changed.map(|text| Action::Prompt(Shorten::Text(text))));
    });
}

/// What is kept of it, and what is not.
pub(super) fn kept(ui: &mut Ui, prompting: &Prompting) {
    let Some(scores) = &prompting.scores else { return };
    let colours = theme::palette(ui);
    let prompt = &scores.scored.prompt;
    let all = prompt.tokens();
    let figure = match prompting.counted() {
        Some(kept) => format!("{} of {} tokens", units::grouped(kept.tokens as u64), units::grouped(all as u64)),
        // The same words can be other tokens beside each other.
        None => {
            let about = prompt.tokens_of(&prompting.words);
            format!("about {} of {} tokens", units::grouped(about as u64), units::grouped(all as u64))
        }
    };
    ui.horizontal(|ui| {
        ui.label(RichText::new(figure).text_style(theme::value()));
        if scores.windows[0] > 1 {
            let text = format!("read in {} windows of {}", scores.windows[0], units::grouped(scores.windows[1] as u64));
            ui.label(RichText::new(text).color(colours.muted));
        }
    });
    let font = FontSelection::from(TextStyle::Body).resolve(ui.style());
    let plain =
        TextFormat { font_id: font, color: colours.text, line_height: Some(5.0 * theme::GRID), ..Default::default() };
    let struck = TextFormat { color: colours.muted, strikethrough: Stroke::new(1.0, colours.muted), ..plain.clone() };
    let mut job = LayoutJob::default();
    let end = prompt.text.floor_char_boundary(SHOWN);
    for (is_kept, bytes) in prompt.runs(&prompting.words).into_iter().take_while(|(_, bytes)| bytes.start < end) {
        let format = if is_kept { &plain } else { &struck };
        job.append(&prompt.text[bytes.start..bytes.end.min(end)], 0.0, format.clone());
    }
    if end < prompt.text.len() {
        let more = format!("\n… and {} more", units::bytes((prompt.text.len() - end) as u64));
        job.append(&more, 0.0, TextFormat { color: colours.muted, ..plain.clone() });
    }
    if !scores.question.is_empty() {
        job.append(&format!("\n\n{}", scores.question), 0.0, TextFormat { color: colours.accent, ..plain });
    }
    panel_frame(ui).corner_radius(theme::CARD_ROUND).show(ui, |ui| {
        ScrollArea::vertical().id_salt("kept").auto_shrink(false).show(ui, |ui| {
            ui.add(Label::new(job).wrap().selectable(true));
        });
    });
}
