//! What follows the slider, the field and the machines.

use super::{CHUNKS, TEXT, act, ask, now, opened, planned, ready, solved};
use crate::common::tuck_ok;
use crate::fixture::{Window, wait};
use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable;
use tuck::gui::{Action, Select, Side, Tab, Wish};
use tuck::quant::Q8_0;
use tuck::units;

#[test]
fn bytes_table_and_fit_follow_the_slider() {
    let (_folder, mut window) = ready();
    act(&mut window, Action::Show(Tab::Fit));
    wait(&mut window, "the machines", |state| !state.fit.rows.is_empty());
    let sizes = now(&window).sizing.sizes.clone().unwrap();
    let needs = |window: &Window| window.state().state().fit.rows[0].answer.placement.total().total();
    let before = now(&window).choice.decision().clone();
    let mut last: Option<(u64, f64, u64)> = None;
    for part in [0, 1, 4, 10] {
        let bytes = sizes.smallest + (sizes.largest - sizes.smallest) * part / 10;
        // As a pointer moves: many places, of which the last one counts.
        for near in [bytes.saturating_sub(3000), bytes + 1000, bytes] {
            window.state_mut().ask(Action::Size(Wish::Move(near)));
            window.step();
        }
        solved(&mut window);
        let plan = &now(&window).choice.plan;
        assert!(plan.file_bytes <= bytes && plan.file_bytes + 30_000 > bytes, "{} of {bytes}", plan.file_bytes);
        let label = format!("{} bytes", units::grouped(plan.file_bytes));
        assert!(window.query_all_by_label(&label).next().is_some(), "{label}");
        window.get_by_label_contains(&format!("{} file, ", units::bytes(plan.file_bytes)));
        window.get_by_label(&format!("Pack {}", units::bytes(plan.file_bytes)));
        let found = (plan.file_bytes, now(&window).sizing.predicted.unwrap(), needs(&window));
        if let Some((bytes, loss, needs)) = last.replace(found) {
            assert!(found.0 > bytes && found.1 < loss && found.2 > needs, "{last:?} after {bytes} {loss} {needs}");
        }
    }
    assert_eq!(planned(&window, "blk.0.ffn_down.weight"), "Q8_0");
    ask(&mut window, Wish::LetGo);
    ask(&mut window, Wish::Move(sizes.smallest));
    solved(&mut window);
    act(&mut window, Action::Show(Tab::Tensors));
    let format = planned(&window, "blk.0.ffn_down.weight");
    assert_ne!(format, "Q8_0");
    window.get_by_label(&format!("Type of blk.0.ffn_down.weight: {format}"));

    // A whole move of the slider is one step, and so is turning to sizes.
    act(&mut window, Action::Undo);
    solved(&mut window);
    assert_eq!(planned(&window, "blk.0.ffn_down.weight"), "Q8_0");
    act(&mut window, Action::Undo);
    assert_eq!(*now(&window).choice.decision(), before);
    solved(&mut window);
    act(&mut window, Action::Undo);
    assert_eq!((now(&window).sizing.side, now(&window).choice.plan.recipe.name()), (Side::Type, "Q4_K_M"));
    window.get_by_label("Pack as Q4_K_M");
    act(&mut window, Action::Redo);
    solved(&mut window);
    assert_eq!(now(&window).sizing.side, Side::Size);
}

#[test]
fn the_slider_is_moved_by_pointer_and_keys() {
    let (_folder, mut window) = ready();
    let before = now(&window).choice.plan.file_bytes;
    let slider = window.get_by_role_and_label(Role::Slider, "Size of the file").rect();
    let at = slider.left_center() + (slider.right_center() - slider.left_center()) * 0.9;
    window.hover_at(at);
    window.run_steps(2);
    window.drag_at(at);
    window.run_steps(2);
    window.drop_at(at);
    window.run_steps(4);
    solved(&mut window);
    let larger = now(&window).choice.plan.file_bytes;
    assert!(larger > before, "{larger} and {before}");
    window.get_by_role_and_label(Role::Slider, "Size of the file").focus();
    window.run_steps(2);
    for _ in 0..5 {
        window.key_press(Key::ArrowLeft);
        window.run_steps(2);
    }
    solved(&mut window);
    assert!(now(&window).choice.plan.file_bytes < larger);
    // The arrows that walk the types leave them alone.
    window.key_press_modifiers(Modifiers::NONE, Key::ArrowDown);
    window.run_steps(2);
    assert!(now(&window).choice.decision().size.is_some());
}

#[test]
fn exact_sizes_can_be_typed() {
    let (_folder, mut window) = ready();
    let type_in = |window: &mut Window, text: &str| {
        window.get_by_role_and_label(Role::TextInput, "Exact size").focus();
        window.run_steps(2);
        window.key_press_modifiers(Modifiers::COMMAND, Key::A);
        window.run_steps(2);
        window.event(egui::Event::Text(text.to_owned()));
        window.run_steps(4);
    };
    let asked = |window: &Window| now(window).choice.decision().size.unwrap().bytes;
    type_in(&mut window, "4.1 MB");
    assert_eq!(asked(&window), 4_100_000);
    type_in(&mut window, "3,700,000");
    assert_eq!(asked(&window), 3_700_000);
    type_in(&mut window, "4.2 bits");
    solved(&mut window);
    let bits = now(&window).choice.plan.bits_per_weight;
    assert!((4.19..=4.2).contains(&bits), "{bits}");
    for (text, problem) in [("1 MB", "No file of these types is below"), ("much", "Type bytes, or a number")] {
        let before = asked(&window);
        type_in(&mut window, text);
        window.get_by_label_contains(problem);
        assert_eq!(asked(&window), before);
    }
    window.key_press(Key::Escape);
    window.run_steps(4);
    assert_eq!((&now(&window).sizing.problem, &now(&window).sizing.typed), (&None, &None));
}

#[test]
fn what_is_chosen_for_tensors_stays() {
    let (_folder, mut window) = ready();
    ask(&mut window, Wish::Move(3_700_000));
    solved(&mut window);
    let name = "blk.2.ffn_up.weight";
    assert_ne!(planned(&window, name), "Q8_0");
    let place = now(&window).model.tensors.iter().position(|tensor| tensor.name == name).unwrap();
    act(&mut window, Action::Select(Select::Only(place)));
    act(&mut window, Action::GiveType(Some(&Q8_0)));
    solved(&mut window);
    assert_eq!(planned(&window, name), "Q8_0");
    assert!(now(&window).choice.plan.file_bytes <= 3_700_000);
    window.get_by_label("the mix goes around them");
    act(&mut window, Action::AddPattern);
    act(&mut window, Action::EditPattern(0, "attn_v=Q8_0".to_owned()));
    solved(&mut window);
    assert_eq!(planned(&window, "blk.1.attn_v.weight"), "Q8_0");
    assert!(now(&window).choice.plan.file_bytes <= 3_700_000);
    // Undone one by one.
    act(&mut window, Action::Undo);
    act(&mut window, Action::Undo);
    act(&mut window, Action::Undo);
    solved(&mut window);
    assert_ne!(planned(&window, name), "Q8_0");
}

#[test]
fn a_machine_is_filled() {
    let (folder, mut window) = ready();
    act(&mut window, Action::Show(Tab::Fit));
    wait(&mut window, "the machines", |state| !state.fit.rows.is_empty());
    let name = window.state().state().fit.rows[1].machine.name.clone();
    window.get_by_label(&format!("Fill {name}")).click();
    // The sample is small: all of it fits.
    let largest = now(&window).sizing.sizes.as_ref().unwrap().largest;
    wait(&mut window, "the largest file", |state| opened(state).choice.plan.file_bytes == largest);
    solved(&mut window);
    assert!(now(&window).sizing.filling.is_none());
    let statistics = folder.path().join("statistics.gguf");
    let model = folder.path().join("sample");
    let chunks = CHUNKS.to_string();
    let report = tuck_ok(&[
        "pack",
        model.to_str().unwrap(),
        "--dry-run",
        "--target",
        &name,
        "--ctx",
        "1024",
        "--text",
        TEXT,
        "--chunks",
        &chunks,
        "--statistics",
        statistics.to_str().unwrap(),
        "--device",
        "cpu",
        "--json",
    ]);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["file_bytes"], largest);
}
