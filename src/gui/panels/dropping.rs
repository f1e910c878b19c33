//! Shows that a file can be let go of, while one is held over the window.

use crate::gui::action::Action;
use crate::gui::state::{State, file_name};
use crate::gui::theme;
use egui::{Align2, Id, LayerId, Order, Ui};

pub(super) fn show(ui: &Ui, state: &State) {
    let hovered = ui.input(|input| input.raw.hovered_files.first().cloned());
    let Some(file) = hovered else { return };
    let colours = theme::palette(ui);
    let painter = ui.ctx().layer_painter(LayerId::new(Order::Foreground, Id::unique("dropping")));
    let rect = ui.ctx().content_rect();
    painter.rect_filled(rect, 0.0, colours.veil);
    let inside = rect.shrink(theme::APART);
    painter.rect_filled(inside, theme::CARD_ROUND, colours.selected);
    painter.rect_stroke(inside, theme::CARD_ROUND, (2.0, colours.accent), egui::StrokeKind::Inside);
    let text = match file.path {
        Some(path) => match state.dropped(path.clone()) {
            Action::OpenImatrix(_) => format!("Drop to use {}", file_name(&path)),
            Action::UseBase(_) => format!("Drop to merge the adapter into {}", file_name(&path)),
            _ => format!("Drop to open {}", file_name(&path)),
        },
        None => "Drop to open".to_owned(),
    };
    let font = theme::title().resolve(ui.style());
    painter.text(inside.center(), Align2::CENTER_CENTER, text, font, colours.text);
}
