//! A model fetched by name, from a hub on this machine.

use crate::fixture::{Window, sample, wait, with_options};
use crate::server::{Server, Trouble};
use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::kittest::{NodeT, Queryable};
use std::path::Path;
use tuck::gui::{Action, Dialog, Download, Options};
use tuck::hub::Access;

const SIZE: [f32; 2] = [1280.0, 720.0];

fn window(server: &Server) -> Window {
    let hub = Some(Access { endpoint: server.endpoint(), token: None, cache: None });
    with_options(SIZE, 1.0, Options { hub, ..Options::default() })
}

fn press(window: &mut Window, modifiers: Modifiers, key: Key) {
    window.key_press_modifiers(modifiers, key);
    window.run_steps(4);
}

fn form(window: &Window) -> &Download {
    match &window.state().state().dialog {
        Some(Dialog::Download(form)) => form,
        other => panic!("{other:?}"),
    }
}

/// Opens the dialog by its button, and types a name.
fn name(window: &mut Window, folder: &Path, name: &str) {
    window.get_by_label("Download by name…").click();
    window.run_steps(4);
    window.state_mut().ask(Action::DownloadInto(folder.to_owned()));
    window.run_steps(2);
    assert!(window.get_by_role_and_label(Role::TextInput, "Model").is_focused());
    window.event(egui::Event::Text(name.to_owned()));
    window.run_steps(4);
}

fn sample_files() -> Vec<(String, Vec<u8>)> {
    let names = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"];
    names.map(|name| (name.to_owned(), std::fs::read(sample().join(name)).unwrap())).to_vec()
}

fn serve(files: &[(String, Vec<u8>)]) -> Server {
    Server::start(&files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect::<Vec<_>>())
}

#[test]
fn a_model_is_fetched_by_name_and_opens() {
    let server = serve(&sample_files());
    let folder = tempfile::tempdir().unwrap();
    let mut window = window(&server);
    name(&mut window, folder.path(), "somebody/tiny");
    let place = folder.path().join("tiny");
    window.get_by_label(&place.display().to_string());
    press(&mut window, Modifiers::NONE, Key::Enter);
    wait(&mut window, "the model", |state| state.opened.is_some());
    assert_eq!(window.state().state().dialog, None);
    assert_eq!(window.state().state().opened.as_ref().unwrap().model.path, place);
}

#[test]
fn what_goes_wrong_is_said_in_the_dialog() {
    let server = serve(&sample_files());
    let folder = tempfile::tempdir().unwrap();
    let mut window = window(&server);
    window.get_by_label("Download by name…").click();
    window.run_steps(4);
    assert!(window.get_by_role_and_label(Role::Button, "Download").accesskit_node().is_disabled());
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert_eq!(window.state().state().dialog, None);

    name(&mut window, folder.path(), "no name");
    window.get_by_role_and_label(Role::Button, "Download").click();
    window.run_steps(4);
    window.get_by_label_contains("is no name of a model");

    server.set(Trouble { listing: Some((404, "RepoNotFound")), ..Trouble::default() });
    window.state_mut().ask(Action::NameDownload("somebody/tiny".to_owned()));
    window.run_steps(2);
    window.get_by_role_and_label(Role::Button, "Download").click();
    wait(
        &mut window,
        "the refusal",
        |state| matches!(&state.dialog, Some(Dialog::Download(form)) if form.problem.is_some()),
    );
    window.get_by_label_contains("there is no model somebody/tiny");
    assert_eq!(form(&window).id, "somebody/tiny", "what was typed stays");
}

#[test]
fn a_download_is_cancelled_at_once_and_goes_on_later() {
    let server = serve(&sample_files());
    let folder = tempfile::tempdir().unwrap();
    server.set(Trouble { stall: Some(400_000), ..Trouble::default() });
    let mut window = window(&server);
    name(&mut window, folder.path(), "somebody/tiny");
    press(&mut window, Modifiers::NONE, Key::Enter);
    wait(&mut window, "some bytes", |state| {
        let progress = state.downloading.as_ref().and_then(|downloading| downloading.progress.as_ref());
        progress.is_some_and(|progress| progress.tensor == "model.safetensors" && progress.done > 400_000)
    });
    assert!(window.query_all_by_label_contains("Downloading ").next().is_some());
    window.get_by_label("Cancel").click();
    window.run_steps(4);
    let state = window.state().state();
    assert!(state.dialog.is_none() && state.downloading.is_none());

    server.set(Trouble::default());
    server.asked();
    name(&mut window, folder.path(), "somebody/tiny");
    press(&mut window, Modifiers::NONE, Key::Enter);
    wait(&mut window, "the model", |state| state.opened.is_some());
    assert!(server.asked().iter().any(|asked| asked.range.as_deref() == Some("bytes=400000-")));
}

#[test]
fn one_of_several_models_is_chosen() {
    let files: Vec<(String, Vec<u8>)> =
        ["M-Q4_K_M.gguf", "M-Q8_0.gguf"].iter().map(|name| ((*name).to_owned(), vec![7; 2000])).collect();
    let server = serve(&files);
    let folder = tempfile::tempdir().unwrap();
    let mut window = window(&server);
    name(&mut window, folder.path(), "somebody/tiny");
    press(&mut window, Modifiers::NONE, Key::Enter);
    wait(
        &mut window,
        "the choice",
        |state| matches!(&state.dialog, Some(Dialog::Download(form)) if !form.choices.is_empty()),
    );
    window.get_by_label("It holds 2 models. Choose one:");
    assert!(window.get_by_role_and_label(Role::Button, "Download").accesskit_node().is_disabled());
    window.get_by_label("M-Q8_0.gguf, 2.00 kB").click();
    window.run_steps(4);
    window.get_by_role_and_label(Role::Button, "Download").click();
    // It is no GGUF file, which opening it tells.
    wait(&mut window, "the end", |state| matches!(state.dialog, Some(Dialog::Failed { .. })));
    window.get_by_label("M-Q8_0.gguf cannot be opened");
    assert_eq!(std::fs::read(folder.path().join("tiny/M-Q8_0.gguf")).unwrap(), files[1].1);
}
