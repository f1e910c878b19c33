//! Fetching a model by name, with progress for the reader.

use crate::engine::event::{EventKind, Progress, Stage};
use crate::engine::worker::{Context, Stop};
use crate::hub::{Access, HubError, PullRequest, Watch, pull};
use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// No reader can follow more.
const BETWEEN_EVENTS: Duration = Duration::from_millis(30);

/// Fetches what a request names.
pub(in crate::engine) fn run(request: &PullRequest, access: Access, context: &Context<'_>) -> Result<EventKind, Stop> {
    let follower = Follower { context, told: Cell::new(None), untold: Cell::new(None) };
    match pull(request, access, &follower) {
        Ok(pulled) => Ok(EventKind::Pulled(Arc::new(pulled))),
        Err(HubError::Cancelled) => Err(Stop::Cancelled),
        Err(error) => {
            let message = error.to_string();
            match error {
                HubError::Choose { choices, .. } => Ok(EventKind::Choices(Arc::new(choices), message)),
                _ => Err(Stop::Failed(message)),
            }
        }
    }
}

struct Follower<'a, 'c> {
    context: &'a Context<'c>,
    told: Cell<Option<Instant>>,
    /// Too soon after the last; told when no other follows in time.
    untold: Cell<Option<Progress>>,
}

impl Follower<'_, '_> {
    fn tell(&self) {
        let is_soon = self.told.get().is_some_and(|told| told.elapsed() < BETWEEN_EVENTS);
        match self.untold.take() {
            Some(progress) if is_soon && progress.done != progress.total => self.untold.set(Some(progress)),
            Some(progress) => {
                self.told.set(Some(Instant::now()));
                self.context.progress(progress);
            }
            None => {}
        }
    }
}

impl Watch for Follower<'_, '_> {
    fn is_cancelled(&self) -> bool {
        self.tell();
        self.context.is_cancelled()
    }

    fn progress(&self, done: u64, total: u64, (fetched, time): (u64, Duration), file: &str) {
        let seconds = time.as_secs_f64();
        let rate = if seconds > 0.0 { fetched as f64 / seconds } else { 0.0 };
        let left = total.saturating_sub(done) as f64 / rate;
        let remaining = Duration::try_from_secs_f64(left).ok().filter(|_| rate > 0.0);
        let tensor = file.to_owned();
        self.untold.set(Some(Progress { stage: Stage::Downloading, done, total, rate, remaining, tensor }));
        self.tell();
    }
}
