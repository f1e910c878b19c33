//! Finds mixes on a thread of its own, for the window neither computes nor waits. What is asked last is answered; what was
//! asked before it and has not begun is forgotten.

use super::{Basis, Sizes};
use crate::fit::{Fitter, Machine, Settings, Subject};
use crate::gui::fit::{Row, Runs, rows};
use crate::model::Model;
use crate::recipe::{Coverage, Mixed, Mixer, Plan, Prediction, Recipe, RecipeError, USUAL_TYPES, preset_from_name};
use crate::units;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// What a mix is put into: what it does not name stays as it is.
const KEPT: &str = "COPY";

/// What size.
#[derive(Clone, Debug)]
pub(in crate::gui) enum Goal {
    /// At most so many bytes.
    Bytes(u64),
    /// The most that is fully on a machine, run so.
    Fill(Box<Machine>, Settings),
}

/// What is to be found.
pub(in crate::gui) struct Question {
    pub(in crate::gui) basis: Arc<Basis>,
    pub(in crate::gui) goal: Goal,
    /// Where it is to be fitted as well.
    pub(in crate::gui) runs: Option<Runs>,
}

/// What was found.
pub(in crate::gui) struct Answer {
    pub(in crate::gui) basis: Arc<Basis>,
    /// The bytes that were asked for; none where a machine was to be filled.
    pub(in crate::gui) asked: Option<u64>,
    pub(in crate::gui) outcome: Result<Solved, String>,
}

/// A mix, and all that is shown of it.
pub(in crate::gui) struct Solved {
    pub(in crate::gui) plan: Plan,
    pub(in crate::gui) cautions: Vec<String>,
    /// The KL divergence that is predicted.
    pub(in crate::gui) predicted: f64,
    pub(in crate::gui) sizes: Arc<Sizes>,
    pub(in crate::gui) rows: Option<(Runs, Vec<Row>)>,
}

/// The thread, which ends with this.
pub(in crate::gui) struct Solver {
    slot: Arc<Slot>,
    answers: Receiver<Answer>,
    thread: Option<thread::JoinHandle<()>>,
}

/// The next question.
#[derive(Default)]
struct Slot {
    next: Mutex<Next>,
    changed: Condvar,
}

#[derive(Default)]
struct Next {
    question: Option<Question>,
    is_over: bool,
}

impl Solver {
    /// Starts the thread, which calls `wake` after each answer.
    pub(in crate::gui) fn start(wake: impl Fn() + Send + 'static) -> Self {
        let (answer, answers) = channel();
        let slot = Arc::new(Slot::default());
        let questions = Arc::clone(&slot);
        let thread = thread::Builder::new().name("solver".to_owned()).spawn(move || run(&questions, &answer, &wake));
        let thread = Some(thread.expect("the operating system refuses to start a thread"));
        Self { slot, answers, thread }
    }

    /// Asks, in the place of what has not begun.
    pub(in crate::gui) fn ask(&self, question: Question) {
        self.slot.lock().question = Some(question);
        self.slot.changed.notify_one();
    }

    /// What was found since the last call.
    pub(in crate::gui) fn poll(&self) -> Vec<Answer> {
        self.answers.try_iter().collect()
    }
}

impl Drop for Solver {
    fn drop(&mut self) {
        self.slot.lock().is_over = true;
        self.slot.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, Next> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a question; none at the end.
    fn wait(&self) -> Option<Question> {
        let is_waiting = |next: &mut Next| next.question.is_none() && !next.is_over;
        let mut next = self.changed.wait_while(self.lock(), is_waiting).unwrap_or_else(PoisonError::into_inner);
        if next.is_over { None } else { next.question.take() }
    }
}

fn run(slot: &Slot, answers: &Sender<Answer>, wake: &dyn Fn()) {
    let mut next = slot.wait();
    while let Some(question) = next {
        next = serve(question, slot, answers, wake);
    }
}

/// Answers a question, and those after it that rest on the same. Returns the first that does not.
fn serve(question: Question, slot: &Slot, answers: &Sender<Answer>, wake: &dyn Fn()) -> Option<Question> {
    let basis = Arc::clone(&question.basis);
    let Basis { model, statistics, level, .. } = &*basis;
    let prediction = Prediction::new(statistics, level.is_measured(), true);
    let mixer = mixer(&basis, &prediction);
    let sizes = mixer.as_ref().ok().map(|mixer| Arc::new(Sizes::of(model, mixer)));
    let mut next = Some(question);
    while let Some(question) = next.take_if(|question| Arc::ptr_eq(&question.basis, &basis)) {
        let asked = match question.goal {
            Goal::Bytes(bytes) => Some(bytes),
            Goal::Fill(..) => None,
        };
        let outcome = match (&mixer, &sizes) {
            (Ok(mixer), Some(sizes)) => solve(model, mixer, sizes, &question),
            (Err(error), _) => Err(error.to_string()),
            (Ok(_), None) => break,
        };
        // The window is gone when nobody listens.
        let _ = answers.send(Answer { basis: Arc::clone(&basis), asked, outcome });
        wake();
        next = slot.wait();
    }
    next
}

fn mixer<'a>(basis: &'a Basis, prediction: &'a Prediction) -> Result<Mixer<'a>, RecipeError> {
    let Basis { model, statistics, overrides, level } = basis;
    let kept = preset_from_name(KEPT).expect("the list has it");
    let base = Recipe { overrides: overrides.clone(), ..Recipe::new(kept) };
    let base = base.with_statistics(statistics, *level).with_feedback(statistics);
    Mixer::new(model, prediction, base, (*level, statistics.identity.clone()), USUAL_TYPES, &[])
}

fn solve(model: &Model, mixer: &Mixer<'_>, sizes: &Arc<Sizes>, question: &Question) -> Result<Solved, String> {
    let mixed = match &question.goal {
        Goal::Bytes(bytes) => mixer.solve((*bytes).max(sizes.smallest)).map_err(|error| error.to_string())?,
        Goal::Fill(machine, settings) => fill(model, mixer, machine, *settings)?,
    };
    let plan = Plan::new(model, &mixed.recipe).map_err(|error| error.to_string())?;
    let mut cautions = Plan::warnings_of([&plan]);
    cautions.extend(plan.coverage(model).iter().flat_map(Coverage::warnings));
    let rows = question.runs.clone().map(|runs| {
        let found = rows(model, &plan, &runs);
        (runs, found)
    });
    Ok(Solved { plan, cautions, predicted: mixed.total.loss, sizes: Arc::clone(sizes), rows })
}

/// The recipe of the largest file that is fully on a machine.
fn fill(model: &Model, mixer: &Mixer<'_>, machine: &Machine, settings: Settings) -> Result<Mixed, String> {
    let fits = |mixed: &Mixed| {
        let plan = Plan::new(model, &mixed.recipe);
        plan.is_ok_and(|plan| Fitter::new(&Subject::planned(model, &plan), settings).fits_fully(machine))
    };
    mixer.largest(fits).ok_or_else(|| {
        format!(
            "even the smallest file, of {}, does not fit {} with {} tokens of context; ask for less context there",
            units::bytes(mixer.smallest()),
            machine.name,
            units::grouped(settings.context)
        )
    })
}
