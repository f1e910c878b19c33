//! Where things are in the window, for tests and for people.

use crate::fixture::Window;
use egui::Theme;
use egui_kittest::kittest::Queryable;
use std::path::PathBuf;
use tuck::gui::Tab;

/// Draws the window in both themes, where `TUCK_PICTURES` names a folder.
pub(crate) fn picture(window: &mut Window, name: &str) {
    let Some(folder) = std::env::var_os("TUCK_PICTURES").map(PathBuf::from) else { return };
    std::fs::create_dir_all(&folder).unwrap();
    for (theme, suffix) in [(Theme::Dark, "dark"), (Theme::Light, "light")] {
        window.ctx.set_theme(theme);
        window.run_steps(3);
        window.render().unwrap().save(folder.join(format!("{name}-{suffix}.png"))).unwrap();
    }
}

/// Those of `labels` lie inside the window and apart from each other.
pub(crate) fn assert_apart(window: &Window, labels: &[&str]) {
    let all = window.ctx.content_rect();
    let rect = |label: &&str| {
        let found =
            window.query_all_by_label(label).next().or_else(|| window.query_all_by_label_contains(label).next());
        found.unwrap_or_else(|| panic!("nothing is labelled {label}")).rect()
    };
    let rects: Vec<_> = labels.iter().map(rect).collect();
    for (i, rect) in rects.iter().enumerate() {
        assert!(all.contains_rect(*rect), "{} at {rect:?} leaves {all:?}", labels[i]);
        for (j, other) in rects[..i].iter().enumerate() {
            assert!(!rect.shrink(1.0).intersects(other.shrink(1.0)), "{} overlaps {}", labels[i], labels[j]);
        }
    }
}

/// The heads of tabs that are in sight, the one in front among them, lie apart, and so does what the others are under.
pub(crate) fn assert_heads(window: &Window, front: &str) {
    let all = Tab::ALL.map(Tab::label);
    let is_there = |tab: &&str| window.query_all_by_label(tab).next().is_some();
    let mut shown: Vec<&str> = all.into_iter().filter(is_there).collect();
    assert!(shown.contains(&front), "{front} is not among {shown:?}");
    if shown.len() < all.len() {
        shown.push("More");
    }
    assert_apart(window, &shown);
}

/// Clicks the head of a tab, wherever there is room for it; of one with a count behind its name, `Name ` is enough.
pub(crate) fn turn_to(window: &mut Window, tab: &str) {
    let is_there = |window: &Window| match tab.ends_with(' ') {
        true => window.query_all_by_label_contains(tab).next().is_some(),
        false => window.query_by_label(tab).is_some(),
    };
    if !is_there(window) {
        window.get_by_label("More").click();
        window.run_steps(4);
    }
    match tab.ends_with(' ') {
        true => window.get_by_label_contains(tab).click(),
        false => window.get_by_label(tab).click(),
    }
    window.run_steps(4);
}
