//! A machine: whether the model fits, its bars, how far and how fast.

use super::bars;
use crate::fit::{Cost, Fit, Terms};
use crate::gui::action::Action;
use crate::gui::fit::{Change, Row};
use crate::gui::size::Wish;
use crate::gui::theme;
use crate::gui::widgets::{cross, explain};
use crate::units;
use egui::accesskit::Role;
use egui::{Align, Color32, Frame, Label, Layout, Margin, RichText, Ui, WidgetInfo, vec2};

/// Of a machine's own lines.
const INSIDE: Margin = Margin { left: 12, right: 8, top: 2, bottom: 6 };

/// With `can_fill`, a size can be asked for that fills it.
pub(super) fn show(ui: &mut Ui, row: &Row, is_this: bool, can_fill: bool, actions: &mut Vec<Action>) {
    let colours = theme::palette(ui);
    let fill = if is_this { colours.panel } else { Color32::TRANSPARENT };
    Frame::new().fill(fill).corner_radius(theme::ROUND).inner_margin(INSIDE).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = theme::GRID / 2.0;
        let height = std::mem::replace(&mut ui.spacing_mut().interact_size.y, 0.0);
        head(ui, row, (is_this, can_fill), actions);
        bars(ui, row);
        ui.horizontal(|ui| {
            let text = RichText::new(summary(row)).small().color(colours.muted);
            let response = ui.add(Label::new(text).truncate());
            if !row.machine.notes.is_empty() {
                let notes = row.machine.notes.iter().map(|note| format!("Note: {note}."));
                response.on_hover_text(notes.collect::<Vec<_>>().join("\n"));
            }
        });
        if is_this {
            ui.spacing_mut().interact_size.y = height;
            launch(ui, row, actions);
        }
    });
}

fn head(ui: &mut Ui, row: &Row, (is_this, can_fill): (bool, bool), actions: &mut Vec<Action>) {
    let colours = theme::palette(ui);
    ui.allocate_ui_with_layout(vec2(ui.available_width(), theme::ROW), Layout::right_to_left(Align::Center), |ui| {
        if !is_this {
            cross(ui, actions, Action::Fit(Change::Remove(row.machine.name.clone())));
        }
        let (text, colour) = match row.answer.fit {
            Fit::Fully => ("fits".to_owned(), colours.accent),
            Fit::Partly => (partly(row), colours.warn),
            Fit::Not => ("does not fit".to_owned(), colours.error),
        };
        if can_fill {
            fill(ui, &row.machine.name, actions);
        }
        ui.label(RichText::new(text).text_style(theme::value()).color(colour));
        ui.add_space(theme::NEAR);
        if let Some(speed) = row.answer.speed {
            let hover = "Estimated for one sequence at half of the context, from bandwidth and compute.";
            let text = format!("{} tokens/s", units::rounded(speed.generation));
            ui.label(RichText::new(text).text_style(theme::value())).on_hover_text(hover);
        }
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
            ui.add(Label::new(RichText::new(&row.machine.name).text_style(theme::value())).truncate());
            if is_this {
                ui.add_space(theme::NEAR);
                bars::legend(ui);
            }
        });
    });
}

/// The way to the largest size that fits here.
fn fill(ui: &mut Ui, machine: &str, actions: &mut Vec<Action>) {
    let action = Action::Size(Wish::Fill(machine.to_owned()));
    let response = explain(ui.small_button(action.label()), &action);
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, format!("Fill {machine}")));
    if response.clicked() {
        actions.push(action);
    }
}

/// `partly: 20 of 33 layers on the GPU`.
fn partly(row: &Row) -> String {
    match (row.answer.spread.experts_on_host, row.answer.spread.gpu_layers) {
        (true, layers) if layers >= row.layers => "partly: experts in main memory".to_owned(),
        (false, 0) => "in main memory only".to_owned(),
        (_, layers) => format!("partly: {layers} of {} layers on the GPU", row.layers),
    }
}

/// A bar for what the GPUs hold, and for main memory where that holds a part of the model.
fn bars(ui: &mut Ui, row: &Row) {
    let placement = &row.answer.placement;
    let several = row.machine.gpus.len() > 1;
    for (at, (gpu, terms)) in row.machine.gpus.iter().zip(&placement.gpus).enumerate() {
        let number = if several { format!(", GPU {}", at + 1) } else { String::new() };
        bars::show(ui, &format!("{}{number}", row.machine.name), terms, &gpu.pool.budget);
    }
    if placement.gpus.is_empty() || row.answer.fit == Fit::Partly {
        bars::show(ui, &format!("{}, main memory", row.machine.name), &placement.host, &row.machine.host.budget);
    }
}

/// `6.2 of 14.1 GB, 7.9 GB free · context up to 32,768 · prompt 1,200 tokens/s`.
fn summary(row: &Row) -> String {
    let (answer, gpus) = (&row.answer, &row.machine.gpus);
    let on_gpus: u64 = answer.placement.gpus.iter().map(Terms::total).sum();
    let (needs, has) = match on_gpus {
        0 => (answer.placement.host.total(), row.machine.host.budget.usable),
        _ => (on_gpus, gpus.iter().map(|gpu| gpu.pool.budget.usable).sum()),
    };
    let mut parts = vec![format!("{} of {}", units::bytes(needs), units::bytes(has))];
    if has >= needs {
        parts.push(format!("{} free", units::bytes(has - needs)));
    }
    match (answer.fit, answer.fully_up_to, answer.up_to) {
        (Fit::Fully, Some(context), _) => parts.push(format!("context up to {}", units::grouped(context))),
        (_, Some(context), _) => parts.push(format!("fits with a context up to {}", units::grouped(context))),
        (Fit::Partly, None, Some(context)) => parts.push(format!("context up to {}", units::grouped(context))),
        _ => {}
    }
    if let Some(speed) = answer.speed {
        parts.push(format!("prompt {} tokens/s", units::rounded(speed.prompt)));
        if let Some(cost) = Cost::of_a_million(&row.machine, &speed) {
            parts.push(format!("a million tokens {:.1} kWh, ${:.2}", cost.energy, cost.dollars));
        }
    }
    parts.join("  ·  ")
}

/// What to tell each program, to copy.
fn launch(ui: &mut Ui, row: &Row, actions: &mut Vec<Action>) {
    if row.answer.fit == Fit::Not {
        return;
    }
    let settings = row.launch.lm_studio.iter().map(|(name, value)| format!("{name}: {value}\n")).collect::<String>();
    let texts = [
        ("Copy llama.cpp’s command", row.launch.llama_cpp.clone()),
        ("Copy Ollama’s Modelfile", row.launch.modelfile.clone()),
        ("Copy LM Studio’s settings", settings),
    ];
    ui.add_space(theme::GRID);
    ui.horizontal_wrapped(|ui| {
        for (label, text) in texts {
            let response = ui.button(label).on_hover_text(text.trim_end());
            response.widget_info(|| WidgetInfo::labeled(Role::Button, true, label));
            if response.clicked() {
                actions.push(Action::Copy(text));
            }
        }
    });
}
