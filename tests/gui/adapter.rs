//! LoRA adapters by drop and by dialog: merged, removed, exported.

use crate::fixture::{Window, adapter, copied_sample, let_go, wait, window, window_with};
use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::kittest::{NodeT, Queryable};
use std::path::Path;
use tuck::checkpoint::Kind;
use tuck::gui::{Action, AdapterForm, Dialog, Opened};
use tuck::model::Model;

const SIZE: [f32; 2] = [1280.0, 720.0];

fn opened(window: &Window) -> &Opened {
    window.state().state().opened.as_ref().expect("a model is open")
}

fn form(window: &Window) -> &AdapterForm {
    match &window.state().state().dialog {
        Some(Dialog::Adapter(form)) => form,
        other => panic!("{other:?}"),
    }
}

fn press(window: &mut Window, modifiers: Modifiers, key: Key) {
    window.key_press_modifiers(modifiers, key);
    window.run_steps(4);
}

fn click(window: &mut Window, label: &str) {
    window.get_by_role_and_label(Role::Button, label).click();
    window.run_steps(4);
}

/// Drops an adapter and waits for its dialog.
fn drop_adapter(window: &mut Window, path: &Path) {
    let_go(window, path);
    wait(window, "the adapter", |state| matches!(state.dialog, Some(Dialog::Adapter(_))));
}

fn merged(window: &mut Window, count: usize) {
    wait(window, "the merged model", |state| {
        state.opening.is_none() && state.opened.as_ref().is_some_and(|opened| opened.model.adapters.len() == count)
    });
}

#[test]
fn a_dropped_adapter_is_merged_with_a_scale_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let (base, mine) = (copied_sample(folder.path()), adapter(folder.path(), "mine"));
    let mut window = window_with(SIZE, &base);
    press(&mut window, Modifiers::NONE, Key::ArrowDown);
    let preset = opened(&window).choice.decision().preset;
    window.get_by_label("LoRA adapters");

    // Its weights mean its folder.
    drop_adapter(&mut window, &mine.join("adapter_model.safetensors"));
    window.get_by_label("LoRA adapter mine");
    window.get_by_label_contains("a LoRA adapter of rank 4, alpha 8, for 4 modules of somebody/sample");
    assert_eq!(form(&window).base.as_ref(), Some(&base));
    window.state_mut().ask(Action::ScaleAdapter("much".to_owned()));
    window.run_steps(4);
    window.get_by_label_contains("The scale is a number");
    assert!(window.get_by_role_and_label(Role::Button, "Merge").accesskit_node().is_disabled());
    window.get_by_role_and_label(Role::TextInput, "Scale").focus();
    window.run_steps(2);
    press(&mut window, Modifiers::COMMAND, Key::A);
    window.event(egui::Event::Text("0.5".to_owned()));
    window.run_steps(4);
    click(&mut window, "Merge");
    merged(&mut window, 1);
    window.get_by_label("mine × 0.5");
    let merged_in = &opened(&window).model.adapters[0];
    assert_eq!((merged_in.choice.scale, merged_in.tensors), (0.5, 4));
    assert_eq!(opened(&window).choice.decision().preset, preset, "the choices stay");

    // Another one goes on top, and each can go.
    drop_adapter(&mut window, &mine);
    press(&mut window, Modifiers::NONE, Key::Tab);
    click(&mut window, "Merge");
    merged(&mut window, 2);
    window.get_by_label("mine");
    window.get_by_label("mine × 0.5");
    window.query_all_by_label("Remove adapter").next().unwrap().click();
    merged(&mut window, 1);
    assert_eq!(opened(&window).model.adapters[0].choice.scale, 1.0);

    press(&mut window, Modifiers::COMMAND, Key::P);
    wait(&mut window, "the file", |state| state.opened.as_ref().is_some_and(|opened| opened.report.is_some()));
    click(&mut window, "Remove adapter");
    merged(&mut window, 0);
    assert!(opened(&window).report.is_none(), "the file is of another model");
}

#[test]
fn without_a_model_it_asks_for_one() {
    let folder = tempfile::tempdir().unwrap();
    let (base, mine) = (copied_sample(folder.path()), adapter(folder.path(), "mine"));
    let mut window = window(SIZE, None);
    drop_adapter(&mut window, &mine);
    window.get_by_label("Choose it, or drop it here.");
    for label in ["Merge", "Export as GGUF"] {
        assert!(window.get_by_role_and_label(Role::Button, label).accesskit_node().is_disabled(), "{label}");
    }
    let_go(&mut window, &base);
    assert_eq!(form(&window).base.as_ref(), Some(&base));
    click(&mut window, "Merge");
    merged(&mut window, 1);
    window.get_by_label("mine");
    assert_eq!(opened(&window).model.path, base);
}

#[test]
fn it_becomes_a_file_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let (base, mine) = (copied_sample(folder.path()), adapter(folder.path(), "mine"));
    let mut window = window_with(SIZE, &base);
    drop_adapter(&mut window, &mine);
    click(&mut window, "Export as GGUF");
    wait(&mut window, "the adapter", |state| {
        state.opened.as_ref().is_some_and(|opened| opened.model.kind == Kind::Adapter)
    });
    assert_eq!(opened(&window).choice.decision().preset.name, "F32");
    press(&mut window, Modifiers::COMMAND, Key::P);
    wait(&mut window, "the file", |state| state.opened.as_ref().is_some_and(|opened| opened.report.is_some()));
    window.get_by_label_contains("llama-cli -m MODEL.gguf --lora ");
    let written = &opened(&window).report.as_ref().unwrap().outputs[0].path;
    let header = tuck::gguf::read_header(
        std::io::BufReader::new(std::fs::File::open(written).unwrap()),
        std::fs::metadata(written).unwrap().len(),
    );
    let tensors = header.unwrap().tensors;
    let expected = Model::open_adapter(&mine, &base, &tuck::quant::F32).unwrap().tensors;
    assert_eq!(tensors.len(), expected.len());
    assert!(tensors.iter().all(|tensor| tensor.name.contains(".lora_")));
}

#[test]
fn what_does_not_fit_leaves_the_model_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (base, mine) = (copied_sample(folder.path()), adapter(folder.path(), "mine"));
    let weights = mine.join("adapter_model.safetensors");
    let bytes = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, replaced(&bytes, b"layers.0.", b"layers.9.")).unwrap();
    let mut window = window_with(SIZE, &base);
    drop_adapter(&mut window, &mine);
    click(&mut window, "Merge");
    wait(&mut window, "the refusal", |state| matches!(state.dialog, Some(Dialog::Failed { .. })));
    window.get_by_label("mine cannot be merged into sample");
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert!(opened(&window).model.adapters.is_empty());
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for start in 0..bytes.len() - from.len() {
        if bytes[start..].starts_with(from) {
            bytes[start..start + from.len()].copy_from_slice(to);
        }
    }
    bytes
}
