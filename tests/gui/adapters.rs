//! Adapters for what quantization lost: bytes that follow the rank, and what was measured beside more bits.

use crate::fixture::{Window, copied_sample, wait, with_options};
use crate::places::{assert_apart, picture};
use crate::size::{CHUNKS, TEXT, statistics};
use egui_kittest::kittest::Queryable;
use tuck::engine::DeviceChoice;
use tuck::gui::{Action, Inquiry, Opened, Options, Tab, View, Wish};
use tuck::units;

fn now(window: &Window) -> &Opened {
    window.state().state().opened.as_ref().unwrap()
}

fn act(window: &mut Window, action: Action) {
    window.state_mut().ask(action);
    window.run_steps(4);
}

fn ask(window: &mut Window, inquiry: Inquiry) {
    act(window, Action::Quality(inquiry));
}

#[test]
fn adapters_are_measured_beside_more_bits_and_bytes_follow_the_rank() {
    let (folder, path) = statistics();
    let model = copied_sample(folder.path());
    let options = Options { path: Some(model), statistics: Some(path), ..Options::default() };
    let mut window = with_options([1280.0, 720.0], 1.0, options);
    wait(&mut window, "the model to open", |state| state.opened.is_some() && state.listing.is_none());
    act(&mut window, Action::ChooseDevice(DeviceChoice::Cpu));
    for wish in [Wish::Text(Some(TEXT.into())), Wish::Chunks(Some(CHUNKS))] {
        act(&mut window, Action::Size(wish));
    }
    act(&mut window, Action::Show(Tab::Quality));
    for inquiry in [Inquiry::Turn(View::Adapters), Inquiry::Context(128), Inquiry::Chunks(Some(2))] {
        ask(&mut window, inquiry);
    }
    // Before anything is measured, the most that a rank may take.
    let most: Vec<u64> = [2, 16]
        .map(|rank| {
            ask(&mut window, Inquiry::Rank(rank));
            let bytes = now(&window).prospect(rank).bytes;
            window.get_by_label(&format!("Adapter at most {} bytes", units::grouped(bytes)));
            bytes
        })
        .into();
    assert!(most[0] * 4 < most[1]);
    window.get_by_label("Measure adapters for Q4_K_M").click();
    window.run_steps(2);
    wait(&mut window, "the adapters", |state| {
        let opened = state.opened.as_ref().unwrap();
        assert_eq!(opened.quality.problem, None);
        opened.adapters().is_some()
    });
    let report = now(&window).adapters().unwrap().clone();
    let ranks: Vec<u64> = report.adapters.iter().map(|adapter| adapter.bytes).collect();
    assert!(ranks.is_sorted() && ranks.len() == 5);
    let last = &report.adapters[4];
    assert!(last.with.divergence.value < report.base.divergence.value);
    assert!(last.bytes <= most[1] && last.instead.unwrap().bytes <= last.with.bytes);
    // What the slider says is what was made, to the byte.
    let prospect = now(&window).prospect(16);
    assert_eq!(prospect.bytes, last.bytes);
    window.get_by_label(&format!("Adapter {} bytes", units::grouped(last.bytes)));
    window.get_by_label("Size against KL divergence of 5 adapters, beside more bits");
    window.get_by_label("Adapters beside more bits");
    let base = report.base.divergence;
    window.get_by_label(&format!("Q4_K_M without: {:.5} ± {:.5}", base.value, base.error));
    assert_apart(
        &window,
        &["Adapters beside more bits", "The same bytes, spent on either", "Measure adapters for Q4_K_M"],
    );
    picture(&mut window, "quality-adapters");
    // Another type has not been measured.
    act(&mut window, Action::NextType);
    assert!(now(&window).adapters().is_none());
}
