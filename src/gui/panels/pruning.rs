//! The pruning tab: what is to go, what that leaves, and what it loses beside plain quantization.

use super::{card, sentence};
use crate::checkpoint::Kind;
use crate::engine::{DropRound, Progress, PruneReport, PruneRow, Role};
use crate::fit::Fit;
use crate::gui::action::Action;
use crate::gui::pruning::{Loss, MOST_CHANNELS, PATTERNS, Trim};
use crate::gui::state::Opened;
use crate::gui::theme;
use crate::gui::widgets::{Segment, bar, button, choice, primary};
use crate::prune::METHODS;
use crate::units;
use egui::{Align, Checkbox, Grid, Label, Layout, RichText, ScrollArea, Slider, Ui, vec2};

/// What plain quantization is called, beside what is left.
const ALONE: &str = "Quantization alone";
/// Of names, and of sliders.
const NAME: f32 = 150.0;
const SLIDER: f32 = 220.0;

pub(super) fn show(ui: &mut Ui, opened: &Opened, actions: &mut Vec<Action>) {
    if opened.model.kind == Kind::Adapter {
        ui.add_space(theme::APART);
        let text = "Nothing can be left out of an adapter.";
        ui.vertical_centered(|ui| ui.label(RichText::new(text).color(theme::palette(ui).muted)));
        return;
    }
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        // Beside the scroll bar.
        ui.set_width(ui.available_width() - theme::NEAR);
        card(ui, |ui| controls(ui, opened, actions));
        left(ui, opened);
        ui.add_space(theme::GRID);
        match &opened.pruning.running {
            Some((_, _, progress)) => running(ui, progress.as_ref(), actions),
            None => start(ui, opened, actions),
        }
        if let Some(problem) = &opened.pruning.problem {
            let colour = theme::palette(ui).error;
            ui.add(Label::new(RichText::new(sentence(problem)).color(colour)).wrap());
        }
        if let Some(pruned) = opened.pruned() {
            ui.add_space(theme::GRID);
            card(ui, |ui| compared(ui, &pruned.report));
            pruned.report.rounds.iter().for_each(|round| card(ui, |ui| layers(ui, round)));
        }
    });
}

fn controls(ui: &mut Ui, opened: &Opened, actions: &mut Vec<Action>) {
    let (pruning, hparams) = (&opened.pruning, &opened.model.hparams);
    let cut = &pruning.cut;
    let channels = (cut.channels * 100.0).round() as u64;
    let dense = if hparams.experts == 0 { MOST_CHANNELS } else { 0 };
    let sliders = [
        ("Layers", pruning.layers(), hparams.layers.saturating_sub(1), Trim::Layers as fn(u64) -> Trim, ""),
        ("MLP channels", channels, dense, Trim::Channels, " %"),
        ("Key-value heads", cut.kv_heads, hparams.kv_heads.first().saturating_sub(1), Trim::Heads, " a layer"),
        (
            "Experts",
            cut.experts,
            hparams.experts.saturating_sub(hparams.experts_used.max(1)),
            Trim::Experts,
            " a layer",
        ),
    ];
    for (name, value, most, trim, suffix) in sliders.into_iter().filter(|(_, _, most, _, _)| *most > 0) {
        ui.horizontal(|ui| {
            label(ui, name);
            let mut value = value;
            ui.spacing_mut().slider_width = SLIDER;
            let response = ui.add(Slider::new(&mut value, 0..=most).suffix(suffix));
            ui.ctx().accesskit_node_builder(response.id, |node| node.set_label(trim(0).label()));
            if response.changed() {
                actions.push(Action::Trim(trim(value)));
            }
        });
    }
    ui.horizontal(|ui| {
        label(ui, "Zeros");
        for pattern in PATTERNS {
            let is_chosen = cut.sparsity.map(|sparsity| sparsity.pattern) == pattern;
            choice(ui, is_chosen, Action::Trim(Trim::Pattern(pattern)), actions);
        }
        if let Some(sparsity) = cut.sparsity {
            ui.add_space(theme::NEAR);
            for method in METHODS {
                choice(ui, sparsity.method == *method, Action::Trim(Trim::Method(*method)), actions);
            }
        }
    });
    let mut corrects = !cut.plain;
    let trim = Trim::Correct(!corrects);
    let response = ui.add(Checkbox::new(&mut corrects, trim.label())).on_hover_text(trim.tooltip());
    if response.changed() {
        actions.push(Action::Trim(trim));
    }
}

fn label(ui: &mut Ui, text: &str) {
    let size = vec2(NAME, theme::ROW);
    ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), |ui| {
        ui.set_min_width(NAME);
        ui.label(RichText::new(text).text_style(theme::value()));
    });
}

/// What is left, to the byte, and the original in as few bytes.
fn left(ui: &mut Ui, opened: &Opened) {
    let colours = theme::palette(ui);
    let pruning = &opened.pruning;
    let left = match &pruning.left {
        None => return,
        Some(Err(problem)) => {
            ui.add(Label::new(RichText::new(sentence(problem)).color(colours.error)).wrap());
            return;
        }
        Some(Ok(left)) => left,
    };
    Grid::new("left").num_columns(5).spacing([theme::APART, theme::GRID]).show(ui, |ui| {
        for head in ["", "Bytes", "Less", "", "KL divergence"] {
            ui.label(RichText::new(head).small().color(colours.muted));
        }
        ui.end_row();
        let before = opened.choice.plan.file_bytes;
        let value = |text: String| RichText::new(text).text_style(theme::value());
        let less = |bytes: u64| value(format!("{:.1} %", 100.0 * (1.0 - bytes as f64 / before.max(1) as f64)));
        let bytes = |bytes: u64| value(units::grouped(bytes));
        ui.label(value(format!("Pruned, as {}", opened.choice.title())));
        ui.label(bytes(left.bytes));
        ui.label(less(left.bytes));
        match &left.fit {
            None => ui.label(""),
            Some((machine, fit)) => {
                let (text, colour) = match fit {
                    Fit::Fully => ("fits", colours.accent),
                    Fit::Partly => ("fits partly", colours.warn),
                    Fit::Not => ("does not fit", colours.error),
                };
                ui.label(RichText::new(text).color(colour)).on_hover_text(machine)
            }
        };
        match pruning.loss(&opened.choice.plan).filter(|_| !pruning.cut.is_nothing()) {
            Some(Loss::Measured(loss)) => ui.label(value(format!("{loss:.5} measured"))),
            Some(Loss::Predicted(loss)) => ui.label(value(format!("{loss:.5} predicted"))),
            None if pruning.cut.is_nothing() => ui.label(""),
            None => ui.label(RichText::new("not measured yet").color(colours.muted)),
        };
        ui.end_row();
        ui.label(value(ALONE.to_owned()));
        match &pruning.alone {
            None => {
                ui.label(RichText::new("no type has so few").color(colours.muted));
            }
            Some(alone) => {
                ui.label(bytes(alone.bytes));
                ui.label(less(alone.bytes));
                ui.label(
                    RichText::new(alone.name.map_or_else(String::new, |name| format!("as {name}")))
                        .color(colours.muted),
                );
                let measured =
                    opened.pruned().and_then(|pruned| pruned.report.compared.of(Role::Alone)?.divergence.as_ref());
                match (measured, alone.predicted) {
                    (Some(measured), _) => ui.label(value(format!("{:.5} measured", measured.mean().value))),
                    (None, Some(loss)) => ui.label(value(format!("{loss:.5} predicted"))),
                    (None, None) => ui.label(RichText::new("not measured yet").color(colours.muted)),
                };
            }
        }
        ui.end_row();
    });
    if pruning.cut.sparsity.is_some() {
        let text = "A GGUF file stores zeros like all other weights, so they make it no smaller. What gains by them are \
                    runtimes that read safetensors: tuck prune --compressed writes these.";
        ui.add(Label::new(RichText::new(text).small().color(colours.muted)).wrap());
    }
}

fn start(ui: &mut Ui, opened: &Opened, actions: &mut Vec<Action>) {
    let reason = match (&opened.pruning.left, opened.pruning.cut.is_nothing()) {
        (_, true) => Some("Nothing is to go yet."),
        (Some(Err(_)), _) => Some("This cannot be left out."),
        _ => None,
    };
    ui.horizontal(|ui| {
        primary(ui, actions, Action::Trim(Trim::Measure), &Trim::Measure.label(), reason);
        if opened.pruned().is_some() {
            button(ui, actions, Action::Trim(Trim::Use));
        }
    });
}

fn running(ui: &mut Ui, progress: Option<&Progress>, actions: &mut Vec<Action>) {
    let fraction = progress.map_or(0.0, Progress::fraction);
    let stage = progress.map_or("Waiting", |progress| progress.stage.label());
    let size = vec2(ui.available_width(), theme::ROW);
    ui.allocate_ui_with_layout(size, Layout::right_to_left(Align::Center), |ui| {
        button(ui, actions, Action::Trim(Trim::Cancel));
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
            ui.label(RichText::new(format!("{stage} {:.0} %", fraction * 100.0)).text_style(theme::value()));
        });
    });
    let segment = Segment { share: fraction, colour: theme::palette(ui).accent };
    bar(ui, &[segment], &format!("{stage}, {:.0} percent", fraction * 100.0));
}

/// The figures, with the original quantized to as many bytes.
fn compared(ui: &mut Ui, report: &PruneReport) {
    let muted = theme::palette(ui).muted;
    Grid::new("pruned").num_columns(4).spacing([theme::APART, theme::GRID]).show(ui, |ui| {
        for head in ["", "Bytes", "Perplexity", "KL divergence"] {
            ui.label(RichText::new(head).small().color(muted));
        }
        ui.end_row();
        for PruneRow { label, bytes, divergence, .. } in &report.compared.rows {
            ui.label(label);
            ui.label(RichText::new(units::grouped(*bytes)).text_style(theme::value()));
            match divergence {
                None => {
                    ui.label(RichText::new("no mix has so few").color(muted));
                    ui.label("");
                }
                Some(divergence) => {
                    let (perplexity, mean) = (divergence.perplexity().value, divergence.mean());
                    ui.label(RichText::new(format!("{perplexity:.3}")).text_style(theme::value()));
                    let text = format!("{:.5} ± {:.5}", mean.value, mean.error);
                    ui.label(RichText::new(text).text_style(theme::value()));
                }
            }
            ui.end_row();
        }
    });
    for verdict in report.compared.verdicts() {
        ui.add(Label::new(RichText::new(verdict).text_style(theme::value())).wrap());
    }
    if let Some(sparse) = report.sparse {
        let mut text = format!("{} of {} weights went", units::grouped(sparse.gone), units::grouped(sparse.weights));
        if let Some(coded) = sparse.entropy_coded {
            text += &format!(
                "; entropy coded their matrices would take {} of {} bytes",
                units::grouped(coded),
                units::grouped(sparse.dense)
            );
        }
        text.push('.');
        ui.add(Label::new(RichText::new(text).small().color(muted)).wrap());
    }
    for note in &report.notes {
        ui.add(Label::new(RichText::new(sentence(note)).small().color(muted)).wrap());
    }
}

/// How a layer was chosen.
fn layers(ui: &mut Ui, round: &DropRound) {
    let colours = theme::palette(ui);
    Grid::new(("layers", round.dropped)).num_columns(4).spacing([theme::APART, theme::GRID]).show(ui, |ui| {
        for head in ["Layer", "Influence", "KL without it", "and corrected"] {
            ui.label(RichText::new(head).small().color(colours.muted));
        }
        ui.end_row();
        for loss in &round.losses {
            let goes = loss.layer == round.dropped;
            let colour = if goes { colours.accent } else { colours.text };
            let folded = loss.folded.map_or_else(|| "–".to_owned(), |folded| format!("{:.5}", folded.value));
            let name = if goes { format!("{} goes", loss.layer) } else { loss.layer.to_string() };
            for text in [name, format!("{:.4}", loss.influence), format!("{:.5}", loss.divergence.value), folded] {
                ui.label(RichText::new(text).color(colour));
            }
            ui.end_row();
        }
    });
}
