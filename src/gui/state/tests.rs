//! What events do to the window's state, and what it says.

use super::{Dialog, Opened, Opening, Packing, State, Target, Then, file_name};
use crate::engine::{Command, Engine, Event, EventKind, JobId, Progress, Stage};
use crate::model::Model;
use crate::recipe::preset_from_name;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn sample() -> Arc<Model> {
    Arc::new(Model::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/sample")).unwrap())
}

/// Two jobs of an engine whose events are left alone.
fn jobs() -> (JobId, JobId) {
    let mut engine = Engine::start(Box::new(|| {}));
    (engine.submit(Command::ListDevices), engine.submit(Command::ListDevices))
}

fn choose(opened: &mut Opened, name: &str) {
    let preset = preset_from_name(name).unwrap();
    opened.choice.change(&opened.model, |decision| decision.show(preset));
}

fn progress() -> EventKind {
    EventKind::Progress(Progress {
        stage: Stage::Packing,
        done: 1,
        total: 2,
        rate: 3.0,
        remaining: Some(Duration::from_secs(4)),
        tensor: "output.weight".to_owned(),
    })
}

fn packing(job: JobId) -> State {
    let packing =
        Packing { job, then: Then::Done, outputs: vec!["out.gguf".into()], progress: None, is_cancelling: false };
    let mut state = State { packing: Some(packing), ..State::default() };
    state.show(sample(), true);
    state
}

#[test]
fn late_events_of_a_dead_job_change_nothing() {
    let (dead, living) = jobs();
    let mut state = State {
        opening: Some(Opening { job: living, target: Target::Sample }),
        packing: Some(Packing {
            job: living,
            then: Then::Done,
            outputs: vec!["out.gguf".into()],
            progress: None,
            is_cancelling: false,
        }),
        ..State::default()
    };
    let late = [
        progress(),
        EventKind::Warning("late".to_owned()),
        EventKind::Devices(Vec::new()),
        EventKind::Opened(sample()),
        EventKind::Failed("late".to_owned()),
        EventKind::Cancelled,
    ];
    for kind in late {
        state.apply(Event { job: dead, kind });
        assert!(state.opening.is_some() && state.packing.is_some() && state.opened.is_none());
        assert!(state.dialog.is_none() && state.warnings.is_empty());
        assert!(state.packing.as_ref().unwrap().progress.is_none());
    }
}

#[test]
fn progress_is_the_latest_and_failure_ends_it() {
    let (job, _) = jobs();
    let mut state = packing(job);
    state.apply(Event { job, kind: progress() });
    assert_eq!(state.packing.as_ref().unwrap().progress.as_ref().unwrap().fraction(), 0.5);
    state.apply(Event { job, kind: EventKind::Failed("the disk is full".to_owned()) });
    assert!(state.packing.is_none());
    assert!(matches!(&state.dialog, Some(Dialog::Failed { can_pack_anyway: false, .. })), "{:?}", state.dialog);
}

#[test]
fn a_failure_by_nan_offers_to_go_on() {
    let (job, _) = jobs();
    let mut state = packing(job);
    state.apply(Event { job, kind: EventKind::Failed("a NaN; go on with --allow-nonfinite".to_owned()) });
    assert!(matches!(&state.dialog, Some(Dialog::Failed { can_pack_anyway: true, .. })), "{:?}", state.dialog);
}

#[test]
fn the_output_follows_the_type_until_it_has_a_name_of_its_own() {
    let mut state = State::default();
    state.show(sample(), true);
    let opened = state.opened.as_mut().unwrap();
    let kept = opened.outputs().remove(0);
    opened.save_to(&Path::new("/elsewhere").join(file_name(&kept)));
    choose(opened, "Q8_0");
    assert_eq!(opened.outputs(), [Path::new("/elsewhere").join(opened.model.default_file_name("Q8_0"))]);
    opened.save_to(Path::new("/elsewhere/mine.gguf"));
    choose(opened, "Q6_K");
    assert_eq!(opened.outputs(), [Path::new("/elsewhere/mine.gguf")]);
    let more = preset_from_name("Q8_0").unwrap();
    opened.choice.change(&opened.model, |decision| decision.tick(more));
    let named = ["Q8_0", "Q6_K"].map(|name| Path::new("/elsewhere").join(opened.model.default_file_name(name)));
    assert_eq!(opened.outputs(), named);
}

#[test]
fn the_next_model_keeps_the_type() {
    let mut state = State::default();
    state.show(sample(), true);
    choose(state.opened.as_mut().unwrap(), "Q6_K");
    state.show(sample(), false);
    let opened = state.opened.unwrap();
    assert_eq!((opened.choice.decision().preset.name, opened.choice.plan.recipe.preset.name), ("Q6_K", "Q6_K"));
}
