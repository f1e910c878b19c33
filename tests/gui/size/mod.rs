//! The size side: statistics made and found again; a window on them for the tests beside.

mod packing;
mod places;
mod slider;

use crate::common::tuck_ok;
use crate::fixture::{Window, copied_sample, sample, wait, with_options};
use egui::accesskit::Role;
use egui_kittest::kittest::{NodeT, Queryable};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tempfile::TempDir;
use tuck::engine::DeviceChoice;
use tuck::gui::{Action, Opened, Options, Side, Standing, State, Wish};

const SIZE: [f32; 2] = [1280.0, 720.0];
pub(crate) const TEXT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/sample/calibration.txt");
pub(crate) const CHUNKS: usize = 2;

/// A window on a model, whose statistics are in a file.
fn by_size(size: [f32; 2], scale: f32, model: &Path, statistics: &Path) -> Window {
    let options =
        Options { path: Some(model.to_owned()), statistics: Some(statistics.to_owned()), ..Options::default() };
    let mut window = with_options(size, scale, options);
    wait(&mut window, "the model to open", |state| state.opened.is_some() && state.listing.is_none());
    window.state_mut().ask(Action::ChooseDevice(DeviceChoice::Cpu));
    for wish in [Wish::Text(Some(TEXT.into())), Wish::Chunks(Some(CHUNKS)), Wish::Turn(Side::Size)] {
        ask(&mut window, wish);
    }
    window
}

/// Statistics of the sample, made once, in a folder of one's own.
pub(crate) fn statistics() -> (TempDir, PathBuf) {
    static MADE: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, made) = MADE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("statistics.gguf");
        let chunks = CHUNKS.to_string();
        let (model, file) = (sample(), path.to_str().unwrap().to_owned());
        tuck_ok(&[
            "pack",
            model.to_str().unwrap(),
            "--dry-run",
            "--target-size",
            "4M",
            "--text",
            TEXT,
            "--chunks",
            &chunks,
            "--device",
            "cpu",
            "--statistics",
            &file,
        ]);
        (folder, path)
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("statistics.gguf");
    std::fs::copy(made, &path).unwrap();
    (folder, path)
}

fn opened(state: &State) -> &Opened {
    state.opened.as_ref().expect("a model is open")
}

fn now(window: &Window) -> &Opened {
    opened(window.state().state())
}

fn ask(window: &mut Window, wish: Wish) {
    act(window, Action::Size(wish));
}

fn act(window: &mut Window, action: Action) {
    window.state_mut().ask(action);
    window.run_steps(4);
}

/// Waits until the plan is that of the size that is asked for.
fn solved(window: &mut Window) {
    wait(window, "the mix", |state| {
        let opened = opened(state);
        assert_eq!(opened.sizing.problem, None);
        opened.choice.decision().size.is_some() && opened.choice.is_solved()
    });
}

/// A window on the sample, whose statistics are there.
fn ready() -> (TempDir, Window) {
    let (folder, path) = statistics();
    let mut window = by_size(SIZE, 1.0, &copied_sample(folder.path()), &path);
    solved(&mut window);
    (folder, window)
}

fn planned(window: &Window, name: &str) -> &'static str {
    let opened = now(window);
    let place = opened.model.tensors.iter().position(|tensor| tensor.name == name).unwrap();
    opened.choice.plan.tensors[place].format.name
}

#[test]
fn statistics_are_made_once_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let (model, path) = (copied_sample(folder.path()), folder.path().join("statistics.gguf"));
    let mut window = by_size(SIZE, 1.0, &model, &path);
    wait(&mut window, "the look", |state| matches!(opened(state).sizing.standing, Standing::Missing { .. }));
    window.get_by_label("The best file of any size");
    // Types are there all the same.
    assert!(!window.get_by_label("Pack as Q4_K_M").accesskit_node().is_disabled());
    assert!(now(&window).choice.decision().size.is_none() && !window.state().state().is_busy());
    window.get_by_label("Make statistics").click();
    wait(&mut window, "progress", |state| {
        matches!(&opened(state).sizing.standing, Standing::Making { progress: Some(_), .. })
    });
    assert!(window.state().state().is_busy());
    window.get_by_role_and_label(Role::Button, "Cancel");
    solved(&mut window);
    let first = now(&window).sizing.sizes.clone().unwrap();
    assert!(path.exists() && first.points.is_sorted_by(|a, b| a.bytes < b.bytes && a.loss >= b.loss));
    // It begins with what the type in view would take.
    let bytes = now(&window).choice.plan.file_bytes;
    let asked = now(&window).choice.decision().size.unwrap();
    assert!(bytes <= asked.bytes && asked.bytes < bytes + 50_000, "{bytes} of {asked:?}");

    let mut again = by_size(SIZE, 1.0, &model, &path);
    wait(&mut again, "the statistics", |state| {
        assert!(!opened(state).sizing.is_making());
        matches!(opened(state).sizing.standing, Standing::Ready(_))
    });
    solved(&mut again);
    assert_eq!(now(&again).sizing.sizes.as_ref().unwrap().points, first.points);
    assert_eq!(now(&again).choice.plan.file_bytes, bytes);
    // On more of the text there are none.
    ask(&mut again, Wish::Chunks(None));
    wait(&mut again, "the refusal", |state| matches!(opened(state).sizing.standing, Standing::Missing { .. }));
    assert!(again.get_by_label_contains("Pack ").accesskit_node().is_disabled());
    again.get_by_label_contains("its statistics are of another text");
    // A type can be packed all the same.
    again.get_by_role_and_label(Role::Button, "Type").click();
    again.run_steps(4);
    assert!(!again.get_by_label("Pack as Q4_K_M").accesskit_node().is_disabled());
}
