//! The cache tab: bytes at once, what was measured, the best in a budget.

use crate::fixture::{Window, opened_scaled, sample, wait};
use crate::places::{assert_apart, picture};
use egui_kittest::kittest::Queryable;
use tuck::cache::CHOICES;
use tuck::engine::cache_bytes;
use tuck::gui::{Action, Keep, Keeping, State, Tab};
use tuck::units;

const SIZE: [f32; 2] = [1280.0, 720.0];

fn keeping(state: &State) -> &Keeping {
    &state.opened.as_ref().unwrap().keeping
}

fn ask(window: &mut Window, keep: Keep) {
    window.state_mut().ask(Action::Kv(keep));
    window.run_steps(4);
}

fn tab(size: [f32; 2]) -> Window {
    let mut window = opened_scaled(size, 1.0, &sample());
    window.state_mut().ask(Action::Show(Tab::Kv));
    window.run_steps(4);
    window
}

#[test]
fn bytes_follow_the_context_at_once() {
    let mut window = tab(SIZE);
    assert_eq!(keeping(window.state().state()).rows.len(), CHOICES.len());
    for context in [1024, 512] {
        ask(&mut window, Keep::Context(context));
        let state = window.state().state();
        let opened = state.opened.as_ref().unwrap();
        for row in &keeping(state).rows {
            assert_eq!(row.bytes, cache_bytes(&opened.source, &row.choice, context));
        }
        let f16 = &keeping(state).rows[0];
        window.get_by_label(&format!("f16, {}", units::bytes(f16.total())));
    }
    window.get_by_label_contains("Bytes are exact. Measure");
    ask(&mut window, Keep::Budget(500));
    let all = keeping(window.state().state()).rows[0].total();
    assert_eq!(keeping(window.state().state()).allowed(), all / 2);
    assert!(keeping(window.state().state()).best().is_none(), "nothing was measured");
}

#[test]
fn what_was_measured_is_told_and_the_best_is_named() {
    let mut window = tab(SIZE);
    ask(&mut window, Keep::Count(2));
    ask(&mut window, Keep::Length(128));
    window.get_by_label("Measure all").click();
    window.run_steps(4);
    assert!(keeping(window.state().state()).running.is_some());
    window.get_by_label("Cancel").click();
    window.run_steps(4);
    assert!(keeping(window.state().state()).running.is_none() && keeping(window.state().state()).report.is_none());
    window.get_by_label("Measure all").click();
    wait(&mut window, "the measurement", |state| {
        assert_eq!(keeping(state).problem, None);
        keeping(state).report.is_some()
    });
    ask(&mut window, Keep::Budget(540));
    let own = keeping(window.state().state());
    let best = own.best().unwrap();
    assert_eq!(best.choice.name, "q8_0");
    let said = format!("q8_0, {}, KL divergence {:.6}", units::bytes(best.total()), own.loss("q8_0").unwrap());
    window.get_by_label(&said);
    window.get_by_label_contains("Best in");
    assert!(window.query_all_by_label_contains("-ctk q8_0 -ctv q8_0 -fa on").next().is_some());
    assert!(window.query_all_by_label("measured here, no runtime in llama.cpp yet").next().is_some());
    let merged = own.rows.iter().find(|row| row.choice.name == "merged").unwrap();
    let same = own.same_bytes(merged).unwrap();
    assert!(same.total() <= merged.total() && same.choice.types().is_some());
    let half = own.rows.iter().find(|row| row.choice.name == "window-1/2").unwrap();
    assert!(half.total() <= own.allowed() && own.loss("window-1/2").unwrap() > own.loss("q8_0").unwrap());
    assert_apart(&window, &["Context", "Budget", "Measure all"]);
    picture(&mut window, "cache");
    ask(&mut window, Keep::Budget(420));
    let (pair, bytes) = keeping(window.state().state()).pair().unwrap();
    assert!(bytes <= keeping(window.state().state()).allowed());
    window.get_by_label_contains(&format!("Predicted to lose less: {}", pair.choice.name));
}
