//! The size side: statistics, if they have to be made first; then the file that is chosen, every size as a curve, and the
//! slider under it.

mod chosen;
mod curve;
mod statistics;

pub(super) use statistics::observed;

use super::sentence;
use crate::gui::action::Action;
use crate::gui::size::{Standing, Wish, about};
use crate::gui::state::Opened;
use crate::gui::theme;
use crate::gui::widgets::choice;
use crate::recipe::Level;
use egui::{Label, RichText, ScrollArea, Spinner, Ui};

pub(super) fn show(ui: &mut Ui, opened: &Opened, actions: &mut Vec<Action>) {
    let sizing = &opened.sizing;
    let height = ui.available_height();
    ScrollArea::vertical().auto_shrink(false).min_scrolled_height(0.0).show(ui, |ui| {
        // Beside the scroll bar.
        ui.set_width(ui.available_width() - theme::NEAR);
        ui.spacing_mut().item_spacing.y = theme::GRID;
        match (&sizing.standing, &sizing.sizes) {
            (Standing::Ready(_), Some(sizes)) => chosen::show(ui, opened, sizes, height, actions),
            (Standing::Ready(_), None) => waiting(ui, "Finding the best types for every size…"),
            (Standing::Unknown | Standing::Looking(_), _) => waiting(ui, "Looking for statistics of this model…"),
            (Standing::Missing { is_begun }, _) => statistics::missing(ui, opened, *is_begun, actions),
            (Standing::Making { progress, .. }, _) => statistics::making(ui, progress.as_ref(), actions),
        }
        if let Some(problem) = &sizing.problem {
            let colour = theme::palette(ui).error;
            ui.add(Label::new(RichText::new(sentence(problem)).small().color(colour)).wrap());
        }
        if !matches!(sizing.standing, Standing::Making { .. }) {
            effort(ui, opened, actions);
        }
    });
}

fn waiting(ui: &mut Ui, text: &str) {
    ui.horizontal(|ui| {
        ui.add(Spinner::new().size(4.0 * theme::GRID));
        ui.label(RichText::new(text).color(theme::palette(ui).muted));
    });
}

/// How much is spent, and what that costs and buys.
fn effort(ui: &mut Ui, opened: &Opened, actions: &mut Vec<Action>) {
    let muted = theme::palette(ui).muted;
    ui.add_space(theme::GRID);
    ui.horizontal(|ui| {
        ui.label(RichText::new("Effort").color(muted));
        for level in Level::ALL {
            choice(ui, opened.level() == *level, Action::Size(Wish::Effort(*level)), actions);
        }
    });
    ui.add(Label::new(RichText::new(about(opened.level())).small().color(muted)).wrap());
}
