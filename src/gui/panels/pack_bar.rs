//! The bottom of the window: memory, destination, device and Pack; while packing, progress.

use super::panel_frame;
use crate::engine::{DeviceChoice, Progress};
use crate::gui::action::Action;
use crate::gui::state::{Opened, Packing, State, file_name};
use crate::gui::theme;
use crate::gui::widgets::{Segment, bar, button, explain, primary};
use crate::units;
use egui::{Align, ComboBox, Label, Layout, Panel, RichText, Ui, vec2};
use std::path::PathBuf;

const HEIGHT: f32 = 13.0 * theme::GRID;
const DEVICE_WIDTH: f32 = 168.0;
const MEMORY_WIDTH: f32 = 300.0;

pub(super) fn show(ui: &mut Ui, state: &State, opened: &Opened, actions: &mut Vec<Action>) {
    let frame = panel_frame(ui);
    Panel::bottom("pack").frame(frame).show(ui, |ui| {
        ui.set_height(HEIGHT);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = theme::APART;
            match &state.packing {
                Some(packing) => {
                    ui.add_enabled_ui(!packing.is_cancelling, |ui| button(ui, actions, Action::Cancel));
                    let is_waiting = state.inquiring().is_some();
                    part(ui, ui.available_width(), |ui| progress(ui, packing, is_waiting));
                }
                None => {
                    pack(ui, state, opened, actions);
                    part(ui, DEVICE_WIDTH, |ui| device(ui, state, actions));
                    let rest = ui.available_width() - MEMORY_WIDTH - theme::APART;
                    part(ui, rest, |ui| destination(ui, opened, actions));
                    part(ui, ui.available_width(), |ui| memory(ui, state, opened));
                }
            }
        });
    });
}

/// A part of the bar, its lines from top to bottom.
fn part(ui: &mut Ui, width: f32, add: impl FnOnce(&mut Ui)) {
    ui.allocate_ui_with_layout(vec2(width, HEIGHT), Layout::top_down(Align::Min), |ui| {
        ui.set_width(width);
        ui.spacing_mut().item_spacing = vec2(theme::NEAR, theme::GRID);
        add(ui);
    });
}

fn small(ui: &mut Ui, text: &str) {
    ui.label(RichText::new(text).small().color(theme::palette(ui).muted));
}

fn pack(ui: &mut Ui, state: &State, opened: &Opened, actions: &mut Vec<Action>) {
    let reason = if state.opening.is_some() {
        Some("Another model is being opened.")
    } else if !opened.choice.is_valid() {
        Some("Correct or remove the patterns in red first.")
    } else {
        opened.is_unsolved()
    };
    let decision = opened.choice.decision();
    let label = match &decision.ticked[..] {
        _ if decision.size.is_some() => format!("Pack {}", units::bytes(opened.choice.plan.file_bytes)),
        [preset] => format!("Pack as {}", preset.name),
        several => format!("Pack {} files, {}", several.len(), units::bytes(opened.choice.total_bytes())),
    };
    primary(ui, actions, Action::Pack, &label, reason);
}

fn device(ui: &mut Ui, state: &State, actions: &mut Vec<Action>) {
    small(ui, "Compute on");
    let chosen = Action::ChooseDevice(state.device.clone());
    let combo = ComboBox::from_id_salt("device").width(DEVICE_WIDTH).truncate().selected_text(chosen.label());
    let response = combo.show_ui(ui, |ui| {
        let mut offer = |ui: &mut Ui, choice: DeviceChoice, hover: Option<String>| {
            let action = Action::ChooseDevice(choice.clone());
            let response = ui.selectable_label(state.device == choice, action.label());
            let response = match hover {
                Some(hover) => response.on_hover_text(hover),
                None => explain(response, &action),
            };
            if response.clicked() {
                actions.push(action);
            }
        };
        offer(ui, DeviceChoice::Auto, None);
        for device in state.devices.iter().filter(|device| device.kind != "processor") {
            let hover = format!("{}, {}, {}", device.kind, device.backend, device.driver);
            offer(ui, DeviceChoice::Named(device.name.clone()), Some(hover));
        }
        offer(ui, DeviceChoice::Cpu, None);
    });
    let automatic = state.devices.first().filter(|_| state.device == DeviceChoice::Auto);
    let hover = automatic.map_or_else(|| chosen.tooltip().to_owned(), |device| format!("Now {}.", device.name));
    let response = response.response.on_hover_text(hover);
    ui.ctx().accesskit_node_builder(response.id, |node| node.set_label("Compute on"));
}

fn destination(ui: &mut Ui, opened: &Opened, actions: &mut Vec<Action>) {
    small(ui, "Write to");
    ui.with_layout(Layout::right_to_left(Align::Min), |ui| {
        let outputs = opened.outputs();
        button(ui, actions, if outputs.len() == 1 { Action::SaveAs } else { Action::ChooseFolder });
        ui.with_layout(Layout::top_down(Align::Min), |ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            ui.add(Label::new(RichText::new(names(&outputs)).text_style(theme::value())).truncate())
                .on_hover_text(paths(&outputs));
            let folder = opened.destination.folder.display().to_string();
            ui.add(Label::new(RichText::new(folder).small().color(theme::palette(ui).muted)).truncate());
        });
    });
}

/// `a.gguf`, or `2 files: a.gguf, b.gguf`.
fn names(files: &[PathBuf]) -> String {
    match files {
        [file] => file_name(file),
        _ => format!(
            "{} files: {}",
            files.len(),
            files.iter().map(|file| file_name(file)).collect::<Vec<_>>().join(", ")
        ),
    }
}

fn paths(files: &[PathBuf]) -> String {
    files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join("\n")
}

/// The file beside what this machine has. A runtime needs room for the context besides.
fn memory(ui: &mut Ui, state: &State, opened: &Opened) {
    let colours = theme::palette(ui);
    let file = opened.choice.plan.file_bytes;
    let Some(memory) = state.memory else {
        small(ui, "File size");
        ui.label(RichText::new(units::bytes(file)).text_style(theme::value()));
        return;
    };
    let (verdict, colour) = if file > memory.total {
        ("does not fit into this machine's memory", colours.error)
    } else if file > memory.available {
        ("fits when other programs are closed", colours.warn)
    } else {
        ("fits into free memory", colours.accent)
    };
    ui.spacing_mut().interact_size.y = 0.0;
    ui.horizontal(|ui| {
        ui.label(RichText::new(units::bytes(file)).text_style(theme::value()));
        ui.label(RichText::new(verdict).small().color(colour));
    });
    let share = |bytes: u64| bytes as f32 / memory.total.max(1) as f32;
    let segments = [
        Segment { share: share(memory.total.saturating_sub(memory.available)), colour: colours.used },
        Segment { share: share(file), colour },
    ];
    let text = format!("{} free of {} memory", units::bytes(memory.available), units::bytes(memory.total));
    let label = format!("{} file, {text}", units::bytes(file));
    bar(ui, &segments, &label).on_hover_ui(|ui| {
        ui.label(format!("File: {} bytes", units::grouped(file)));
        ui.label(format!("Free memory: {} bytes", units::grouped(memory.available)));
        ui.label(format!("All memory: {} bytes", units::grouped(memory.total)));
        ui.weak("Running a model takes room for its context besides.");
    });
    small(ui, &text);
}

/// The engine does one thing at a time: the pack may wait for what the quality tab asked for.
fn progress(ui: &mut Ui, packing: &Packing, is_waiting: bool) {
    let colours = theme::palette(ui);
    let fraction = packing.progress.as_ref().map_or(0.0, Progress::fraction);
    let stage = match &packing.progress {
        _ if packing.is_cancelling => "Cancelling",
        Some(progress) => progress.stage.label(),
        None if is_waiting => "Waiting for the quality tab",
        None => "Starting",
    };
    ui.spacing_mut().interact_size.y = 0.0;
    ui.horizontal(|ui| {
        ui.label(RichText::new(format!("{stage} {:.0} %", fraction * 100.0)).text_style(theme::value()));
        ui.label(RichText::new(names(&packing.outputs)).color(colours.muted)).on_hover_text(paths(&packing.outputs));
        if let Some(progress) = &packing.progress {
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| ui.label(pace(progress)));
        }
    });
    bar(
        ui,
        &[Segment { share: fraction, colour: colours.accent }],
        &format!("{stage}, {:.0} percent", fraction * 100.0),
    );
    let tensor = packing.progress.as_ref().map_or("", |progress| &progress.tensor);
    ui.add(Label::new(RichText::new(tensor).small().color(colours.muted)).truncate());
}

/// `1.21 GB of 3.40 GB · 512 MB/s · 4.3 s left`.
pub(super) fn pace(progress: &Progress) -> String {
    let mut text = format!("{} of {}", units::bytes(progress.done), units::bytes(progress.total));
    if progress.rate > 0.0 {
        text += &format!(" · {}", units::rate(progress.rate));
    }
    match progress.remaining {
        Some(remaining) if remaining.as_secs() == 0 => text += " · less than 1 s left",
        Some(remaining) => text += &format!(" · {} left", units::duration(remaining)),
        None => {}
    }
    text
}
