//! Counting a stage's bytes into progress events.

use super::event::{Progress, Stage};
use super::worker::{Context, Stop};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// No reader can follow more.
const BETWEEN_EVENTS: Duration = Duration::from_millis(30);

/// Counts bytes from any thread, tells the reader now and then, and notices a cancel.
pub(super) struct Meter<'a, 'c> {
    context: &'a Context<'c>,
    stage: Stage,
    total: u64,
    started: Instant,
    state: Mutex<State>,
}

struct State {
    done: u64,
    told: Option<Instant>,
}

impl<'a, 'c> Meter<'a, 'c> {
    pub(super) fn new(context: &'a Context<'c>, stage: Stage, total: u64) -> Self {
        let meter =
            Self { context, stage, total, started: Instant::now(), state: Mutex::new(State { done: 0, told: None }) };
        meter.tell(0, "");
        meter
    }

    /// Adds bytes. Ends the job where it was cancelled.
    pub(super) fn advance(&self, bytes: u64, tensor: &str) -> Result<(), Stop> {
        if self.context.is_cancelled() {
            return Err(Stop::Cancelled);
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.done += bytes;
        let now = Instant::now();
        if state.done == self.total || state.told.is_none_or(|told| now - told >= BETWEEN_EVENTS) {
            state.told = Some(now);
            self.tell(state.done, tensor);
        }
        Ok(())
    }

    fn tell(&self, done: u64, tensor: &str) {
        let seconds = self.started.elapsed().as_secs_f64();
        let rate = if seconds > 0.0 { done as f64 / seconds } else { 0.0 };
        let remaining =
            (rate > 0.0).then(|| Duration::from_secs_f64((self.total - done.min(self.total)) as f64 / rate));
        self.context.progress(Progress {
            stage: self.stage,
            done,
            total: self.total,
            rate,
            remaining,
            tensor: tensor.to_owned(),
        });
    }
}
