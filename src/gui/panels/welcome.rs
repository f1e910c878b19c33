//! The window without a model: what Tuck does, and the ways to start.

use crate::gui::action::Action;
use crate::gui::state::{State, Target};
use crate::gui::theme;
use crate::gui::widgets::{button, primary};
use egui::{CentralPanel, Frame, RichText, Shape, Spinner, Stroke, Ui, vec2};

/// Of the invitation, in points.
const WIDTH: f32 = 560.0;
const HEIGHT: f32 = 300.0;

pub(super) fn show(ui: &mut Ui, state: &State, actions: &mut Vec<Action>) {
    let frame = Frame::new().fill(theme::palette(ui).window);
    CentralPanel::default().frame(frame).show(ui, |ui| {
        let rect = egui::Rect::from_center_size(ui.max_rect().center(), vec2(WIDTH, HEIGHT));
        outline(ui, rect);
        let inside = rect.shrink(8.0 * theme::GRID);
        ui.scope_builder(egui::UiBuilder::new().max_rect(inside), |ui| {
            ui.vertical_centered(|ui| invitation(ui, state, actions));
        });
    });
}

fn invitation(ui: &mut Ui, state: &State, actions: &mut Vec<Action>) {
    let muted = theme::palette(ui).muted;
    ui.add_space(theme::APART);
    ui.label(RichText::new("Drop a model here").text_style(theme::title()));
    ui.label(RichText::new("A Hugging Face folder, a .safetensors or .gguf file, or a LoRA adapter.").color(muted));
    ui.add_space(theme::APART);
    if let Some(opening) = &state.opening {
        ui.add(Spinner::new().size(theme::ROW));
        ui.label(format!("Opening {}…", opening.target.name()));
        return;
    }
    let label = Action::OpenFolder.label();
    primary(ui, actions, Action::OpenFolder, &label, None);
    ui.add_space(theme::GRID);
    // Centred by their own width, which is known from the frame before.
    let id = ui.scope_id().with("others");
    let width = ui.data(|data| data.get_temp::<f32>(id)).unwrap_or(200.0);
    ui.allocate_ui(vec2(width, theme::ROW), |ui| {
        let shown = ui.horizontal(|ui| {
            button(ui, actions, Action::OpenFile);
            button(ui, actions, Action::Open(Target::Sample));
            button(ui, actions, Action::Download);
        });
        ui.data_mut(|data| data.insert_temp(id, shown.response.rect.width()));
    });
    ui.add_space(theme::APART);
    ui.label(
        RichText::new("Tuck writes a smaller GGUF file for llama.cpp, Ollama and LM Studio.").small().color(muted),
    );
}

/// A dashed line around the place to drop at.
fn outline(ui: &Ui, rect: egui::Rect) {
    let stroke = Stroke::new(1.5, theme::palette(ui).used);
    let corners = [rect.left_top(), rect.right_top(), rect.right_bottom(), rect.left_bottom(), rect.left_top()];
    ui.painter().rect_filled(rect, 0.0, theme::palette(ui).panel);
    ui.painter().extend(Shape::dashed_line(&corners, stroke, 2.0 * theme::GRID, 1.5 * theme::GRID));
}
