//! The bar of one memory: what the model takes of it in colours, and a line where its budget ends.

use crate::fit::{Budget, NAMES, Terms};
use crate::gui::theme::{self, Palette};
use crate::units;
use egui::accesskit::Role;
use egui::{Color32, CornerRadius, Rect, RichText, Sense, Ui, WidgetInfo, pos2, vec2};

const HEIGHT: f32 = 3.0 * theme::GRID;
/// How far the line stands out.
const OUT: f32 = 3.0;

/// Parts of a bar, as people want them told apart.
pub(super) fn parts(terms: &Terms) -> [(&'static str, u64); 3] {
    let buffers = terms.compute + terms.output + terms.projector + terms.overhead;
    [("Weights", terms.weights), ("KV cache", terms.kept()), ("Buffers", buffers)]
}

fn colours(palette: &Palette) -> [Color32; 3] {
    [palette.accent, palette.cache, palette.buffers]
}

/// What `terms` take of a memory with this budget. `name` is what a screen reader begins with.
pub(super) fn show(ui: &mut Ui, name: &str, terms: &Terms, budget: &Budget) {
    let palette = theme::palette(ui);
    let (space, response) = ui.allocate_exact_size(vec2(ui.available_width(), HEIGHT + 2.0 * OUT), Sense::hover());
    let rect = space.shrink2(vec2(0.0, OUT));
    let round = CornerRadius::same(theme::GRID as u8);
    let scale = rect.width() / budget.total.max(terms.total()).max(1) as f32;
    let at = |bytes: u64| rect.left() + bytes as f32 * scale;
    let painter = ui.painter();
    let piece = |from: u64, to: u64| Rect::from_min_max(pos2(at(from), rect.top()), pos2(at(to), rect.bottom()));
    // Beyond the budget the bar is darker: that part is not there for a model.
    painter.rect_filled(rect, round, palette.pressed);
    painter.with_clip_rect(piece(budget.usable, budget.total.max(budget.usable))).rect_filled(
        rect,
        round,
        palette.used,
    );
    let mut from = 0;
    for ((_, bytes), colour) in parts(terms).into_iter().zip(colours(palette)) {
        painter.with_clip_rect(piece(from, from + bytes)).rect_filled(rect, round, colour);
        from += bytes;
    }
    let is_over = terms.total() > budget.usable;
    let line = if is_over { palette.error } else { palette.text };
    painter.vline(at(budget.usable), space.y_range(), (2.0, line));
    let says = format!("{name}: {} of {}", units::bytes(terms.total()), units::bytes(budget.usable));
    response.widget_info(|| WidgetInfo::labeled(Role::ProgressIndicator, true, &says));
    response.on_hover_ui(|ui| hover(ui, &says, terms, budget));
}

/// Every term, with how it comes about.
fn hover(ui: &mut Ui, says: &str, terms: &Terms, budget: &Budget) {
    ui.label(RichText::new(says).text_style(theme::value()));
    for (bytes, (name, about)) in terms.list().into_iter().zip(NAMES).filter(|(bytes, _)| *bytes > 0) {
        ui.horizontal_wrapped(|ui| {
            ui.label(format!("{name} {}", units::bytes(bytes)));
            ui.label(RichText::new(about).small().color(theme::palette(ui).muted));
        });
    }
    let rest = budget.total.saturating_sub(budget.usable);
    if rest > 0 {
        let text = format!("{} of {} are for {}.", units::bytes(rest), units::bytes(budget.total), budget.rest);
        ui.label(RichText::new(text).small().color(theme::palette(ui).muted));
    }
}

/// What the colours mean.
pub(super) fn legend(ui: &mut Ui) {
    let palette = theme::palette(ui);
    let names = parts(&Terms::default()).map(|(name, _)| name);
    for (name, colour) in names.into_iter().zip(colours(palette)) {
        let (rect, _) = ui.allocate_exact_size(vec2(2.5 * theme::GRID, 2.5 * theme::GRID), Sense::hover());
        ui.painter().rect_filled(rect, theme::GRID / 2.0, colour);
        ui.label(RichText::new(name).small().color(palette.muted));
    }
}
