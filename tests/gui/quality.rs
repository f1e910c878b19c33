//! The quality tab: figures, points, answers; what stops and what is cleared.

use crate::fixture::{Window, copied_sample, hollow_with, opened_scaled, sample, wait};
use crate::places::{assert_apart, assert_heads, picture};
use egui::Key;
use egui::accesskit::Role;
use egui_kittest::kittest::{NodeT, Queryable};
use std::path::Path;
use tuck::gguf::Value;
use tuck::gui::{Action, Inquiry, Quality, State, Tab, Target, View};
use tuck::recipe::preset_from_name;
use tuck::units;

const SIZE: [f32; 2] = [1280.0, 720.0];
/// As few tokens as tell types apart.
const CONTEXT: usize = 128;
const CHUNKS: usize = 2;
/// The second half of each chunk, but for its last token.
const SCORED: usize = CHUNKS * (CONTEXT / 2 - 1);

fn quality(state: &State) -> &Quality {
    &state.opened.as_ref().unwrap().quality
}

fn ask(window: &mut Window, inquiry: Inquiry) {
    window.state_mut().ask(Action::Quality(inquiry));
    window.run_steps(4);
}

fn tab(size: [f32; 2], scale: f32, path: &Path) -> Window {
    let mut window = opened_scaled(size, scale, path);
    window.state_mut().ask(Action::Show(Tab::Quality));
    ask(&mut window, Inquiry::Context(CONTEXT));
    ask(&mut window, Inquiry::Chunks(Some(CHUNKS)));
    window
}

fn measured(window: &mut Window, count: usize) {
    wait(window, "the measurements", |state| {
        let quality = quality(state);
        assert_eq!(quality.problem, None);
        quality.measured.len() == count && quality.running.is_none() && quality.waiting.is_empty()
    });
}

/// What a screen reader says for a line of the list of measurements.
fn line(window: &Window, name: &str) -> String {
    let found = quality(window.state().state()).measured.iter().find(|of| of.trial.name == name).unwrap();
    format!("{name}, {}, KL divergence {:.5}", units::bytes(found.trial.bytes), found.divergence.value)
}

fn is_idle(state: &State) -> bool {
    quality(state).running.is_none() && quality(state).waiting.is_empty()
}

#[test]
fn the_recipe_in_view_is_measured() {
    let mut window = tab(SIZE, 1.0, &sample());
    window.get_by_label("How much would Q4_K_M lose?");
    window.get_by_label("Measure Q4_K_M").click();
    measured(&mut window, 1);
    let found = &quality(window.state().state()).measured[0];
    assert_eq!(found.report.divergence.divergences.len(), SCORED);
    assert!(found.divergence.value > 1e-4 && found.divergence.error > 0.0, "{:?}", found.divergence);
    assert_eq!(found.report.layer_errors.len(), 8);
    assert_eq!(found.histogram.counts.iter().sum::<usize>(), SCORED);
    let opened = window.state().state().opened.as_ref().unwrap();
    assert_eq!(found.trial.bytes, opened.choice.plan.file_bytes);
    assert!(opened.is_current(&found.trial));
    for figure in &found.figures {
        window.get_by_label(figure.label);
        assert!(window.query_all_by_label(&figure.value).next().is_some(), "{figure:?}");
    }
    window.get_by_label_contains("Its first choice of the next token is the original’s");
    window.get_by_label(&format!("Histogram of {SCORED} tokens"));
    window.get_by_label("Error after each of 8 layers");

    // With an override it is another recipe, whose name says so.
    window.state_mut().ask(Action::AddPattern);
    window.state_mut().ask(Action::EditPattern(0, "attn_v=Q8_0".to_owned()));
    window.run_steps(4);
    window.get_by_label_contains("You are looking at Q4_K_M, 1 override now");
    ask(&mut window, Inquiry::Measure);
    measured(&mut window, 2);
    let state = window.state().state();
    let [larger, smaller] = &quality(state).measured[..] else { panic!("two") };
    assert_eq!((larger.trial.name.as_str(), smaller.trial.name.as_str()), ("Q4_K_M, 1 override", "Q4_K_M"));
    assert_ne!(larger.divergence, smaller.divergence);
    // Measured again, it takes its own place.
    ask(&mut window, Inquiry::Measure);
    wait(&mut window, "the end", is_idle);
    assert_eq!(quality(window.state().state()).measured.len(), 2);
}

#[test]
fn usual_types_become_points() {
    let mut window = tab(SIZE, 1.0, &sample());
    window.get_by_label("Measure usual types").click();
    window.run_steps(2);
    window.get_by_role_and_label(Role::Button, "Cancel");
    measured(&mut window, 6);
    let state = window.state().state();
    let points: Vec<(u64, f64)> =
        quality(state).measured.iter().map(|of| (of.trial.bytes, of.divergence.value)).collect();
    assert!(points.is_sorted_by(|a, b| a.0 > b.0), "{points:?}");
    assert!(points[0].1 < points[3].1 && points[3].1 < points[5].1, "{points:?}");
    window.get_by_label("Size against KL divergence of 6 types");
    window.get_by_label("Q4_K_M beside the original");
    window.get_by_label(&line(&window, "Q8_0")).click();
    window.run_steps(4);
    window.get_by_label("Q8_0 beside the original");
    assert!(window.query_by_label_contains("You are looking at").is_none());
    // A type that is chosen is told of, if it was measured.
    window.state_mut().ask(Action::ChooseType(preset_from_name("Q3_K_M").unwrap()));
    window.run_steps(4);
    window.get_by_label("Q3_K_M beside the original");
    // What is there is not measured again; on another text, everything is.
    ask(&mut window, Inquiry::MeasureUsual);
    assert!(is_idle(window.state().state()));
    ask(&mut window, Inquiry::Chunks(Some(1)));
    window.get_by_label("Nothing was measured on this text yet.");
}

#[test]
fn cancel_leaves_nothing_and_what_comes_after_works() {
    let mut window = tab(SIZE, 1.0, &sample());
    ask(&mut window, Inquiry::Chunks(None));
    ask(&mut window, Inquiry::MeasureUsual);
    wait(&mut window, "progress", |state| {
        quality(state).running.as_ref().is_some_and(|running| running.progress.is_some())
    });
    window.get_by_role_and_label(Role::Button, "Cancel").click();
    window.run_steps(4);
    let state = window.state().state();
    assert!(is_idle(state) && !state.is_busy() && quality(state).measured.is_empty());
    assert_eq!(quality(state).problem, None);
    ask(&mut window, Inquiry::MeasureUsual);
    window.key_press(Key::Escape);
    window.run_steps(4);
    assert!(is_idle(window.state().state()), "Escape stops it as well");
    ask(&mut window, Inquiry::Chunks(Some(CHUNKS)));
    ask(&mut window, Inquiry::Measure);
    measured(&mut window, 1);
}

#[test]
fn another_model_has_measurements_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let copy = copied_sample(folder.path());
    let mut window = tab(SIZE, 1.0, &sample());
    ask(&mut window, Inquiry::Measure);
    measured(&mut window, 1);
    ask(&mut window, Inquiry::Chunks(None));
    ask(&mut window, Inquiry::MeasureUsual);
    window.state_mut().ask(Action::Open(Target::Path(copy.clone())));
    wait(&mut window, "the other model", |state| state.opened.as_ref().is_some_and(|opened| opened.model.path == copy));
    let state = window.state().state();
    assert!(is_idle(state) && quality(state).measured.is_empty());
}

#[test]
fn a_text_of_ones_own_is_measured_or_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = tab(SIZE, 1.0, &sample());
    let short = folder.path().join("short.txt");
    std::fs::write(&short, "Too short.").unwrap();
    ask(&mut window, Inquiry::Text(Some(short)));
    window.get_by_label("Text: short.txt");
    ask(&mut window, Inquiry::MeasureUsual);
    wait(&mut window, "the refusal", |state| quality(state).problem.is_some());
    window.get_by_label_contains("fewer than the 128 of one chunk");
    assert!(is_idle(window.state().state()), "the rest would be refused as well");
    let long = folder.path().join("long.txt");
    std::fs::write(&long, "It was a dark and stormy night, and nobody was there. ".repeat(40)).unwrap();
    ask(&mut window, Inquiry::Text(Some(long.clone())));
    ask(&mut window, Inquiry::Measure);
    measured(&mut window, 1);
    assert_eq!(quality(window.state().state()).measured[0].report.text, long);
}

#[test]
fn a_family_that_cannot_be_run_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = hollow_with(folder.path(), "Hollow", (512, 2), |metadata| {
        for (key, value) in metadata.iter_mut() {
            match key.strip_prefix("llama.") {
                Some(rest) => *key = format!("mamba.{rest}"),
                None if key == "general.architecture" => *value = Value::from("mamba"),
                None => {}
            }
        }
    });
    let mut window = tab(SIZE, 1.0, &path);
    ask(&mut window, Inquiry::Measure);
    wait(&mut window, "the refusal", |state| quality(state).problem.is_some());
    window.get_by_label_contains("models of the family mamba cannot be run");
}

#[test]
fn both_answer_side_by_side() {
    let mut window = tab(SIZE, 1.0, &sample());
    window.state_mut().ask(Action::ChooseType(preset_from_name("Q2_K").unwrap()));
    ask(&mut window, Inquiry::Turn(View::Answers));
    assert!(window.get_by_role_and_label(Role::Button, "Ask both").accesskit_node().is_disabled());
    window.get_by_role_and_label(Role::TextInput, "Prompt").focus();
    window.run_steps(2);
    window.event(egui::Event::Text("It was a dark and stormy night, and".to_owned()));
    window.run_steps(4);
    window.key_press(Key::Enter);
    wait(&mut window, "the first words", |state| {
        quality(state).answers.as_ref().is_some_and(|answers| answers.pieces.iter().all(|pieces| !pieces.is_empty()))
    });
    wait(&mut window, "both answers", is_idle);
    let answers = quality(window.state().state()).answers.clone().unwrap();
    let comparison = answers.comparison.as_ref().expect("both have ended");
    for side in 0..2 {
        assert_eq!(answers.parts(side).concat(), comparison.answers[side].text);
        window.get_by_label(&answers.parts(side).concat());
    }
    let parting = comparison.parting.as_ref().expect("Q2_K says something else");
    assert_eq!(answers.parts(0)[0], parting.same);
    assert_eq!([0, 1].map(|side| answers.parts(side)[1].clone()), parting.choices.clone().map(|choice| choice.text));
    window.get_by_label_contains("They part a");

    ask(&mut window, Inquiry::Tokens(256));
    ask(&mut window, Inquiry::Ask);
    wait(&mut window, "a word", |state| {
        quality(state).answers.as_ref().is_some_and(|answers| !answers.pieces[0].is_empty())
    });
    window.get_by_role_and_label(Role::Button, "Cancel").click();
    window.run_steps(4);
    let state = window.state().state();
    assert!(is_idle(state) && !quality(state).answers.as_ref().unwrap().is_growing);
    assert!(quality(state).answers.as_ref().unwrap().comparison.is_none());
}

#[test]
fn the_quality_tab_has_its_place_at_every_size() {
    for (size, scale) in
        [([960.0, 600.0], 1.0), ([1280.0, 720.0], 1.0), ([1920.0, 1080.0], 2.0), ([3840.0, 2160.0], 1.0)]
    {
        let tag = format!("{}x{}@{scale}", size[0], size[1]);
        let folder = tempfile::tempdir().unwrap();
        let mut window = tab(size, scale, &copied_sample(folder.path()));
        assert_heads(&window, "Quality");
        let heads = ["Figures", "Answers", "Measure usual types", "Measure Q4_K_M"];
        assert_apart(&window, &heads);
        assert_apart(&window, &["Text: Built-in text", "Chunks: 2", "Tokens of a chunk: 128"]);
        picture(&mut window, &format!("quality-empty-{tag}"));
        ask(&mut window, Inquiry::MeasureUsual);
        wait(&mut window, "the first", |state| !quality(state).measured.is_empty());
        assert_apart(&window, &["Figures", "Answers", "Cancel"]);
        picture(&mut window, &format!("quality-running-{tag}"));
        measured(&mut window, 6);
        window.get_by_label(&line(&window, "Q4_K_M"));
        picture(&mut window, &format!("quality-{tag}"));
        ask(&mut window, Inquiry::Turn(View::Answers));
        assert_apart(&window, &["Figures", "Answers", "Prompt", "Tokens of an answer: 64", "Ask both"]);
        picture(&mut window, &format!("quality-ask-{tag}"));
        ask(&mut window, Inquiry::Prompt("It was a dark and stormy night, and".to_owned()));
        ask(&mut window, Inquiry::Ask);
        wait(&mut window, "both answers", is_idle);
        picture(&mut window, &format!("quality-answers-{tag}"));
    }
}
