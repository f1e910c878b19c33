//! Questions and messages in front of everything. Enter presses the button in focus, Escape is the careful answer.

use super::{adapter, download, pre_tokenizer};
use crate::gui::action::Action;
use crate::gui::state::{Dialog, State, file_name};
use crate::gui::theme;
use crate::gui::widgets::explain;
use egui::{Align, Context, Frame, Id, Label, Layout, Modal, RichText, ScrollArea, Ui, vec2};
use std::path::PathBuf;

const WIDTH: f32 = 480.0;
/// Of the question that shows texts.
const WIDE: f32 = 760.0;

pub(super) fn show(ctx: &Context, state: &State, dialog: &Dialog, actions: &mut Vec<Action>) {
    let colours = theme::of(ctx.theme());
    let frame = Frame::window(&ctx.global_style()).inner_margin(egui::Margin::same(24));
    // Each kind is as large as it needs to be, whatever stood there before.
    let id = Id::unique(("dialog", std::mem::discriminant(dialog)));
    let modal = Modal::new(id).frame(frame).backdrop_color(colours.veil);
    let response = modal.show(ctx, |ui| {
        ui.set_width(if *dialog == Dialog::PreTokenizer { WIDE } else { WIDTH });
        match dialog {
            Dialog::Failed { title, message, can_pack_anyway } => {
                let mut buttons = vec![("Close", Action::Dismiss)];
                if *can_pack_anyway {
                    buttons.push(("Pack anyway", Action::PackAnyway));
                }
                message_box(ui, title, message, &buttons, actions);
            }
            Dialog::Replace(paths) => replace(ui, paths, actions),
            Dialog::Busy(target) => {
                let title = "A file is being packed";
                let text =
                    format!("Cancel it and open {}? Nothing of the unfinished file is left behind.", target.name());
                let other = Action::CancelAndOpen(target.clone());
                let buttons = [("Keep packing", Action::Dismiss), ("Cancel and open", other)];
                message_box(ui, title, &text, &buttons, actions);
            }
            Dialog::Quit => {
                let text = "Cancel it and quit? Nothing of the unfinished file is left behind.";
                let buttons = [("Keep packing", Action::Dismiss), ("Cancel and quit", Action::QuitNow)];
                message_box(ui, "A file is being packed", text, &buttons, actions);
            }
            Dialog::Shortcuts => shortcuts(ui, actions),
            Dialog::Download(form) => download::show(ui, form, state.downloading.as_ref(), actions),
            Dialog::Adapter(form) => adapter::show(ui, state, form, actions),
            Dialog::PreTokenizer => {
                let question = state.opened.as_ref().and_then(|opened| opened.model.question.as_ref());
                match question {
                    Some(question) => pre_tokenizer::show(ui, question, actions),
                    // Answered meanwhile.
                    None => actions.push(Action::Dismiss),
                }
            }
        }
    });
    if response.should_close() {
        actions.push(Action::Dismiss);
    }
}

fn replace(ui: &mut Ui, paths: &[PathBuf], actions: &mut Vec<Action>) {
    let (title, question, labels) = match paths {
        [path] => (format!("{} exists", file_name(path)), "Replace it? ".to_owned(), ["Keep it", "Replace it"]),
        _ => {
            let names: Vec<String> = paths.iter().map(|path| file_name(path)).collect();
            let question = format!("{}\n\nReplace them? ", names.join("\n"));
            (format!("{} of the files exist", paths.len()), question, ["Keep them", "Replace them"])
        }
    };
    let text = format!("{question}What is there stays whole until the new is written and verified.");
    let buttons = [(labels[0], Action::Dismiss), (labels[1], Action::Replace)];
    message_box(ui, &title, &text, &buttons, actions);
}

/// A title, a paragraph, and buttons from the right; the first has the focus.
fn message_box(ui: &mut Ui, title: &str, text: &str, buttons: &[(&str, Action)], actions: &mut Vec<Action>) {
    ui.label(RichText::new(title).heading());
    ui.add_space(theme::GRID);
    ScrollArea::vertical().max_height(280.0).show(ui, |ui| {
        ui.add(Label::new(text).wrap().selectable(true));
    });
    ui.add_space(theme::APART);
    answers(ui, buttons, actions);
}

pub(super) fn answers(ui: &mut Ui, buttons: &[(&str, Action)], actions: &mut Vec<Action>) {
    let size = vec2(ui.available_width(), theme::ROW);
    ui.allocate_ui_with_layout(size, Layout::right_to_left(Align::Center), |ui| {
        for (index, (label, action)) in buttons.iter().enumerate() {
            let response = explain(ui.button(*label), action);
            if index == 0 && ui.memory(|memory| memory.focused().is_none()) {
                response.request_focus();
            }
            if response.clicked() {
                actions.push(action.clone());
            }
        }
    });
}

fn shortcuts(ui: &mut Ui, actions: &mut Vec<Action>) {
    ui.label(RichText::new("Keyboard shortcuts").heading());
    ui.add_space(theme::GRID);
    egui::Grid::new("shortcuts").num_columns(2).spacing([8.0 * theme::GRID, theme::NEAR]).show(ui, |ui| {
        for action in Action::with_shortcuts() {
            let Some(shortcut) = action.shortcut() else { continue };
            ui.label(action.label());
            ui.monospace(ui.ctx().format_shortcut(&shortcut));
            ui.end_row();
        }
    });
    ui.add_space(theme::APART);
    answers(ui, &[("Close", Action::Dismiss)], actions);
}
