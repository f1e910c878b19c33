//! What is packed and measured at a size.

use super::{CHUNKS, SIZE, TEXT, act, ask, by_size, now, opened, ready, solved};
use crate::common::tuck_ok;
use crate::fixture::{copied_sample, wait};
use egui::Key;
use egui::accesskit::Role;
use egui_kittest::kittest::Queryable;
use tuck::gui::{Action, Inquiry, Standing, State, Wish};
use tuck::recipe::Level;

/// Packs in the window at a size, and on the command line.
fn both(level: Level, bytes: u64) -> [Vec<u8>; 4] {
    let (folder, mut window) = ready();
    let at = |name: &str| folder.path().join(name);
    ask(&mut window, Wish::Effort(level));
    ask(&mut window, Wish::Move(bytes));
    ask(&mut window, Wish::WriteRecipe(true));
    solved(&mut window);
    let said = now(&window).choice.plan.file_bytes;
    act(&mut window, Action::SaveTo(at("window.gguf")));
    act(&mut window, Action::Pack);
    wait(&mut window, "the file", |state| {
        assert!(state.dialog.is_none(), "{:?}", state.dialog);
        opened(state).report.is_some()
    });
    let found = std::fs::read(at("window.gguf")).unwrap();
    assert_eq!(found.len() as u64, said);
    assert!(said <= bytes);
    window.get_by_label_contains("The recipe is beside it: window.toml");
    let (model, asked, chunks) = (at("sample"), bytes.to_string(), CHUNKS.to_string());
    let [output, recipe, statistics] =
        ["cli.gguf", "cli.toml", "statistics.gguf"].map(|name| at(name).display().to_string());
    tuck_ok(&[
        "pack",
        model.to_str().unwrap(),
        "-o",
        &output,
        "--target-size",
        &asked,
        "--effort",
        level.name(),
        "--text",
        TEXT,
        "--chunks",
        &chunks,
        "--statistics",
        &statistics,
        "--recipe-out",
        &recipe,
        "--device",
        "cpu",
    ]);
    [found, std::fs::read(output).unwrap(), std::fs::read(at("window.toml")).unwrap(), std::fs::read(recipe).unwrap()]
}

#[test]
fn the_window_packs_what_the_command_line_does() {
    for (level, bytes) in [(Level::Balanced, 3_700_000), (Level::Best, 4_036_768)] {
        let [window, cli, recipe, of_cli] = both(level, bytes);
        assert!(window == cli, "{level:?}: another file");
        assert!(recipe == of_cli, "{level:?}: another recipe");
    }
}

#[test]
fn making_is_cancelled_and_waits_for_a_pack() {
    let folder = tempfile::tempdir().unwrap();
    let (model, path) = (copied_sample(folder.path()), folder.path().join("statistics.gguf"));
    let mut window = by_size(SIZE, 1.0, &model, &path);
    let is_on_its_way =
        |state: &State| matches!(&opened(state).sizing.standing, Standing::Making { progress: Some(_), .. });
    ask(&mut window, Wish::Chunks(None));
    ask(&mut window, Wish::Make);
    wait(&mut window, "progress", is_on_its_way);
    window.get_by_role_and_label(Role::Button, "Cancel").click();
    window.run_steps(4);
    assert!(!window.state().state().is_busy() && !path.exists());
    // Too little was done for anything to be kept, so nothing is claimed.
    wait(&mut window, "the look", |state| {
        matches!(opened(state).sizing.standing, Standing::Missing { is_begun: false })
    });
    window.get_by_label("Make statistics").click();
    wait(&mut window, "progress", is_on_its_way);
    act(&mut window, Action::Pack);
    wait(&mut window, "the file", |state| opened(state).report.is_some());
    assert!(opened(window.state().state()).report.as_ref().unwrap().outputs[0].recipe == "Q4_K_M");
    wait(&mut window, "going on", is_on_its_way);
    window.key_press(Key::Escape);
    window.run_steps(4);
    assert!(!window.state().state().is_busy(), "Escape stops it as well");
}

#[test]
fn what_was_measured_is_a_point_of_its_own() {
    let (_folder, mut window) = ready();
    window.get_by_label("none measured");
    act(&mut window, Action::Quality(Inquiry::Context(128)));
    act(&mut window, Action::Quality(Inquiry::Chunks(Some(2))));
    for level in [Level::Balanced, Level::Best] {
        ask(&mut window, Wish::Effort(level));
        solved(&mut window);
        act(&mut window, Action::Quality(Inquiry::Measure));
        wait(&mut window, "the measurement", |state| {
            let quality = &opened(state).quality;
            assert_eq!(quality.problem, None);
            quality.running.is_none() && quality.waiting.is_empty()
        });
    }
    let opened = now(&window);
    let [best, balanced] = [Level::Best, Level::Balanced].map(|level| {
        let found = opened.quality.measured.iter().find(|of| of.trial.name.ends_with(level.name()));
        found.unwrap_or_else(|| panic!("{level:?}"))
    });
    assert!(opened.is_current(&best.trial) && !opened.is_current(&balanced.trial));
    assert_eq!(best.trial.bytes, opened.choice.plan.file_bytes);
    assert_ne!(best.divergence, balanced.divergence, "the text was followed");
    assert!(best.trial.recipe.sequence.is_none(), "what was followed is let go of");
    window.get_by_label("measured");
    window.get_by_label_contains("KL divergence, predicted; 0.");
    // Another size was not measured.
    ask(&mut window, Wish::Move(3_000_000));
    solved(&mut window);
    window.get_by_label("KL divergence, predicted");
}
