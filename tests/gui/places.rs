//! Where things are in the window, for tests and for people.

use crate::fixture::Window;
use egui::Theme;
use egui_kittest::kittest::Queryable;
use std::path::PathBuf;

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
