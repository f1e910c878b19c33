//! The context, the budget, what is best in it, and how far the measurement is.

use crate::engine::Progress;
use crate::gui::action::Action;
use crate::gui::kv::{COUNTS, Keep, Keeping, LENGTHS, SHORTEST};
use crate::gui::panels::quality::combo;
use crate::gui::panels::sentence;
use crate::gui::state::Opened;
use crate::gui::theme;
use crate::gui::widgets::{Segment, bar, button};
use crate::units;
use egui::accesskit::Role;
use egui::{Align, Label, Layout, RichText, Slider, Ui, WidgetInfo};

/// Of the sliders, and of the lists.
const SLIDER: f32 = 140.0;
const NUMBER: f32 = 64.0;
/// Context goes in steps of what the cache does.
const STEP: f64 = 256.0;

pub(super) fn show(ui: &mut Ui, opened: &Opened, actions: &mut Vec<Action>) {
    let keeping = &opened.keeping;
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().slider_width = SLIDER;
        name(ui, "Context", "Tokens whose keys and values are kept.");
        let (mut context, longest) = (keeping.context, Keeping::longest(&opened.source));
        let slider = Slider::new(&mut context, SHORTEST..=longest).logarithmic(true).step_by(STEP);
        if named(ui, slider.custom_formatter(|n, _| units::grouped(n as u64)), "Context").changed() {
            actions.push(Action::Kv(Keep::Context(context)));
        }
        name(ui, "Budget", "What the cache may take, as a share of what llama.cpp's own choice, f16, takes.");
        let mut budget = keeping.budget;
        let all = keeping.rows.first().map_or(0, |row| row.total());
        let slider = Slider::new(&mut budget, 50..=1000);
        let slider = slider.custom_formatter(|n, _| units::bytes((all as f64 * n / 1000.0) as u64));
        if named(ui, slider, "Budget").changed() {
            actions.push(Action::Kv(Keep::Budget(budget)));
        }
    });
    if keeping.running.is_none() {
        ui.horizontal_wrapped(|ui| measure(ui, opened, actions));
    }
    if let Some(problem) = &keeping.problem {
        let colour = theme::palette(ui).error;
        ui.add(Label::new(RichText::new(sentence(problem)).color(colour)).wrap());
    }
    match &keeping.running {
        Some((_, progress)) => running(ui, progress.as_ref(), actions),
        None => best(ui, keeping, actions),
    }
}

fn name(ui: &mut Ui, text: &str, about: &str) {
    ui.add(Label::new(RichText::new(text).color(theme::palette(ui).muted)).extend()).on_hover_text(about);
}

fn named(ui: &mut Ui, slider: Slider<'_>, label: &str) -> egui::Response {
    let response = ui.add(slider);
    response.widget_info(|| WidgetInfo::labeled(Role::Slider, true, label));
    response
}

/// How much is measured.
fn measure(ui: &mut Ui, opened: &Opened, actions: &mut Vec<Action>) {
    let keeping = &opened.keeping;
    let mut list = |ui: &mut Ui, label: &str, now: usize, keeps: &mut dyn Iterator<Item = (usize, Keep)>| {
        combo(ui, label, &units::grouped(now as u64), NUMBER, |ui| {
            for (number, keep) in keeps {
                if ui.selectable_label(number == now, keep.label()).clicked() {
                    actions.push(Action::Kv(keep));
                }
            }
        });
    };
    name(ui, "Chunks", "Pieces of the text. More of them take longer and tell apart smaller losses.");
    list(ui, "Chunks to measure", keeping.count, &mut COUNTS.into_iter().map(|count| (count, Keep::Count(count))));
    name(ui, "of tokens", "Tokens of a chunk; its second half is scored.");
    let longest = opened.source.hparams.context;
    let lengths = LENGTHS.into_iter().filter(|length| *length as u64 <= longest);
    list(ui, "Tokens of a measured chunk", keeping.length, &mut lengths.map(|length| (length, Keep::Length(length))));
    button(ui, actions, Action::Kv(Keep::Measure));
}

/// What to start llama-server with.
fn best(ui: &mut Ui, keeping: &Keeping, actions: &mut Vec<Action>) {
    let colours = theme::palette(ui);
    let Some(report) = &keeping.report else {
        let text =
            "Bytes are exact. Measure, to see what each choice loses: the text goes through the model once for each.";
        ui.add(Label::new(RichText::new(text).color(colours.muted)).wrap());
        return;
    };
    let mut line = |ui: &mut Ui, text: String, flags: Option<String>| {
        ui.horizontal_wrapped(|ui| {
            ui.label(text);
            if let Some(flags) = flags {
                ui.label(RichText::new(&flags).monospace());
                button(ui, actions, Action::Copy(flags));
            }
        });
    };
    let allowed = units::bytes(keeping.allowed());
    match keeping.best() {
        None => line(ui, format!("llama.cpp keeps this context in no less than {allowed}."), None),
        Some(row) => {
            let loss = keeping.loss(&row.choice.name).unwrap_or_default();
            let text = format!("Best in {allowed}: {}, {}, KL {loss:.6}", row.choice.name, units::bytes(row.total()));
            line(ui, text, row.choice.flags());
        }
    }
    if let Some((pair, bytes)) = keeping.pair() {
        let text =
            format!("Predicted to lose less: {}, {}, KL {:.6}", pair.choice.name, units::bytes(bytes), pair.divergence);
        line(ui, text, pair.choice.flags());
    }
    let text = format!(
        "Measured on {} chunks of {} tokens of {} in {} on {}.",
        report.chunks,
        report.chunk,
        report.text.display(),
        units::duration(report.elapsed),
        report.device
    );
    ui.add(Label::new(RichText::new(text).small().color(colours.muted)).truncate());
}

fn running(ui: &mut Ui, progress: Option<&Progress>, actions: &mut Vec<Action>) {
    let fraction = progress.map_or(0.0, Progress::fraction);
    let what = progress.map_or_else(|| "Waiting".to_owned(), |progress| format!("Measuring {}", progress.tensor));
    ui.horizontal(|ui| {
        ui.label(RichText::new(format!("{what} {:.0} %", fraction * 100.0)).text_style(theme::value()));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            button(ui, actions, Action::Kv(Keep::Cancel));
            if let Some(left) = progress.and_then(|progress| progress.remaining).filter(|_| fraction < 1.0) {
                ui.label(format!("{} left", units::duration(left)));
            }
        });
    });
    let segment = Segment { share: fraction, colour: theme::palette(ui).accent };
    bar(ui, &[segment], &format!("{what}, {:.0} percent", fraction * 100.0));
}
