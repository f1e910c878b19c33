//! The question or the ratio, the buttons, and how far a job is.

use crate::engine::Progress;
use crate::gui::action::Action;
use crate::gui::panels::quality::combo;
use crate::gui::panels::sentence;
use crate::gui::prompt::{ALL, LEAST, LENGTHS, PromptJob, Prompting, Reading, Shorten};
use crate::gui::theme;
use crate::gui::widgets::{Field, Segment, bar, button, explain, field};
use crate::units;
use egui::accesskit::Role;
use egui::{Align, Button, Id, Label, Layout, RichText, Slider, TextStyle, Ui, WidgetInfo};

/// Of the slider, and of the list.
const SLIDER: f32 = 140.0;
const NUMBER: f32 = 48.0;
/// Of what stands behind the question.
const BEHIND: f32 = 176.0;

pub(super) fn show(ui: &mut Ui, prompting: &Prompting, actions: &mut Vec<Action>) {
    match prompting.is_editing {
        true => ask(ui, prompting, actions),
        false => ratio(ui, prompting, actions),
    }
    if let Some(problem) = &prompting.problem {
        let colour = theme::palette(ui).error;
        ui.add(Label::new(RichText::new(sentence(problem)).color(colour)).wrap());
    }
    if let Some(job) = prompting.running.as_ref().filter(|job| job.work != Reading::Counting) {
        running(ui, job, actions);
    }
}

/// The question, and the buttons behind it.
fn ask(ui: &mut Ui, prompting: &Prompting, actions: &mut Vec<Action>) {
    let is_ready = !prompting.is_busy() && !prompting.text.trim().is_empty();
    ui.horizontal(|ui| {
        let looks = Field {
            id: Id::unique("what is asked after the prompt"),
            label: "Question",
            hint: "What is asked after it; without, its own end counts",
            style: TextStyle::Body,
            width: (ui.available_width() - BEHIND).max(120.0),
        };
        let (_, changed) = field(ui, &prompting.question, looks);
        actions.extend(changed.map(|text| Action::Prompt(Shorten::Question(text))));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            main(ui, Shorten::Score, is_ready, actions);
            button(ui, actions, Action::Prompt(Shorten::ChooseFile));
        });
    });
}

/// How much is kept, and the buttons behind it.
fn ratio(ui: &mut Ui, prompting: &Prompting, actions: &mut Vec<Action>) {
    ui.horizontal(|ui| {
        ui.spacing_mut().slider_width = SLIDER;
        name(ui, "Keep", "The share of the prompt's tokens that is kept.");
        let mut ratio = prompting.ratio;
        let slider = Slider::new(&mut ratio, LEAST..=ALL).step_by(5.0);
        let response = ui.add(slider.custom_formatter(|n, _| units::percent(n / ALL as f64)));
        response.widget_info(|| WidgetInfo::labeled(Role::Slider, true, "Keep"));
        if response.changed() {
            actions.push(Action::Prompt(Shorten::Ratio(ratio)));
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            main(ui, Shorten::Measure, !prompting.is_busy(), actions);
            combo(ui, "Tokens of the answer", &Shorten::Answer(prompting.answer).label(), NUMBER, |ui| {
                for tokens in LENGTHS {
                    let shorten = Shorten::Answer(tokens);
                    if ui.selectable_label(prompting.answer == tokens, shorten.label()).clicked() {
                        actions.push(Action::Prompt(shorten));
                    }
                }
            });
            name(ui, "Tokens", "Tokens of the answer whose predictions are compared.");
            button(ui, actions, Action::Prompt(Shorten::Edit));
        });
    });
}

fn name(ui: &mut Ui, text: &str, about: &str) {
    ui.add(Label::new(RichText::new(text).color(theme::palette(ui).muted)).extend()).on_hover_text(about);
}

/// The button that most people want next.
fn main(ui: &mut Ui, shorten: Shorten, is_ready: bool, actions: &mut Vec<Action>) {
    let action = Action::Prompt(shorten);
    let text = RichText::new(action.label()).text_style(theme::value()).color(theme::palette(ui).on_accent);
    let response = ui.add_enabled(is_ready, Button::new(text).fill(theme::palette(ui).accent));
    if explain(response, &action).clicked() {
        actions.push(action);
    }
}

fn running(ui: &mut Ui, job: &PromptJob, actions: &mut Vec<Action>) {
    let progress = job.progress.as_ref();
    let fraction = progress.map_or(0.0, Progress::fraction);
    let what = match (progress, job.work) {
        (None, _) => "Waiting",
        // Its bytes are those of the model; then it answers.
        (Some(_), Reading::Measuring) if fraction < 1.0 => "Reading the model",
        (Some(progress), _) => progress.stage.label(),
    };
    ui.horizontal(|ui| {
        ui.label(RichText::new(format!("{what} {:.0} %", fraction * 100.0)).text_style(theme::value()));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            button(ui, actions, Action::Prompt(Shorten::Cancel));
            if let Some(left) = progress.and_then(|progress| progress.remaining).filter(|_| fraction < 1.0) {
                ui.label(format!("{} left", units::duration(left)));
            }
        });
    });
    let segment = Segment { share: fraction, colour: theme::palette(ui).accent };
    bar(ui, &[segment], &format!("{what}, {:.0} percent", fraction * 100.0));
}
