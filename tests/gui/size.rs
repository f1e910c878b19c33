//! The size side: statistics made and found again, the slider and all that follows it, what is packed.

use crate::common::{tuck, tuck_ok};
use crate::fixture::{Window, copied_sample, sample, wait, with_options};
use crate::places::{assert_apart, picture};
use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::kittest::{NodeT, Queryable};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tempfile::TempDir;
use tuck::engine::DeviceChoice;
use tuck::gui::{Action, Inquiry, Opened, Options, Side, Standing, State, Tab, Wish};
use tuck::quant::Q8_0;
use tuck::recipe::Level;
use tuck::units;

const SIZE: [f32; 2] = [1280.0, 720.0];
const TEXT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/sample/calibration.txt");
const CHUNKS: usize = 2;

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
fn statistics() -> (TempDir, PathBuf) {
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

#[test]
fn bytes_table_and_fit_follow_the_slider() {
    let (_folder, mut window) = ready();
    act(&mut window, Action::Show(Tab::Fit));
    wait(&mut window, "the machines", |state| !state.fit.rows.is_empty());
    let sizes = now(&window).sizing.sizes.clone().unwrap();
    let needs = |window: &Window| window.state().state().fit.rows[0].answer.placement.total().total();
    let before = now(&window).choice.decision().clone();
    let mut last: Option<(u64, f64, u64)> = None;
    for part in [0, 1, 4, 10] {
        let bytes = sizes.smallest + (sizes.largest - sizes.smallest) * part / 10;
        // As a pointer moves: many places, of which the last one counts.
        for near in [bytes.saturating_sub(3000), bytes + 1000, bytes] {
            window.state_mut().ask(Action::Size(Wish::Move(near)));
            window.step();
        }
        solved(&mut window);
        let plan = &now(&window).choice.plan;
        assert!(plan.file_bytes <= bytes && plan.file_bytes + 30_000 > bytes, "{} of {bytes}", plan.file_bytes);
        let label = format!("{} bytes", units::grouped(plan.file_bytes));
        assert!(window.query_all_by_label(&label).next().is_some(), "{label}");
        window.get_by_label_contains(&format!("{} file, ", units::bytes(plan.file_bytes)));
        window.get_by_label(&format!("Pack {}", units::bytes(plan.file_bytes)));
        let found = (plan.file_bytes, now(&window).sizing.predicted.unwrap(), needs(&window));
        if let Some((bytes, loss, needs)) = last.replace(found) {
            assert!(found.0 > bytes && found.1 < loss && found.2 > needs, "{last:?} after {bytes} {loss} {needs}");
        }
    }
    assert_eq!(planned(&window, "blk.0.ffn_down.weight"), "Q8_0");
    ask(&mut window, Wish::LetGo);
    ask(&mut window, Wish::Move(sizes.smallest));
    solved(&mut window);
    act(&mut window, Action::Show(Tab::Tensors));
    let format = planned(&window, "blk.0.ffn_down.weight");
    assert_ne!(format, "Q8_0");
    window.get_by_label(&format!("Type of blk.0.ffn_down.weight: {format}"));

    // A whole move of the slider is one step, and so is turning to sizes.
    act(&mut window, Action::Undo);
    solved(&mut window);
    assert_eq!(planned(&window, "blk.0.ffn_down.weight"), "Q8_0");
    act(&mut window, Action::Undo);
    assert_eq!(*now(&window).choice.decision(), before);
    solved(&mut window);
    act(&mut window, Action::Undo);
    assert_eq!((now(&window).sizing.side, now(&window).choice.plan.recipe.name()), (Side::Type, "Q4_K_M"));
    window.get_by_label("Pack as Q4_K_M");
    act(&mut window, Action::Redo);
    solved(&mut window);
    assert_eq!(now(&window).sizing.side, Side::Size);
}

#[test]
fn the_slider_is_moved_by_pointer_and_keys() {
    let (_folder, mut window) = ready();
    let before = now(&window).choice.plan.file_bytes;
    let slider = window.get_by_role_and_label(Role::Slider, "Size of the file").rect();
    let at = slider.left_center() + (slider.right_center() - slider.left_center()) * 0.9;
    window.hover_at(at);
    window.run_steps(2);
    window.drag_at(at);
    window.run_steps(2);
    window.drop_at(at);
    window.run_steps(4);
    solved(&mut window);
    let larger = now(&window).choice.plan.file_bytes;
    assert!(larger > before, "{larger} and {before}");
    window.get_by_role_and_label(Role::Slider, "Size of the file").focus();
    window.run_steps(2);
    for _ in 0..5 {
        window.key_press(Key::ArrowLeft);
        window.run_steps(2);
    }
    solved(&mut window);
    assert!(now(&window).choice.plan.file_bytes < larger);
    // The arrows that walk the types leave them alone.
    window.key_press_modifiers(Modifiers::NONE, Key::ArrowDown);
    window.run_steps(2);
    assert!(now(&window).choice.decision().size.is_some());
}

#[test]
fn exact_sizes_can_be_typed() {
    let (_folder, mut window) = ready();
    let type_in = |window: &mut Window, text: &str| {
        window.get_by_role_and_label(Role::TextInput, "Exact size").focus();
        window.run_steps(2);
        window.key_press_modifiers(Modifiers::COMMAND, Key::A);
        window.run_steps(2);
        window.event(egui::Event::Text(text.to_owned()));
        window.run_steps(4);
    };
    let asked = |window: &Window| now(window).choice.decision().size.unwrap().bytes;
    type_in(&mut window, "4.1 MB");
    assert_eq!(asked(&window), 4_100_000);
    type_in(&mut window, "3,700,000");
    assert_eq!(asked(&window), 3_700_000);
    type_in(&mut window, "4.2 bits");
    solved(&mut window);
    let bits = now(&window).choice.plan.bits_per_weight;
    assert!((4.19..=4.2).contains(&bits), "{bits}");
    for (text, problem) in [("1 MB", "No file of these types is below"), ("much", "Type bytes, or a number")] {
        let before = asked(&window);
        type_in(&mut window, text);
        window.get_by_label_contains(problem);
        assert_eq!(asked(&window), before);
    }
    window.key_press(Key::Escape);
    window.run_steps(4);
    assert_eq!((&now(&window).sizing.problem, &now(&window).sizing.typed), (&None, &None));
}

#[test]
fn what_is_chosen_for_tensors_stays() {
    let (_folder, mut window) = ready();
    ask(&mut window, Wish::Move(3_700_000));
    solved(&mut window);
    let name = "blk.2.ffn_up.weight";
    assert_ne!(planned(&window, name), "Q8_0");
    let place = now(&window).model.tensors.iter().position(|tensor| tensor.name == name).unwrap();
    act(&mut window, Action::Select(tuck::gui::Select::Only(place)));
    act(&mut window, Action::GiveType(Some(&Q8_0)));
    solved(&mut window);
    assert_eq!(planned(&window, name), "Q8_0");
    assert!(now(&window).choice.plan.file_bytes <= 3_700_000);
    window.get_by_label("the mix goes around them");
    act(&mut window, Action::AddPattern);
    act(&mut window, Action::EditPattern(0, "attn_v=Q8_0".to_owned()));
    solved(&mut window);
    assert_eq!(planned(&window, "blk.1.attn_v.weight"), "Q8_0");
    assert!(now(&window).choice.plan.file_bytes <= 3_700_000);
    // Undone one by one.
    act(&mut window, Action::Undo);
    act(&mut window, Action::Undo);
    act(&mut window, Action::Undo);
    solved(&mut window);
    assert_ne!(planned(&window, name), "Q8_0");
}

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
    window.get_by_label("Go on measuring").click();
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

#[test]
fn a_machine_is_filled() {
    let (folder, mut window) = ready();
    act(&mut window, Action::Show(Tab::Fit));
    wait(&mut window, "the machines", |state| !state.fit.rows.is_empty());
    let name = window.state().state().fit.rows[1].machine.name.clone();
    window.get_by_label(&format!("Fill {name}")).click();
    // The sample is small: all of it fits.
    let largest = now(&window).sizing.sizes.as_ref().unwrap().largest;
    wait(&mut window, "the largest file", |state| opened(state).choice.plan.file_bytes == largest);
    solved(&mut window);
    assert!(now(&window).sizing.filling.is_none());
    let statistics = folder.path().join("statistics.gguf");
    let model = folder.path().join("sample");
    let chunks = CHUNKS.to_string();
    let report = tuck(&[
        "pack",
        model.to_str().unwrap(),
        "--dry-run",
        "--target",
        &name,
        "--ctx",
        "1024",
        "--text",
        TEXT,
        "--chunks",
        &chunks,
        "--statistics",
        statistics.to_str().unwrap(),
        "--device",
        "cpu",
        "--json",
    ]);
    let report: serde_json::Value = serde_json::from_slice(&report.stdout).unwrap();
    assert_eq!(report["file_bytes"], largest);
}

#[test]
fn the_size_side_has_its_place_at_every_size() {
    for (size, scale) in
        [([960.0, 600.0], 1.0), ([1280.0, 720.0], 1.0), ([1920.0, 1080.0], 2.0), ([3840.0, 2160.0], 1.0)]
    {
        let tag = format!("{}x{}@{scale}", size[0], size[1]);
        let (folder, path) = statistics();
        let model = copied_sample(folder.path());
        let mut window = by_size(size, scale, &model, &folder.path().join("none.gguf"));
        wait(&mut window, "the look", |state| matches!(opened(state).sizing.standing, Standing::Missing { .. }));
        assert_apart(
            &window,
            &["The best file of any size", "Make statistics", "Observed on", "Add pattern", "Pack as"],
        );
        picture(&mut window, &format!("size-none-{tag}"));
        ask(&mut window, Wish::Chunks(None));
        ask(&mut window, Wish::Make);
        wait(&mut window, "progress", |state| {
            matches!(&opened(state).sizing.standing, Standing::Making { progress: Some(_), .. })
        });
        assert_apart(&window, &["Making statistics", "Cancel", "Observed on", "Pack as"]);
        picture(&mut window, &format!("size-making-{tag}"));
        let mut window = by_size(size, scale, &model, &path);
        solved(&mut window);
        let shown =
            ["KL divergence, predicted", "Size against predicted KL divergence", "Size of the file", "Observed on"];
        assert_apart(&window, &shown);
        picture(&mut window, &format!("size-{tag}"));
        act(&mut window, Action::Quality(Inquiry::Context(128)));
        act(&mut window, Action::Quality(Inquiry::Chunks(Some(2))));
        act(&mut window, Action::Quality(Inquiry::Measure));
        wait(&mut window, "the measurement", |state| opened(state).quality.measured.len() == 1);
        act(&mut window, Action::Quality(Inquiry::MeasureUsual));
        wait(&mut window, "the measurements", |state| opened(state).quality.measured.len() == 7);
        act(&mut window, Action::Show(Tab::Fit));
        act(&mut window, Action::AddPattern);
        act(&mut window, Action::EditPattern(0, "attn_v=Q8_0".to_owned()));
        ask(&mut window, Wish::Effort(Level::Best));
        solved(&mut window);
        picture(&mut window, &format!("size-measured-{tag}"));
    }
}
