//! The prompt tab: what is dropped follows the slider at once, its exact tokens soon after, the effect on a press.

use crate::fixture::{Window, opened_scaled, sample, wait};
use crate::places::{assert_apart, assert_heads, picture};
use egui_kittest::kittest::Queryable;
use tuck::engine::Budget;
use tuck::gui::{Action, Prompting, Shorten, State, Tab};

const SIZES: [([f32; 2], f32); 3] = [([1280.0, 720.0], 1.0), ([960.0, 600.0], 1.0), ([1920.0, 1080.0], 2.0)];

fn prompting(state: &State) -> &Prompting {
    &state.opened.as_ref().unwrap().prompting
}

fn ask(window: &mut Window, shorten: Shorten) {
    window.state_mut().ask(Action::Prompt(shorten));
    window.run_steps(4);
}

fn text() -> String {
    let text = std::fs::read_to_string(sample().join("evaluation.txt")).unwrap();
    text[text.floor_char_boundary(7000)..text.floor_char_boundary(8800)].to_owned()
}

fn tab(size: [f32; 2], scale: f32) -> Window {
    let mut window = opened_scaled(size, scale, &sample());
    window.state_mut().ask(Action::Show(Tab::Prompt));
    window.run_steps(4);
    window
}

fn counted(window: &mut Window) -> usize {
    wait(window, "the exact tokens", |state| {
        assert_eq!(prompting(state).problem, None);
        prompting(state).counted().is_some()
    });
    prompting(window.state().state()).counted().unwrap().tokens
}

#[test]
fn what_is_dropped_follows_the_slider_at_once() {
    let mut window = tab([1280.0, 720.0], 1.0);
    ask(&mut window, Shorten::Score);
    assert!(prompting(window.state().state()).running.is_none(), "there is nothing to score");
    ask(&mut window, Shorten::Text(text()));
    ask(&mut window, Shorten::Question("What is it about?".to_owned()));
    window.get_by_label("Score").click();
    let all = {
        counted(&mut window);
        prompting(window.state().state()).scores.as_ref().unwrap().scored.prompt.tokens()
    };
    for ratio in [800, 300, 50] {
        window.state_mut().ask(Action::Prompt(Shorten::Ratio(ratio)));
        window.step();
        let own = prompting(window.state().state());
        // In the same frame, from the scores; no job was needed.
        let scored = &own.scores.as_ref().unwrap().scored;
        let budget = Budget::Share(ratio as f64 / 1000.0).tokens(all);
        assert_eq!(own.words, scored.keep(budget));
        assert!(scored.prompt.tokens_of(&own.words) <= budget);
        let tokens = counted(&mut window);
        assert!(tokens <= budget && tokens + 8 >= budget, "{tokens} of {budget}");
        window.get_by_label(&format!("{tokens} of {all} tokens"));
    }
    // Another text has no scores.
    ask(&mut window, Shorten::Text(format!("{} More.", text())));
    let own = prompting(window.state().state());
    assert!(own.scores.is_none() && own.is_editing && own.words.is_empty());
}

#[test]
fn the_effect_is_measured_and_can_be_cancelled() {
    let mut window = tab([1280.0, 720.0], 1.0);
    ask(&mut window, Shorten::Text(text()));
    window.get_by_label("Score").click();
    counted(&mut window);
    ask(&mut window, Shorten::Answer(8));
    window.get_by_label("Measure").click();
    window.run_steps(4);
    assert!(window.state().state().is_busy());
    window.get_by_label("Cancel").click();
    window.run_steps(4);
    assert!(prompting(window.state().state()).effect.is_none());
    window.get_by_label("Measure").click();
    wait(&mut window, "the measurement", |state| {
        assert_eq!(prompting(state).problem, None);
        prompting(state).effect.is_some()
    });
    let Some((500, Ok(effect))) = prompting(window.state().state()).effect.clone() else { panic!("no effect") };
    for row in &effect.rows {
        let label = format!("{}, {} tokens, KL divergence {:.4}", row.name, row.tokens, row.divergence.value);
        window.get_by_label(&label);
    }
    let verdict =
        if effect.better().is_some() { "changes the answer less than the scores do" } else { "Nothing without scores" };
    window.get_by_label_contains(verdict);
    ask(&mut window, Shorten::Ratio(300));
    window.get_by_label_contains("as measured before");
}

#[test]
fn the_prompt_has_its_place_at_every_size() {
    for (size, scale) in SIZES {
        let tag = format!("{}x{}@{scale}", size[0], size[1]);
        let mut window = tab(size, scale);
        assert_heads(&window, "Prompt");
        assert_apart(&window, &["Question", "Open text…", "Score"]);
        picture(&mut window, &format!("prompt-empty-{tag}"));
        ask(&mut window, Shorten::Text(text()));
        window.get_by_label("Score").click();
        counted(&mut window);
        assert_apart(&window, &["Keep", "Edit prompt", "Measure"]);
        picture(&mut window, &format!("prompt-scored-{tag}"));
        window.get_by_label("Measure").click();
        wait(&mut window, "the measurement", |state| prompting(state).effect.is_some());
        picture(&mut window, &format!("prompt-measured-{tag}"));
    }
}
