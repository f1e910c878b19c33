//! One command, one engine: submit, follow the events, end with an exit code.

use crate::engine::{Command, Engine, EventKind, JobId, Progress, Stage};
use crate::model::Model;
use crate::units;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value as Json;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Ended on the user's wish, as a shell reports it (128 + SIGINT).
const CANCELLED: u8 = 130;

/// Why a command ends before its end.
pub(super) enum Quit {
    Failed(String),
    Cancelled,
    /// On the user's wish, with something to go on from.
    Paused,
}

/// Turns what a command did into an exit code, with the message of a failure on stderr.
pub(super) fn exit(result: Result<(), Quit>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Quit::Failed(message)) => {
            eprintln!("tuck: {message}");
            ExitCode::FAILURE
        }
        Err(Quit::Cancelled) => {
            eprintln!("tuck: cancelled, nothing was written");
            ExitCode::from(CANCELLED)
        }
        Err(Quit::Paused) => {
            eprintln!("tuck: cancelled; what came is kept, and the same command goes on from there");
            ExitCode::from(CANCELLED)
        }
    }
}

/// An engine whose running job ends at Ctrl-C.
pub(super) struct Session {
    engine: Engine,
    running: Arc<Mutex<Option<JobId>>>,
    bar: ProgressBar,
}

impl Session {
    pub(super) fn start() -> Self {
        let engine = Engine::start(Box::new(|| {}));
        let running: Arc<Mutex<Option<JobId>>> = Arc::default();
        let (cancel, job) = (engine.canceller(), Arc::clone(&running));
        let pressed = AtomicBool::new(false);
        let handler = move || {
            // A second Ctrl-C ends the program at once.
            if pressed.swap(true, Ordering::Relaxed) {
                std::process::exit(CANCELLED.into());
            }
            if let Some(job) = *job.lock().unwrap_or_else(PoisonError::into_inner) {
                cancel(job);
            }
        };
        if let Err(error) = ctrlc::set_handler(handler) {
            log::warn!("Ctrl-C will end the program without cleaning up: {error}");
        }
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        bar.set_style(
            ProgressStyle::with_template("{prefix} {bar:30} {percent:>3} %  {msg}").expect("a constant template"),
        );
        Self { engine, running, bar }
    }

    /// Opens a model.
    pub(super) fn open(&mut self, path: &Path) -> Result<Arc<Model>, Quit> {
        match self.run(Command::Open(path.to_owned().into()))? {
            EventKind::Opened(model) => Ok(model),
            _ => Err(Quit::Failed("the engine gave no model".to_owned())),
        }
    }

    /// Runs a command to its end and returns the event that ended it.
    pub(super) fn run(&mut self, command: Command) -> Result<EventKind, Quit> {
        self.run_telling(command, |_| {})
    }

    /// The same, and hands over what is told on the way.
    pub(super) fn run_telling(
        &mut self,
        command: Command,
        mut tell: impl FnMut(&EventKind),
    ) -> Result<EventKind, Quit> {
        let job = self.engine.submit(command);
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(job);
        loop {
            for event in self.engine.wait(Duration::from_millis(100)) {
                match event.kind {
                    _ if event.job != job => {}
                    EventKind::Progress(progress) => self.show(&progress),
                    EventKind::Warning(warning) => self.bar.suspend(|| eprintln!("tuck: warning: {warning}")),
                    told @ (EventKind::Spoken(_) | EventKind::Answered(_)) => self.bar.suspend(|| tell(&told)),
                    ended => {
                        self.bar.finish_and_clear();
                        return match ended {
                            EventKind::Failed(message) => Err(Quit::Failed(message)),
                            EventKind::Cancelled => Err(Quit::Cancelled),
                            done => Ok(done),
                        };
                    }
                }
            }
        }
    }

    fn show(&self, progress: &Progress) {
        self.bar.set_prefix(progress.stage.label());
        self.bar.set_length(progress.total);
        self.bar.set_position(progress.done);
        let left = progress.remaining.map(|left| format!(", {} left", units::duration(left))).unwrap_or_default();
        match progress.stage {
            Stage::Flushing => self.bar.set_message(""),
            _ => self.bar.set_message(format!("{}{left}  {}", units::rate(progress.rate), progress.tensor)),
        }
    }
}

/// Prints JSON for machines.
pub(super) fn print_json(json: &Json) {
    println!("{}", serde_json::to_string_pretty(json).expect("JSON values can always be written"));
}
