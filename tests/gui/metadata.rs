//! The metadata tab: what is shown, changed, taken back, fixed and written.

use crate::fixture::{Window, copied_sample, hollow_with, wait, window_with};
use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable;
use std::path::Path;
use tuck::gguf::Value;
use tuck::gui::{Action, Opened, Page, Tab};
use tuck::model::{CHAT_TEMPLATE, Model};

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

/// A copy of the sample whose tokenizer_config.json says this besides.
fn sample_with(folder: &Path, change: impl FnOnce(&mut serde_json::Value)) -> std::path::PathBuf {
    let copy = copied_sample(folder);
    let path = copy.join("tokenizer_config.json");
    let mut config = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut config);
    std::fs::write(path, config.to_string()).unwrap();
    copy
}

fn metadata(folder: &Path, change: impl FnOnce(&mut serde_json::Value)) -> Window {
    let mut window = window_with(SIZE, &sample_with(folder, change));
    window.state_mut().ask(Action::Show(Tab::Metadata));
    window.run_steps(4);
    window
}

/// Types into the field of the value being edited.
fn type_in(window: &mut Window, label: &str, text: &str) {
    assert!(window.get_by_role_and_label(Role::TextInput, label).is_focused(), "{label} has the focus");
    press(window, Modifiers::COMMAND, Key::A);
    window.event(egui::Event::Text(text.to_owned()));
    window.run_steps(4);
}

#[test]
fn a_value_is_edited_in_its_place_and_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = metadata(folder.path(), |_| {});
    let before = opened(&window).choice.plan.file_bytes;
    click(&mut window, "Edit Licence: not set");
    type_in(&mut window, "Licence", "apache-2.0");
    press(&mut window, Modifiers::NONE, Key::Enter);
    assert_eq!(opened(&window).model.value("general.license"), Some(&Value::from("apache-2.0")));
    assert!(opened(&window).choice.plan.file_bytes >= before);
    window.get_by_label("Edit Licence: apache-2.0");
    assert!(opened(&window).sheet.editing.is_none());

    let name = opened(&window).model.card.name.clone();
    click(&mut window, &format!("Edit Name: {name}"));
    type_in(&mut window, "Name", "Mine");
    click(&mut window, "Set");
    assert_eq!(opened(&window).model.card.name, "Mine");
    window.get_by_label("Mine-Q4_K_M.gguf");

    press(&mut window, Modifiers::COMMAND, Key::P);
    wait(&mut window, "the file", |state| state.opened.as_ref().is_some_and(|opened| opened.report.is_some()));
    let written = Model::open(&folder.path().join("Mine-Q4_K_M.gguf")).unwrap();
    assert_eq!(written.value("general.license"), Some(&Value::from("apache-2.0")));
    assert_eq!(written.card.name, "Mine");
    assert_eq!(std::fs::metadata(&written.path).unwrap().len(), opened(&window).choice.plan.file_bytes);
}

#[test]
fn changes_are_undone_redone_and_taken_back_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = metadata(folder.path(), |_| {});
    let author = |window: &Window| opened(window).model.value("general.author").cloned();
    click(&mut window, "Edit Author: not set");
    type_in(&mut window, "Author", "somebody");
    press(&mut window, Modifiers::NONE, Key::Enter);
    assert_eq!(author(&window), Some("somebody".into()));
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(author(&window), None);
    press(&mut window, Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    assert_eq!(author(&window), Some("somebody".into()));
    click(&mut window, "Undo this change");
    assert_eq!(author(&window), None);
    assert_eq!(opened(&window).choice.decision().settings, []);
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(author(&window), Some("somebody".into()));

    // A type is another kind of step in the same history.
    press(&mut window, Modifiers::NONE, Key::ArrowDown);
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(author(&window), Some("somebody".into()));
}

#[test]
fn what_makes_no_sense_is_explained_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = metadata(folder.path(), |_| {});
    let context = opened(&window).model.card.context;
    click(&mut window, &format!("Edit Context length: {context}"));
    type_in(&mut window, "Context length", "many");
    press(&mut window, Modifiers::NONE, Key::Enter);
    window.get_by_label_contains("It has no whole number");
    window.get_by_role_and_label(Role::TextInput, "Context length").focus();
    window.run_steps(2);
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert!(opened(&window).sheet.editing.is_none(), "{:?}", opened(&window).sheet.editing);

    click(&mut window, "Edit End of turn: not set");
    type_in(&mut window, "End of turn", "99999");
    press(&mut window, Modifiers::NONE, Key::Enter);
    window.get_by_label_contains("the vocabulary has 4096");
    click(&mut window, "Leave it");
    assert_eq!(opened(&window).choice.decision().settings, []);
}

#[test]
fn the_filter_finds_keys_labels_and_values() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = metadata(folder.path(), |_| {});
    window.get_by_role_and_label(Role::TextInput, "Filter metadata").focus();
    window.run_steps(2);
    window.event(egui::Event::Text("rope".to_owned()));
    window.run_steps(4);
    assert!(opened(&window).sheet.rows.iter().all(|row| row.key.contains("rope")));
    window.get_by_label("llama.rope.freq_base");
    window.event(egui::Event::Text("???".to_owned()));
    window.run_steps(4);
    window.get_by_label_contains("Nothing has “rope???”");
}

/// `<|turn|>` is no token of the sample.
const TEMPLATE: &str = "{% for message in messages %}{{ message.role }}: {{ message.content }}<|turn|>\n{% endfor %}";

#[test]
fn a_finding_is_told_and_fixed() {
    let folder = tempfile::tempdir().unwrap();
    let sample = Model::open(&crate::fixture::sample()).unwrap();
    let token = sample.token(sample.token_id("eos").unwrap()).unwrap();
    let template = TEMPLATE.replace("<|turn|>", &format!("{token}{{# \u{200b} #}}"));
    let mut window = metadata(folder.path(), |config| config["chat_template"] = template.into());
    let place =
        opened(&window).sheet.findings.iter().position(|finding| finding.found.contains("nobody sees")).unwrap();
    window.get_by_label("Metadata 1");
    click(&mut window, "caution: tokenizer.chat_template – it holds 1 characters that nobody sees (U+200B) (line 1).");
    assert_eq!(opened(&window).sheet.unfolded, Some(place));
    window.get_by_label_contains("orders that only the model reads");
}

#[test]
fn the_chat_template_is_shown_with_what_comes_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = metadata(folder.path(), |config| config["chat_template"] = TEMPLATE.into());
    window.get_by_role_and_label(Role::Button, "Chat template").click();
    window.run_steps(4);
    assert_eq!(opened(&window).sheet.page, Page::Template);
    window.get_by_label_contains("user: What is the capital of France?<|turn|>");
    click(&mut window, "With a system message");
    window.get_by_label_contains("system: Answer in one short sentence.<|turn|>");

    let broken = "{% for message in messages %}".to_owned();
    window.state_mut().ask(Action::UseTemplate(Ok(broken)));
    window.run_steps(4);
    window.get_by_label_contains("It is no chat template");
    assert_eq!(opened(&window).model.value(CHAT_TEMPLATE), Some(&TEMPLATE.into()));
    window.state_mut().ask(Action::UseTemplate(Err("no such file".to_owned())));
    window.run_steps(4);
    window.get_by_label_contains("no such file");
    window.state_mut().ask(Action::UseTemplate(Ok("{{ messages[0].content }}!".to_owned())));
    window.run_steps(4);
    window.get_by_label("Answer in one short sentence.!");
    click(&mut window, "Undo this change");
    assert_eq!(opened(&window).model.value(CHAT_TEMPLATE), Some(&TEMPLATE.into()));
    click(&mut window, "Remove");
    window.get_by_label_contains("The model has no chat template");
    press(&mut window, Modifiers::COMMAND, Key::Z);
    window.get_by_label_contains("system: Answer in one short sentence.<|turn|>");
}

#[test]
fn a_fix_is_one_step() {
    const EOT: &str = "tokenizer.ggml.eot_token_id";
    let folder = tempfile::tempdir().unwrap();
    let wrong =
        hollow_with(folder.path(), "Wrong", (512, 2), |metadata| metadata.push((EOT.to_owned(), Value::U32(77_777))));
    let mut window = window_with(SIZE, &wrong);
    window.get_by_label_contains("eot_token_id: it is 77777");
    click(&mut window, "Metadata 1");
    click(&mut window, &format!("Fix {EOT}"));
    assert_eq!(opened(&window).model.value(EOT), None);
    assert!(opened(&window).sheet.cautions().next().is_none());
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(opened(&window).model.value(EOT), Some(&Value::U32(77_777)));
}
