//! The pruning tab: what is left follows at once, what it loses on request.

use crate::fixture::{Window, copied_sample, opened_scaled, sample, wait};
use crate::places::{assert_apart, picture};
use egui_kittest::kittest::Queryable;
use std::path::Path;
use tuck::gui::{Action, Alone, Inquiry, Loss, Pruning, State, Tab, Trim};
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
    window.get_by_label("Pruned, as Q4_K_M");
    window.get_by_label(&units::grouped(fewer));
    let alone = |window: &Window| pruning(window.state().state()).alone.clone().unwrap();
    let Alone { bytes: other, name, predicted } = alone(&window);
    assert!(other <= fewer && name.is_some() && predicted.is_none(), "{name:?} {other}");
    window.get_by_label("Quantization alone");
    window.get_by_label(&units::grouped(other));
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
    let labels: Vec<&str> = report.compared.rows.iter().map(|row| row.label.as_str()).collect();
    assert_eq!(labels, ["Pruned, Q4_K_M", "Not pruned, Q4_K_M", "Same bytes by quantization alone"]);
    assert_eq!(report.compared.rows[0].bytes, told.bytes, "what was told is what comes of it");
    assert!(report.compared.rows[2].bytes <= told.bytes);
    window.get_by_label("Same bytes by quantization alone");
    window.get_by_label_contains("Pruning is the worse use of bytes");
    // Of other cuts something is predicted at once, and of quantization alone in their bytes.
    let loss = |window: &Window| {
        let opened = window.state().state().opened.as_ref().unwrap();
        opened.pruning.loss(&opened.choice.plan)
    };
    let Some(Loss::Measured(one)) = loss(&window) else { panic!("{:?}", loss(&window)) };
    let alone = |window: &Window| pruning(window.state().state()).alone.as_ref().and_then(|alone| alone.predicted);
    let least = alone(&window).unwrap();
    ask(&mut window, Trim::Layers(2));
    let Some(Loss::Predicted(two)) = loss(&window) else { panic!("{:?}", loss(&window)) };
    assert!(two > one && alone(&window).unwrap() > least, "{one} {two}");
    window.get_by_label(&format!("{two:.5} predicted"));
    ask(&mut window, Trim::Channels(10));
    assert_eq!(loss(&window), None);
    window.get_by_label("not measured yet");
    ask(&mut window, Trim::Channels(0));
    ask(&mut window, Trim::Layers(1));
    assert_eq!(loss(&window), Some(Loss::Measured(one)));
    assert_apart(&window, &["Prune and measure", "Go on with this model", "Same bytes by quantization alone"]);
    picture(&mut window, "pruning");
    window.get_by_label("Go on with this model").click();
    window.run_steps(4);
    let opened = window.state().state().opened.as_ref().unwrap();
    assert_eq!((opened.model.hparams.layers, opened.choice.plan.file_bytes), (7, told.bytes));
}
