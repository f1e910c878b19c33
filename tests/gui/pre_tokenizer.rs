//! The question about a pre-tokenizer that llama.cpp does not have, and what else a model says of itself.

use crate::fixture::{Window, sample_of_own_cut, wait, window_with};
use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::kittest::{NodeT, Queryable};
use tuck::gguf::Value;
use tuck::gui::{Action, Dialog, Opened, Tab};
use tuck::model::{Model, PRE_TOKENIZER};

const SIZE: [f32; 2] = [1280.0, 720.0];

fn opened(window: &Window) -> &Opened {
    window.state().state().opened.as_ref().expect("a model is open")
}

fn press(window: &mut Window, modifiers: Modifiers, key: Key) {
    window.key_press_modifiers(modifiers, key);
    window.run_steps(4);
}

fn click(window: &mut Window, label: &str) {
    window.get_by_role_and_label(Role::Button, label).click();
    window.run_steps(4);
}

#[test]
fn nothing_is_packed_before_the_pre_tokenizer_is_decided() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = window_with(SIZE, &sample_of_own_cut(folder.path()));
    let question = opened(&window).model.question.clone().expect("it is asked");
    assert_eq!(window.state().state().dialog, Some(Dialog::PreTokenizer));
    window.get_by_label_contains(&format!("{} of {} test texts", question.differences.len(), question.texts));
    let nearest = question.nearest;
    assert!(window.query_all_by_label(nearest).count() > 1);

    // Escape decides nothing, and packing asks again.
    press(&mut window, Modifiers::NONE, Key::Escape);
    window.get_by_label_contains("Not to be packed yet");
    press(&mut window, Modifiers::COMMAND, Key::P);
    assert_eq!(window.state().state().dialog, Some(Dialog::PreTokenizer));
    assert!(window.state().state().packing.is_none());
    click(&mut window, "Not now");
    assert!(window.state().state().dialog.is_none() && opened(&window).model.question.is_some());
    click(&mut window, "Decide…");
    click(&mut window, &format!("Use {nearest}"));
    assert!(window.state().state().dialog.is_none() && opened(&window).model.question.is_none());
    assert_eq!(opened(&window).model.value(PRE_TOKENIZER), Some(&Value::from(nearest)));
    assert!(opened(&window).sheet.rows.iter().any(|row| row.key == PRE_TOKENIZER && row.is_changed));

    // A step like others: back, forth, and beside changes to the metadata.
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert!(opened(&window).model.question.is_some());
    press(&mut window, Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    window.state_mut().ask(Action::RemoveValue("general.name".to_owned()));
    window.run_steps(4);
    assert!(opened(&window).model.question.is_none() && opened(&window).model.value("general.name").is_none());
    window.state_mut().ask(Action::RestoreValue(PRE_TOKENIZER.to_owned()));
    window.run_steps(4);
    assert!(opened(&window).model.question.is_some());
    press(&mut window, Modifiers::COMMAND, Key::Z);

    press(&mut window, Modifiers::COMMAND, Key::P);
    wait(&mut window, "the file", |state| state.opened.as_ref().is_some_and(|opened| opened.report.is_some()));
    let written = Model::open(&opened(&window).report.as_ref().unwrap().outputs[0].path).unwrap();
    assert_eq!(written.value(PRE_TOKENIZER), Some(&Value::from(nearest)));
}

#[test]
fn what_was_noticed_about_a_model_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = crate::fixture::copied_sample(folder.path());
    std::fs::write(path.join("README.md"), "---\nlicense: [\n---\n").unwrap();
    let window = window_with(SIZE, &path);
    let note = opened(&window).model.notes.first().expect("a README that cannot be read is noticed");
    let words = &note[1..].trim_end_matches('.');
    let shown = window.query_all_by_label_contains(words).next().expect("it is shown");
    assert_eq!(shown.accesskit_node().value(), Some(format!("T{words}.")));
}

#[test]
fn a_chat_template_is_typed_with_its_preview() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = window_with(SIZE, &crate::fixture::copied_sample(folder.path()));
    window.state_mut().ask(Action::Show(Tab::Metadata));
    window.state_mut().ask(Action::Turn(tuck::gui::Page::Template));
    window.run_steps(4);
    let before = opened(&window).model.value(tuck::model::CHAT_TEMPLATE).cloned();
    click(&mut window, "Edit template");
    assert!(window.get_by_role_and_label(Role::MultilineTextInput, "Chat template").is_focused());
    press(&mut window, Modifiers::COMMAND, Key::A);
    window.event(egui::Event::Text("{{ messages[0].content }} – typed".to_owned()));
    window.run_steps(4);
    window.get_by_label("What is the capital of France? – typed");
    assert_eq!(opened(&window).model.value(tuck::model::CHAT_TEMPLATE).cloned(), before);
    click(&mut window, "Set");
    assert_eq!(
        opened(&window).model.value(tuck::model::CHAT_TEMPLATE),
        Some(&Value::from("{{ messages[0].content }} – typed"))
    );
    click(&mut window, "Edit template");
    press(&mut window, Modifiers::COMMAND, Key::A);
    window.event(egui::Event::Text("{% for".to_owned()));
    window.run_steps(4);
    click(&mut window, "Set");
    window.get_by_label_contains("It is no chat template");
    click(&mut window, "Leave it");
    window.get_by_label("What is the capital of France? – typed");
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(opened(&window).model.value(tuck::model::CHAT_TEMPLATE).cloned(), before);
}
