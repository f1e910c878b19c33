//! The pruning tab: what is left follows at once, what it loses on request.

use crate::fixture::{Window, copied_sample, opened_scaled, sample, wait};
use crate::places::{assert_apart, picture};
use egui_kittest::kittest::Queryable;
use std::path::Path;
use tuck::gui::{Action, Inquiry, Pruning, State, Tab, Trim};
use tuck::prune::{Cut, Layers, Method, Pattern};
use tuck::units;

const SIZE: [f32; 2] = [1280.0, 720.0];

fn pruning(state: &State) -> &Pruning {
    &state.opened.as_ref().unwrap().pruning
}

fn ask(window: &mut Window, trim: Trim) {
    window.state_mut().ask(Action::Trim(trim));
    window.run_steps(4);
}

fn tab(path: &Path) -> Window {
    let mut window = opened_scaled(SIZE, 1.0, path);
    window.state_mut().ask(Action::Show(Tab::Pruning));
    window.run_steps(4);
    window
}

#[test]
fn bytes_follow_the_sliders() {
    let mut window = tab(&sample());
    let bytes = |window: &Window| pruning(window.state().state()).left.clone().unwrap().unwrap().bytes;
    let all = window.state().state().opened.as_ref().unwrap().choice.plan.file_bytes;
    assert_eq!(bytes(&window), all);
    ask(&mut window, Trim::Layers(2));
    let fewer = bytes(&window);
    assert!(fewer < all, "{fewer} {all}");
    window.get_by_label(&format!("{} bytes as Q4_K_M", units::grouped(fewer)));
    ask(&mut window, Trim::Channels(20));
    ask(&mut window, Trim::Heads(1));
    assert!(bytes(&window) < fewer);
    let cut = pruning(window.state().state()).cut.clone();
    assert_eq!(cut, Cut { layers: Layers::Auto(2), channels: 0.2, kv_heads: 1, ..Cut::default() });
    // Zeros make nothing smaller, and it is said.
    let before = bytes(&window);
    ask(&mut window, Trim::Pattern(Some(Pattern::parse("2:4").unwrap())));
    ask(&mut window, Trim::Method(Method::Wanda));
    assert_eq!(bytes(&window), before);
    window.get_by_label_contains("A GGUF file stores zeros");
    ask(&mut window, Trim::Heads(2));
    assert!(pruning(window.state().state()).left.as_ref().unwrap().is_err());
    window.get_by_label_contains("leave at least one");
}

#[test]
fn what_is_left_is_measured_and_can_be_packed() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = tab(&copied_sample(folder.path()));
    window.state_mut().ask(Action::Quality(Inquiry::Chunks(Some(2))));
    window.state_mut().ask(Action::Size(tuck::gui::Wish::Chunks(Some(16))));
    ask(&mut window, Trim::Layers(1));
    let told = pruning(window.state().state()).left.clone().unwrap().unwrap();
    window.get_by_label("Prune and measure").click();
    wait(&mut window, "the pruned model", |state| {
        assert_eq!(pruning(state).problem, None);
        !pruning(state).pruned.is_empty()
    });
    let report = pruning(window.state().state()).pruned[0].report.clone();
    let labels: Vec<&str> = report.compared.iter().map(|row| row.label.as_str()).collect();
    assert_eq!(labels, ["Pruned, Q4_K_M", "Not pruned, Q4_K_M", "Same bytes by quantization alone"]);
    assert_eq!(report.compared[0].bytes, told.bytes, "what was told is what comes of it");
    assert!(report.compared[2].bytes <= told.bytes);
    window.get_by_label("Same bytes by quantization alone");
    window.get_by_label_contains("Plain quantization loses less");
    assert_apart(&window, &["Prune and measure", "Go on with this model", "Same bytes by quantization alone"]);
    picture(&mut window, "pruning");
    window.get_by_label("Go on with this model").click();
    window.run_steps(4);
    let opened = window.state().state().opened.as_ref().unwrap();
    assert_eq!((opened.model.hparams.layers, opened.choice.plan.file_bytes), (7, told.bytes));
}
