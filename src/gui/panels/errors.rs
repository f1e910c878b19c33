//! How far a file's weights are from the opened model's: figures of the whole, and the map of its tensors.

use super::heat_map;
use super::pack_bar::pace;
use crate::engine::{Mismatch, Progress, VerifyReport};
use crate::gui::action::Action;
use crate::gui::errors::Errors;
use crate::gui::state::{Opened, State, Verifying, file_name};
use crate::gui::theme;
use crate::gui::widgets::{Segment, bar, button, fact_list};
use crate::units;
use egui::{Align, Label, Layout, RichText, Ui};

/// Tensors that could not be compared and are named before the rest is counted.
const NAMED: usize = 20;

pub(super) fn show(ui: &mut Ui, state: &State, opened: &Opened, actions: &mut Vec<Action>) {
    match (&state.verifying, &opened.errors) {
        (Some(verifying), _) => running(ui, verifying, actions),
        (None, None) => empty(ui, opened, actions),
        (None, Some(errors)) => {
            figures(ui, errors, actions);
            ui.add_space(theme::GRID);
            heat_map::show(ui, errors);
        }
    }
}

fn empty(ui: &mut Ui, opened: &Opened, actions: &mut Vec<Action>) {
    ui.add_space(theme::APART);
    ui.vertical_centered(|ui| {
        let text = "Here you see how far each tensor of a packed file is from this model.";
        ui.label(RichText::new(text).color(theme::palette(ui).muted));
        ui.add_space(theme::NEAR);
        for output in opened.report.iter().flat_map(|report| &report.outputs) {
            if ui.button(format!("Verify {}", file_name(&output.path))).clicked() {
                actions.push(Action::Verify(output.path.clone()));
            }
        }
        button(ui, actions, Action::CompareWith);
    });
}

fn running(ui: &mut Ui, verifying: &Verifying, actions: &mut Vec<Action>) {
    let colours = theme::palette(ui);
    let progress = verifying.progress.as_ref();
    let fraction = progress.map_or(0.0, Progress::fraction);
    let stage = progress.map_or("Waiting", |progress| progress.stage.label());
    ui.add_space(theme::APART);
    ui.horizontal(|ui| {
        ui.label(RichText::new(format!("{stage} {:.0} %", fraction * 100.0)).text_style(theme::value()));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            button(ui, actions, Action::CancelVerify);
            ui.label(progress.map(pace).unwrap_or_default());
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                ui.add(Label::new(RichText::new(file_name(&verifying.file)).color(colours.muted)).truncate());
            });
        });
    });
    let segment = Segment { share: fraction, colour: colours.accent };
    bar(ui, &[segment], &format!("{stage}, {:.0} percent", fraction * 100.0));
    let tensor = progress.map_or("", |progress| &progress.tensor);
    ui.add(Label::new(RichText::new(tensor).small().color(colours.muted)).truncate());
}

fn figures(ui: &mut Ui, errors: &Errors, actions: &mut Vec<Action>) {
    let colours = theme::palette(ui);
    let report = &errors.report;
    ui.with_layout(Layout::right_to_left(Align::Min), |ui| {
        button(ui, actions, Action::CompareWith);
        ui.with_layout(Layout::top_down(Align::Min), |ui| {
            ui.spacing_mut().item_spacing.y = theme::GRID / 2.0;
            ui.add(Label::new(RichText::new(file_name(&report.candidate)).heading()).truncate());
            let path = report.candidate.display().to_string();
            ui.add(Label::new(RichText::new(path).small().color(colours.muted)).truncate());
        });
    });
    let (total, plain) = (&report.total, &report.total.plain);
    let mut facts = vec![
        ("Relative error", units::percent(plain.relative_rmse()), RELATIVE.to_owned()),
        ("RMSE", format!("{:.3e}", plain.rmse()), "Root of the mean squared difference of two weights.".to_owned()),
        ("Largest", format!("{:.3e}", total.largest), "The largest difference of two weights.".to_owned()),
        ("Cosine", format!("{:.6}", plain.cosine()), "1 where both models point the same way.".to_owned()),
        ("Compared", format!("{} tensors", report.tensors.len()), compared(report)),
    ];
    if let Some(weighted) = &total.weighted {
        let imatrix = report.imatrix.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
        let text = format!("Each column counts as the importance matrix has it: {imatrix}");
        facts.insert(1, ("Weighted", units::percent(weighted.relative_rmse()), text));
    }
    fact_list(ui, &facts);
    let warn = |text: String| RichText::new(text).small().color(colours.warn);
    if total.nonfinite + total.reference_nonfinite > 0 {
        ui.label(warn(format!(
            "{} weights of the file and {} of the model are NaN or infinite; they are left out.",
            units::grouped(total.nonfinite),
            units::grouped(total.reference_nonfinite)
        )));
    }
    if let [first, rest @ ..] = &report.mismatches[..] {
        let text = match rest.len() {
            0 => format!("A tensor could not be compared: {first}."),
            n => format!("{} tensors could not be compared, the first of them {first}.", n + 1),
        };
        ui.label(warn(text)).on_hover_ui(|ui| {
            ui.label(report.mismatches.iter().take(NAMED).map(Mismatch::to_string).collect::<Vec<_>>().join("\n"));
            if report.mismatches.len() > NAMED {
                ui.weak(format!("and {} more", report.mismatches.len() - NAMED));
            }
        });
    }
}

/// What the figure means.
const RELATIVE: &str = "Root mean square of the differences over that of the model's own weights.";

fn compared(report: &VerifyReport) -> String {
    format!("{} weights in {}", units::grouped(report.total.weights), units::duration(report.elapsed))
}
