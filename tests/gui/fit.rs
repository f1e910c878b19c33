//! The fit tab: bars that follow the recipe and the settings, the inverse question, machines that come and go.

use crate::fixture::{Window, hollow_with, opened_scaled, wait};
use crate::places::picture;
use egui::accesskit::Role;
use egui_kittest::kittest::Queryable;
use tuck::gguf::Value;
use tuck::gui::{Action, Change, FitRow, Tab};
use tuck::quant::{F16, Q8_0};
use tuck::recipe::preset_from_name;
use tuck::units;

fn fit_tab(size: [f32; 2], scale: f32) -> (tempfile::TempDir, Window) {
    let folder = tempfile::tempdir().unwrap();
    // 3 B weights, made for long contexts.
    let path = hollow_with(folder.path(), "Hollow", (12288, 80), |metadata| {
        for (_, value) in metadata.iter_mut().filter(|(key, _)| key == "llama.context_length") {
            *value = Value::U32(131_072);
        }
    });
    let mut window = opened_scaled(size, scale, &path);
    window.state_mut().ask(Action::Show(Tab::Fit));
    wait(&mut window, "the machines", |state| !state.fit.rows.is_empty());
    (folder, window)
}

fn ask(window: &mut Window, action: Action) {
    window.state_mut().ask(action);
    window.run_steps(4);
}

fn row<'a>(window: &'a Window, name: &str) -> &'a FitRow {
    window.state().state().fit.rows.iter().find(|row| row.machine.name == name).unwrap_or_else(|| panic!("no {name}"))
}

fn needs(window: &Window, name: &str) -> u64 {
    row(window, name).answer.placement.total().total()
}

#[test]
fn bars_follow_recipe_context_and_cache() {
    let (_folder, mut window) = fit_tab([1280.0, 720.0], 1.0);
    let card = "GeForce RTX 4060";
    assert!(window.state().state().fit.rows[0].machine.name == "This machine");
    let before = needs(&window, card);
    ask(&mut window, Action::ChooseType(preset_from_name("Q8_0").unwrap()));
    let larger = needs(&window, card);
    assert!(larger > before, "{larger} and {before}");
    ask(&mut window, Action::Fit(Change::Context(16384)));
    let longer = needs(&window, card);
    ask(&mut window, Action::Fit(Change::Keys(&Q8_0)));
    ask(&mut window, Action::Fit(Change::Values(&Q8_0)));
    assert!(needs(&window, card) < longer);
    ask(&mut window, Action::Fit(Change::FlashAttention(false)));
    window.get_by_label_contains("It cannot be run so: llama.cpp quantizes cached values only with flash attention");
    ask(&mut window, Action::Fit(Change::Values(&F16)));
    assert!(window.query_by_label_contains("quantizes cached values").is_none());
    let bar = row(&window, card).answer.placement.gpus[0].total();
    let has = row(&window, card).machine.gpus[0].pool.budget.usable;
    window.get_by_role_and_label(
        Role::ProgressIndicator,
        &format!("{card}: {} of {}", units::bytes(bar), units::bytes(has)),
    );
}

#[test]
fn the_inverse_question_chooses_a_type() {
    let (_folder, mut window) = fit_tab([1280.0, 720.0], 1.0);
    ask(&mut window, Action::Fit(Change::AskMachine("Raspberry Pi 5 4 GB".to_owned())));
    let (small, _) = window.state().state().fit.largest.expect("some type fits 4 GB");
    window.get_by_label(&format!("Use {}", small.name)).click();
    window.run_steps(4);
    assert_eq!(window.state().state().opened.as_ref().unwrap().choice.decision().preset.name, small.name);
    ask(&mut window, Action::Fit(Change::AskMachine("H100 SXM".to_owned())));
    assert_eq!(window.state().state().fit.largest.unwrap().0.name, "F32");
}

#[test]
fn machines_come_and_go() {
    let (_folder, mut window) = fit_tab([1920.0, 1080.0], 1.0);
    window.get_by_label("Remove Apple M4 16 GB").click();
    window.run_steps(4);
    assert!(window.query_by_label("Remove Apple M4 16 GB").is_none());
    ask(&mut window, Action::Fit(Change::Find("mi300x".to_owned())));
    window.get_by_label("8 x Instinct MI300X").click();
    window.run_steps(4);
    assert_eq!(row(&window, "8 x Instinct MI300X").machine.gpus.len(), 8);
    window.get_by_label("Copy llama.cpp’s command");
}

#[test]
fn the_fit_tab_has_its_place_at_every_size() {
    for (size, scale) in
        [([960.0, 600.0], 1.0), ([1280.0, 720.0], 1.0), ([1920.0, 1080.0], 2.0), ([3840.0, 2160.0], 1.0)]
    {
        let (_folder, mut window) = fit_tab(size, scale);
        ask(&mut window, Action::Fit(Change::Context(65536)));
        let all = window.ctx.content_rect();
        for label in [
            "Context",
            "Parallel",
            "Keys",
            "Values",
            "Flash attention",
            "Largest type for",
            "This machine",
            "Copy LM Studio’s settings",
        ] {
            let rects: Vec<_> = window.query_all_by_label(label).map(|node| node.rect()).collect();
            assert!(!rects.is_empty() && rects.iter().all(|rect| all.contains_rect(*rect)), "{label}: {rects:?}");
        }
        picture(&mut window, &format!("fit-{}x{}@{scale}", size[0], size[1]));
    }
}
