//! What a person does, from opening to the finished file.

use crate::fixture::{Window, copied_sample, hollow_model, let_go, sample, type_label, wait, window, window_with};
use egui::{Key, Modifiers};
use egui_kittest::kittest::{NodeT, Queryable};
use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use tuck::gui::{Action, Dialog, Opened, Tab};
use tuck::recipe::{PRESETS, Plan, Recipe, preset_from_name};
use tuck::units;

const SIZE: [f32; 2] = [1280.0, 720.0];

fn opened(window: &Window) -> &Opened {
    window.state().state().opened.as_ref().expect("a model is open")
}

fn press(window: &mut Window, modifiers: Modifiers, key: Key) {
    window.key_press_modifiers(modifiers, key);
    window.run_steps(4);
}

fn click(window: &mut Window, label: &str) {
    window.get_by_label(label).click();
    window.run_steps(4);
}

#[test]
fn the_sample_opens_from_the_empty_window() {
    let mut window = window(SIZE, None);
    window.get_by_label("Open the sample").click();
    wait(&mut window, "the sample", |state| state.opened.is_some());
    assert_eq!(opened(&window).model.card.layers, 8);
    window.get_by_label("token_embd.weight");
}

#[test]
fn every_type_shows_the_size_of_its_plan() {
    let mut window = window_with([1280.0, 1080.0], &sample());
    for preset in PRESETS {
        let plan = Plan::new(&opened(&window).model, &Recipe::new(preset)).unwrap();
        let label = type_label(&opened(&window).model, preset);
        window.get_by_label(&label).click_accesskit();
        window.run_steps(4);
        assert_eq!(opened(&window).choice.decision().preset.name, preset.name);
        assert_eq!(opened(&window).choice.plan.file_bytes, plan.file_bytes);
        window.get_by_label_contains(&format!("{} file, ", units::bytes(plan.file_bytes)));
        window.get_by_label(&format!("Pack as {}", preset.name));
    }
}

#[test]
fn the_arrow_keys_walk_the_types() {
    let mut window = window_with(SIZE, &sample());
    let before = opened(&window).choice.decision().preset.name;
    press(&mut window, Modifiers::NONE, Key::ArrowDown);
    assert_ne!(opened(&window).choice.decision().preset.name, before);
    press(&mut window, Modifiers::NONE, Key::ArrowUp);
    assert_eq!(opened(&window).choice.decision().preset.name, before);
    for _ in PRESETS {
        press(&mut window, Modifiers::NONE, Key::ArrowUp);
    }
    assert_eq!(opened(&window).choice.decision().preset.name, PRESETS[0].name);
}

#[test]
fn the_table_filters_and_sorts() {
    let mut window = window_with(SIZE, &sample());
    let all = opened(&window).model.tensors.len();
    press(&mut window, Modifiers::COMMAND, Key::F);
    window.event(egui::Event::Text("FFN_down".to_owned()));
    window.run_steps(4);
    assert_eq!(opened(&window).table.rows.len(), 8);
    window.get_by_label_contains(&format!("8 of {all} tensors"));
    let names = |window: &Window| -> Vec<String> {
        let opened = opened(window);
        opened.table.rows.iter().map(|&row| opened.model.tensors[row].name.clone()).collect()
    };
    assert!(names(&window).iter().all(|name| name.contains("ffn_down")));
    click(&mut window, "Tensor");
    assert!(names(&window).is_sorted());
    click(&mut window, "Tensor ↑");
    assert!(names(&window).is_sorted_by(|a, b| a >= b));
    click(&mut window, "Bytes");
    let bytes: Vec<u64> =
        opened(&window).table.rows.iter().map(|&row| opened(&window).choice.plan.tensors[row].bytes).collect();
    assert!(bytes.is_sorted());
}

#[test]
fn patterns_change_the_plan_and_show_their_errors() {
    let mut window = window_with([1280.0, 1080.0], &sample());
    let before = opened(&window).choice.plan.file_bytes;
    click(&mut window, "Add pattern");
    let type_in = |window: &mut Window, text: &str| {
        window.get_by_role_and_label(egui::accesskit::Role::TextInput, "Pattern 1").focus();
        window.run_steps(2);
        press(window, Modifiers::COMMAND, Key::A);
        window.event(egui::Event::Text(text.to_owned()));
        window.run_steps(4);
    };
    for (text, problem) in [
        ("attn_v", "It has no '='"),
        ("attn_v=Q9", "It names the type"),
        ("(=Q8_0", "It has a pattern that is no regular expression"),
        ("nothing_like_it=Q8_0", "It matches no tensor"),
    ] {
        type_in(&mut window, text);
        window.get_by_label_contains(problem);
        assert_eq!(opened(&window).choice.plan.file_bytes, before, "{text}");
        assert!(window.get_by_label_contains("Pack as").accesskit_node().is_disabled());
    }
    type_in(&mut window, "attn_v=F32");
    assert!(opened(&window).choice.is_valid());
    assert!(opened(&window).choice.plan.file_bytes > before);
    click(&mut window, "Remove pattern");
    assert_eq!(opened(&window).choice.plan.file_bytes, before);
}

/// The format planned for a tensor.
fn planned(window: &Window, name: &str) -> &'static str {
    let opened = opened(window);
    let index = opened.model.tensors.iter().position(|tensor| tensor.name == name).unwrap();
    opened.choice.plan.tensors[index].format.name
}

#[test]
fn a_tensor_gets_a_type_by_click_and_undo_takes_it_back() {
    let mut window = window_with(SIZE, &sample());
    let (tensor, other) = ("blk.1.attn_q.weight", "blk.0.attn_q.weight");
    let before = opened(&window).choice.plan.file_bytes;
    click(&mut window, &format!("Type of {tensor}: Q4_K"));
    window.get_by_label("Q8_0, 69.6 kB").click();
    window.run_steps(4);
    assert_eq!((planned(&window, tensor), planned(&window, other)), ("Q8_0", "Q4_K"));
    assert!(opened(&window).choice.plan.file_bytes > before);
    window.get_by_label("1 tensor has a type of its own");

    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(planned(&window, tensor), "Q4_K");
    assert_eq!(opened(&window).choice.plan.file_bytes, before);
    press(&mut window, Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    assert_eq!(planned(&window, tensor), "Q8_0");

    // A type of the whole model is undone the same way, and leaves the tensor's own alone.
    press(&mut window, Modifiers::NONE, Key::ArrowDown);
    assert_eq!(planned(&window, tensor), "Q8_0");
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(opened(&window).choice.decision().preset.name, "Q4_K_M");

    click(&mut window, &format!("Type of {tensor}: Q8_0"));
    click(&mut window, "Follow the recipe (Q4_K)");
    assert_eq!(opened(&window).choice.plan.file_bytes, before);
    assert!(opened(&window).choice.decision().picks.is_empty());
}

#[test]
fn a_group_and_a_range_get_a_type_together() {
    let mut window = window_with(SIZE, &sample());
    click(&mut window, "Type of blk.0.attn_v.weight: Q6_K");
    click(&mut window, "Every attn_v (8)");
    window.get_by_label("Q5_0, 180 kB").click();
    window.run_steps(4);
    for layer in 0..8 {
        assert_eq!(planned(&window, &format!("blk.{layer}.attn_v.weight")), "Q5_0");
    }
    assert_eq!(planned(&window, "blk.0.attn_k.weight"), "Q4_K");

    click(&mut window, "blk.0.attn_k.weight");
    window.get_by_label("blk.0.attn_output.weight").click_modifiers(Modifiers::SHIFT);
    window.run_steps(2);
    window.get_by_label("blk.1.attn_k.weight").click_modifiers(Modifiers::COMMAND);
    window.run_steps(2);
    assert_eq!(opened(&window).table.selection.tensors.len(), 3, "the norm between them stays out");
    click(&mut window, "Change type…");
    window.get_by_label("IQ4_XS, 69.6 kB").click();
    window.run_steps(4);
    for name in ["blk.0.attn_k.weight", "blk.0.attn_output.weight", "blk.1.attn_k.weight"] {
        assert_eq!(planned(&window, name), "IQ4_XS");
    }
    assert_eq!(opened(&window).choice.decision().picks.len(), 11);
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert!(opened(&window).table.selection.tensors.is_empty());
    click(&mut window, "Reset");
    assert_eq!(planned(&window, "blk.0.attn_v.weight"), "Q6_K");
}

#[test]
fn a_format_that_does_not_fit_says_what_it_becomes() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = window_with(SIZE, &hollow_model(folder.path(), "Odd", 576, 2));
    click(&mut window, "Type of blk.0.attn_q.weight: Q5_0");
    window.get_by_label("Q6_K, 157 kB, becomes Q8_0");
}

#[test]
fn fallbacks_are_listed_with_their_reason() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = window_with(SIZE, &hollow_model(folder.path(), "Odd", 576, 2));
    let count = opened(&window).choice.plan.fallbacks.len();
    click(&mut window, &format!("Fallbacks {count}"));
    let text = "cannot be Q4_K: rows of 576 weights are no multiple of Q4_K's 256";
    let listed = |window: &Window| window.query_all_by_label("blk.1.attn_q.weight").count();
    assert_eq!(listed(&window), 0);
    window.query_all_by_label_contains(text).next().expect("the reason").click();
    window.run_steps(4);
    assert_eq!(listed(&window), 1);
    window.query_all_by_label_contains(text).next().unwrap().click();
    window.run_steps(4);
    assert_eq!(listed(&window), 0);
}

#[test]
fn what_cannot_be_opened_is_explained_and_put_away_by_escape_or_enter() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broken.gguf");
    std::fs::write(&path, b"GGUF, but not really").unwrap();
    let mut window = window(SIZE, None);
    for key in [Key::Escape, Key::Enter] {
        let_go(&mut window, &path);
        wait(&mut window, "the message", |state| state.dialog.is_some());
        window.get_by_label("broken.gguf cannot be opened");
        press(&mut window, Modifiers::NONE, key);
        assert_eq!(window.state().state().dialog, None, "{key:?}");
    }
    window.get_by_label("Open the sample");
}

#[test]
fn a_dropped_folder_opens() {
    let mut window = window(SIZE, None);
    let_go(&mut window, &sample());
    wait(&mut window, "the dropped model", |state| state.opened.is_some());
}

#[test]
fn the_newest_of_two_models_wins() {
    let folder = tempfile::tempdir().unwrap();
    let path = hollow_model(folder.path(), "Newest", 512, 2);
    let mut window = window(SIZE, Some(&sample()));
    let_go(&mut window, &path);
    wait(&mut window, "the model", |state| state.opening.is_none());
    assert_eq!(opened(&window).model.card.name, "Newest");
}

#[test]
fn a_pack_asks_before_it_replaces_and_shows_its_result() {
    let folder = tempfile::tempdir().unwrap();
    let path = hollow_model(folder.path(), "Small", 512, 2);
    let mut window = window_with(SIZE, &path);
    let output = folder.path().join("Small-Q4_K_M.gguf");
    assert_eq!(opened(&window).outputs(), std::slice::from_ref(&output));
    std::fs::write(&output, b"something else").unwrap();

    press(&mut window, Modifiers::COMMAND, Key::P);
    assert_eq!(window.state().state().dialog, Some(Dialog::Replace(vec![output.clone()])));
    click(&mut window, "Keep it");
    assert!(window.state().state().packing.is_none());
    assert_eq!(std::fs::read(&output).unwrap(), b"something else");

    press(&mut window, Modifiers::COMMAND, Key::P);
    click(&mut window, "Replace it");
    wait(&mut window, "the file", |state| state.packing.is_none());
    let report = opened(&window).report.clone().expect("a report");
    let written = &report.outputs[0];
    assert_eq!(written.path, output);
    assert_eq!(std::fs::metadata(&output).unwrap().len(), written.file_bytes);
    assert_eq!(written.file_bytes, opened(&window).choice.plan.file_bytes);
    assert_eq!(opened(&window).tab, Tab::Result);
    window.get_by_label(&format!("llama-cli -m {}", output.display()));
    click(&mut window, "Copy for LM Studio");
}

#[test]
fn ticked_types_are_written_together() {
    let folder = tempfile::tempdir().unwrap();
    let path = hollow_model(folder.path(), "Small", 512, 2);
    let mut window = window_with(SIZE, &path);
    for name in ["Q6_K", "Q5_0"] {
        // It may be out of sight.
        window.get_by_label(&format!("Write {name}")).click_accesskit();
        window.run_steps(4);
    }
    let ticked = ["Q6_K", "Q5_0", "Q4_K_M"];
    let sizes = ticked.map(|name| opened(&window).choice.size(preset_from_name(name).unwrap()).file_bytes);
    let total = units::bytes(sizes.iter().sum());
    window.get_by_label("3 files: Small-Q6_K.gguf, Small-Q5_0.gguf, Small-Q4_K_M.gguf");
    let existing = folder.path().join("Small-Q5_0.gguf");
    std::fs::write(&existing, b"something else").unwrap();
    click(&mut window, &format!("Pack 3 files, {total}"));
    assert_eq!(window.state().state().dialog, Some(Dialog::Replace(vec![existing])));
    click(&mut window, "Replace it");
    wait(&mut window, "the files", |state| state.packing.is_none());
    let report = opened(&window).report.clone().expect("a report");
    for ((output, name), size) in report.outputs.iter().zip(ticked).zip(sizes) {
        assert_eq!(output.path, folder.path().join(format!("Small-{name}.gguf")));
        assert_eq!(std::fs::metadata(&output.path).unwrap().len(), size);
        window.get_by_label(&format!("About Small-{name}.gguf"));
    }
    click(&mut window, "About Small-Q5_0.gguf");
    window.get_by_label(&format!("llama-cli -m {}", report.outputs[1].path.display()));

    press(&mut window, Modifiers::COMMAND, Key::Z);
    press(&mut window, Modifiers::COMMAND, Key::Z);
    window.get_by_label("Pack as Q4_K_M");
}

#[test]
fn the_types_can_be_searched() {
    let mut window = window_with(SIZE, &sample());
    window.get_by_role_and_label(egui::accesskit::Role::TextInput, "Find a type").focus();
    window.run_steps(2);
    window.event(egui::Event::Text("phones".to_owned()));
    window.run_steps(4);
    let model = opened(&window).model.clone();
    let label = |name: &str| type_label(&model, preset_from_name(name).unwrap());
    window.get_by_label(&label("Q4_0"));
    assert!(window.query_by_label(&label("Q4_K_M")).is_none());
    window.event(egui::Event::Text("!".to_owned()));
    window.run_steps(4);
    window.get_by_label_contains("No type has “phones!”");
}

#[test]
fn a_type_that_needs_an_importance_matrix_says_so() {
    let mut window = window_with(SIZE, &sample());
    let label = type_label(&opened(&window).model, preset_from_name("IQ2_XXS").unwrap());
    window.get_by_label(&label).click_accesskit();
    window.run_steps(4);
    window.get_by_label_contains("without an importance matrix");
}

#[test]
fn an_importance_matrix_is_dropped_undone_and_removed() {
    let mut window = window_with(SIZE, &sample());
    let label = type_label(&opened(&window).model, preset_from_name("IQ2_XXS").unwrap());
    window.get_by_label(&label).click_accesskit();
    window.run_steps(4);
    assert_eq!(opened(&window).choice.cautions.len(), 1);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/imatrix/sample.dat");
    let used = |window: &Window| opened(window).choice.plan.recipe.imatrix.is_some();
    let_go(&mut window, &file);
    wait(&mut window, "the matrix", |state| state.reading.is_none());
    assert!(used(&window));
    window.get_by_label("sample.dat");
    assert_eq!(opened(&window).choice.cautions, Vec::<String>::new());
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert!(!used(&window));
    press(&mut window, Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    assert!(used(&window));
    click(&mut window, "Remove importance matrix");
    assert!(!used(&window));
    window.get_by_label("Use importance matrix…");
}

#[test]
fn an_importance_matrix_of_another_model_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = window_with(SIZE, &hollow_model(folder.path(), "Other", 512, 2));
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/imatrix/sample.gguf");
    window.state_mut().ask(Action::OpenImatrix(file));
    wait(&mut window, "the message", |state| state.dialog.is_some());
    window.get_by_label("sample.gguf is of another model");
    press(&mut window, Modifiers::NONE, Key::Escape);
    window.state_mut().ask(Action::OpenImatrix(folder.path().join("gone.dat")));
    wait(&mut window, "the message", |state| state.dialog.is_some());
    window.get_by_label("gone.dat cannot be used");
    assert!(opened(&window).choice.plan.recipe.imatrix.is_none());
}

#[test]
fn a_pack_can_be_cancelled_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = hollow_model(folder.path(), "Large", 1024, 400);
    let mut window = window_with(SIZE, &path);
    click(&mut window, "Pack as Q4_K_M");
    wait(&mut window, "progress", |state| state.packing.as_ref().is_some_and(|packing| packing.progress.is_some()));
    let_go(&mut window, &sample());
    assert!(matches!(window.state().state().dialog, Some(Dialog::Busy(_))));
    click(&mut window, "Keep packing");
    press(&mut window, Modifiers::NONE, Key::Escape);
    wait(&mut window, "the end", |state| state.packing.is_none());
    assert!(opened(&window).report.is_none());
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["hollow.gguf"]);
}

#[test]
fn another_model_can_be_opened_instead_of_the_running_pack() {
    let folder = tempfile::tempdir().unwrap();
    let path = hollow_model(folder.path(), "Large", 1024, 400);
    let mut window = window_with(SIZE, &path);
    click(&mut window, "Pack as Q4_K_M");
    let_go(&mut window, &sample());
    click(&mut window, "Cancel and open");
    wait(&mut window, "the sample", |state| state.opening.is_none());
    assert_ne!(opened(&window).model.card.name, "Large");
    assert!(opened(&window).report.is_none(), "the cancelled pack's events are ignored");
}

#[test]
fn the_theme_changes_by_key() {
    let mut window = window(SIZE, None);
    let before = window.ctx.theme();
    press(&mut window, Modifiers::COMMAND | Modifiers::SHIFT, Key::L);
    assert_ne!(window.ctx.theme(), before);
}

#[test]
fn weights_that_are_nan_are_named_and_packed_only_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let path = hollow_model(folder.path(), "Damaged", 512, 2);
    let mut file = OpenOptions::new().write(true).open(&path).unwrap();
    // The last two bytes are a weight of a matrix.
    file.seek(SeekFrom::End(-2)).unwrap();
    file.write_all(&half::f16::NAN.to_le_bytes()).unwrap();
    let mut window = window_with(SIZE, &path);
    press(&mut window, Modifiers::COMMAND, Key::P);
    wait(&mut window, "the message", |state| state.dialog.is_some());
    assert!(opened(&window).report.is_none());
    click(&mut window, "Pack anyway");
    wait(&mut window, "the file", |state| state.packing.is_none());
    assert!(opened(&window).report.is_some());
    assert!(!window.state().state().warnings.is_empty());
}

#[test]
fn closing_the_window_during_a_pack_asks_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = hollow_model(folder.path(), "Large", 1024, 400);
    let mut window = window_with(SIZE, &path);
    click(&mut window, "Pack as Q4_K_M");
    let root = window.input_mut().viewports.get_mut(&egui::ViewportId::ROOT).unwrap();
    root.events.push(egui::ViewportEvent::Close);
    window.run_steps(4);
    assert_eq!(window.state().state().dialog, Some(Dialog::Quit));
    click(&mut window, "Keep packing");
    assert!(window.state().state().packing.is_some());
}

#[test]
fn a_packed_file_is_verified_against_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let path = copied_sample(folder.path());
    let mut window = window_with(SIZE, &path);
    press(&mut window, Modifiers::COMMAND, Key::P);
    wait(&mut window, "the file", |state| state.packing.is_none());
    let output = opened(&window).report.clone().expect("a report").outputs[0].path.clone();
    click(&mut window, "Verify");
    wait(&mut window, "the errors", |state| state.verifying.is_none());
    let errors = opened(&window).errors.clone().expect("errors");
    assert_eq!((opened(&window).tab, &errors.report.candidate), (Tab::Errors, &output));
    let relative = errors.report.total.plain.relative_rmse();
    assert!((0.05..0.07).contains(&relative), "{relative}");
    window.get_by_label(&units::percent(relative));

    // The table has a column of them, and sorts by it.
    click(&mut window, "Tensors");
    window.query_all_by_label("Error").last().expect("the column's head").click();
    window.run_steps(4);
    let table = &opened(&window).table;
    let sorted: Vec<_> = table.rows.iter().map(|&row| table.errors[row]).collect();
    assert!(sorted.iter().all(Option::is_some) && sorted.is_sorted(), "{sorted:?}");

    // Another pack may have replaced the file.
    press(&mut window, Modifiers::COMMAND, Key::P);
    click(&mut window, "Replace it");
    wait(&mut window, "the file", |state| state.packing.is_none());
    assert!(opened(&window).errors.is_none());
}

#[test]
fn a_comparison_can_be_cancelled_and_its_failure_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = hollow_model(folder.path(), "Large", 1024, 400);
    let mut window = window_with(SIZE, &path);
    window.state_mut().ask(Action::Verify(path.clone()));
    wait(&mut window, "progress", |state| {
        state.verifying.as_ref().is_some_and(|verifying| verifying.progress.is_some())
    });
    click(&mut window, "Cancel");
    assert!(window.state().state().verifying.is_none());
    window.state_mut().ask(Action::Verify(folder.path().join("gone.gguf")));
    wait(&mut window, "the message", |state| state.dialog.is_some());
    assert!(opened(&window).errors.is_none());
    window.get_by_label_contains("gone.gguf cannot be compared");
}

#[test]
fn every_shortcut_is_listed() {
    let mut window = window(SIZE, None);
    click(&mut window, "Help");
    // With the menu's arrow or without.
    window.query_all_by_label_contains("Keyboard shortcuts").next().expect("a menu item").click();
    window.run_steps(4);
    for action in Action::with_shortcuts() {
        assert!(window.query_all_by_label_contains(&action.label()).next().is_some(), "{action:?}");
    }
}
