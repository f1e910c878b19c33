//! The engine: one worker thread that owns devices and open files, told what to do by [`Command`]s, telling what
//! happened by [`Event`]s. It knows neither pixels nor flags; the window and the command line are two readers of it.

mod command;
mod device;
mod event;
mod jobs;
mod kv;
mod low_rank;
mod meter;
mod prompt;
mod prune;
mod sample;
mod worker;

pub use command::{
    AdapterRequest, CalibrateRequest, Command, CompareRequest, Computing, DeviceChoice, ExportRequest, JobId,
    MeasureRequest, OpenRequest, PackOutput, PackRequest, SensitivityRequest, SequenceRequest, StatisticsRequest,
    Subject, VerifyRequest,
};
pub use event::{
    Answer, CalibrateReport, CompareReport, Comparison, Device, Event, EventKind, ExportReport, MeasureReport,
    Mismatch, OutputReport, PackReport, Parting, Preference, Progress, Sensitivity, SensitivityReport, Spoken, Stage,
    StatisticsReport, TensorError, VerifyReport,
};

pub use jobs::hardware::Hardware;
pub use kv::{KvReport, KvRequest, KvRow, Predicted, cache_bytes};
pub use low_rank::{AdapterReport, Lineage, LowRankReport, LowRankRequest, PairsReport, PairsRequest, Standing};
pub use prompt::{
    Budget, PromptEffect, PromptReport, PromptRequest, PromptRow, PromptScores, PromptSource, Shortened, read_prompt,
};
pub use prune::{
    Comparing, DropRound, LayerLoss, PruneReport, PruneRequest, PruneRow, Role, SparseReport, Standings, WeighRequest,
};

pub use crate::recipe::AdapterSize;

use crate::model::Model;
use crate::prune::Cut;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use worker::{Shared, Worker};

/// The tensors and sizes of what [`Command::Prune`] would leave of a model, before anything is computed: enough to plan and to
/// fit it, to the byte. Or why that cannot go.
pub fn outline(model: &Model, cut: &Cut) -> Result<Model, String> {
    jobs::measure::outline(model, cut)
}

/// Called after each event, from the worker's thread: the window asks for a repaint.
pub type Wake = Box<dyn Fn() + Send + Sync>;

/// A running engine. Dropping it cancels what runs and waits for the worker to clean up.
pub struct Engine {
    commands: Option<Sender<(JobId, Command)>>,
    events: Receiver<Event>,
    shared: Arc<Shared>,
    worker: Option<thread::JoinHandle<()>>,
    next: u64,
}

impl Engine {
    /// Starts the worker thread.
    pub fn start(wake: Wake) -> Self {
        let (commands, inbox) = channel();
        let (outbox, events) = channel();
        let shared = Arc::new(Shared::new(wake));
        let worker = Worker::new(inbox, outbox, Arc::clone(&shared));
        let worker = thread::Builder::new().name("engine".to_owned()).spawn(move || worker.run());
        let worker = Some(worker.expect("the operating system refuses to start a thread"));
        Self { commands: Some(commands), events, shared, worker, next: 1 }
    }

    /// Queues a job and returns at once.
    pub fn submit(&mut self, command: Command) -> JobId {
        let job = JobId(self.next);
        self.next += 1;
        if let Some(commands) = &self.commands {
            // The worker ends only when this sender is dropped.
            let _ = commands.send((job, command));
        }
        job
    }

    /// Stops a job, queued or running, at its next chunk. It answers with `Cancelled` unless it had just finished.
    pub fn cancel(&self, job: JobId) {
        self.shared.cancel(job);
    }

    /// A way to cancel from a signal handler or another thread.
    pub fn canceller(&self) -> impl Fn(JobId) + Send + Sync + 'static {
        let shared = Arc::clone(&self.shared);
        move |job| shared.cancel(job)
    }

    /// Everything that happened since the last call, without waiting. Of progress, only the latest.
    pub fn drain(&self) -> Vec<Event> {
        let mut events: Vec<Event> = self.shared.take_progress().into_iter().collect();
        events.extend(self.events.try_iter());
        events
    }

    /// Waits up to `timeout` for something to happen.
    pub fn wait(&self, timeout: std::time::Duration) -> Vec<Event> {
        let first = self.events.recv_timeout(timeout).ok();
        let mut events: Vec<Event> = self.shared.take_progress().into_iter().collect();
        events.extend(first);
        events.extend(self.events.try_iter());
        events
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shared.cancel_all();
        self.commands = None;
        if let Some(worker) = self.worker.take() {
            let _ = worker.join();
        }
    }
}
