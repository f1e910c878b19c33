//! What to do, on which text, and how far it is.

use crate::engine::Progress;
use crate::gui::action::Action;
use crate::gui::panels::sentence;
use crate::gui::quality::{CHUNKS, CONTEXTS, Inquiry, Next, Quality, Running, View, Work};
use crate::gui::state::Opened;
use crate::gui::theme;
use crate::gui::widgets::{Segment, bar, button, choice, explain};
use crate::units;
use egui::accesskit::Role;
use egui::{Align, Button, ComboBox, Label, Layout, RichText, Ui, WidgetInfo, vec2};

/// Of the lists.
const TEXT: f32 = 150.0;
const COUNT: f32 = 64.0;

pub(super) fn show(ui: &mut Ui, opened: &Opened, actions: &mut Vec<Action>) {
    let quality = &opened.quality;
    ui.horizontal(|ui| {
        for view in View::ALL {
            choice(ui, quality.view == view, Action::Quality(Inquiry::Turn(view)), actions);
        }
        let inquiry = match quality.view {
            View::Figures => Some(Inquiry::Measure),
            View::Adapters => Some(Inquiry::Adapt),
            View::Answers => None,
        };
        if let Some(inquiry) = inquiry {
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| start(ui, opened, inquiry, actions));
        }
    });
    if let Some(problem) = &quality.problem {
        let colour = theme::palette(ui).error;
        ui.add(Label::new(RichText::new(sentence(problem)).color(colour)).wrap());
    }
    match &quality.running {
        Some(running) => progress(ui, quality, running, actions),
        None if quality.view != View::Answers => settings(ui, opened, actions),
        None => {}
    }
}

/// From the right: what people want first stands at the edge.
fn start(ui: &mut Ui, opened: &Opened, inquiry: Inquiry, actions: &mut Vec<Action>) {
    let colours = theme::palette(ui);
    let is_ready = opened.quality.running.is_none() && opened.choice.is_valid() && opened.choice.is_solved();
    ui.add_enabled_ui(is_ready, |ui| {
        let of = if inquiry == Inquiry::Adapt { "adapters for " } else { "" };
        let label = format!("Measure {of}{}", opened.choice.title());
        let text = RichText::new(&label).text_style(theme::value()).color(colours.on_accent);
        let has_more = inquiry == Inquiry::Measure;
        let action = Action::Quality(inquiry);
        let response = ui.add(Button::new(text).fill(colours.accent));
        response.widget_info(|| WidgetInfo::labeled(Role::Button, is_ready, &label));
        if explain(response, &action).clicked() {
            actions.push(action);
        }
        if has_more {
            button(ui, actions, Action::Quality(Inquiry::MeasureUsual));
        }
    });
}

/// The text, and how much of it.
fn settings(ui: &mut Ui, opened: &Opened, actions: &mut Vec<Action>) {
    let settings = &opened.quality.settings;
    let longest = opened.model.hparams.context;
    ui.horizontal_wrapped(|ui| {
        let mut push = |inquiry: Inquiry| actions.push(Action::Quality(inquiry));
        name(ui, "Text", "What both versions are run over. They are judged by how they predict it.");
        let shown = Inquiry::Text(settings.text.clone()).label();
        combo(ui, "Text", &shown, TEXT, |ui| {
            for inquiry in [Inquiry::Text(None), Inquiry::ChooseText] {
                let is_chosen = inquiry == Inquiry::Text(settings.text.clone());
                let response = ui.selectable_label(is_chosen, inquiry.label());
                if response.on_hover_text(inquiry.tooltip()).clicked() {
                    push(inquiry);
                }
            }
        });
        name(ui, "Chunks", "Pieces of the text. More of them take longer and make error bars smaller.");
        combo(ui, "Chunks", &Inquiry::Chunks(settings.chunks).label(), COUNT, |ui| {
            for chunks in CHUNKS {
                let inquiry = Inquiry::Chunks(chunks);
                if ui.selectable_label(settings.chunks == chunks, inquiry.label()).clicked() {
                    push(inquiry);
                }
            }
        });
        name(ui, "of tokens", "Tokens of a chunk; its second half is scored. 512 is what most published figures have.");
        combo(ui, "Tokens of a chunk", &Inquiry::Context(settings.context).label(), COUNT, |ui| {
            for context in CONTEXTS.into_iter().filter(|context| *context as u64 <= longest) {
                let inquiry = Inquiry::Context(context);
                if ui.selectable_label(settings.context == context, inquiry.label()).clicked() {
                    push(inquiry);
                }
            }
        });
    });
}

pub(super) fn name(ui: &mut Ui, text: &str, about: &str) {
    ui.add(Label::new(RichText::new(text).color(theme::palette(ui).muted)).extend()).on_hover_text(about);
}

pub(in crate::gui::panels) fn combo(ui: &mut Ui, label: &str, text: &str, width: f32, list: impl FnOnce(&mut Ui)) {
    let combo = ComboBox::from_id_salt(("quality", label)).selected_text(text).width(width).truncate();
    let response = combo.show_ui(ui, list).response;
    response.widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, format!("{label}: {text}")));
}

/// As high as the settings, so that nothing below moves.
fn progress(ui: &mut Ui, quality: &Quality, running: &Running, actions: &mut Vec<Action>) {
    let colours = theme::palette(ui);
    let progress = running.progress.as_ref();
    let fraction = progress.map_or(0.0, Progress::fraction);
    let what = match &running.work {
        Work::Measuring(trial, _) | Work::Following(trial, Next::Measure)
            if quality.waiting.is_empty() && quality.round == 0 =>
        {
            trial.name.clone()
        }
        Work::Measuring(trial, _) | Work::Following(trial, Next::Measure) => {
            let (now, all) = (quality.round + 1, quality.round + 1 + quality.waiting.len());
            format!("{} ({now} of {all})", trial.name)
        }
        Work::Following(trial, Next::Answer) | Work::Observing(trial) | Work::Adapting(trial) => trial.name.clone(),
        Work::Answering => String::new(),
    };
    let stage = match (progress, &running.work) {
        (None, _) => "Waiting",
        (Some(_), Work::Answering) if fraction < 1.0 => "Reading both models",
        (Some(progress), _) => progress.stage.label(),
    };
    let size = vec2(ui.available_width(), theme::ROW);
    ui.allocate_ui_with_layout(size, Layout::right_to_left(Align::Center), |ui| {
        button(ui, actions, Action::Quality(Inquiry::Cancel));
        if let Some(left) = quality.remaining().filter(|_| fraction < 1.0) {
            let left = match left.as_secs() {
                0 => "less than 1 s left".to_owned(),
                _ => format!("{} left", units::duration(left)),
            };
            ui.label(left);
        }
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
            let share = progress.map(|_| format!(" {:.0} %", fraction * 100.0)).unwrap_or_default();
            ui.label(RichText::new(format!("{stage}{share}")).text_style(theme::value()));
            ui.add(Label::new(RichText::new(what).color(colours.muted)).truncate());
        });
    });
    let segment = Segment { share: fraction, colour: colours.accent };
    bar(ui, &[segment], &format!("{stage}, {:.0} percent", fraction * 100.0));
}
