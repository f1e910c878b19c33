//! The worker thread: takes commands in order, runs each as a job, sends its events.

use super::command::{AdapterRequest, Command, JobId};
use super::event::{Event, EventKind, Progress};
use super::jobs::measure::Found;
use super::{Wake, device, jobs, sample};
use crate::checkpoint::{Adapter, OpenError};
use crate::imatrix::{Imatrix, ImatrixError};
use crate::model::Model;
use crate::recipe::RecipeError;
use std::any::Any;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the engine's handle and its worker share.
pub(super) struct Shared {
    wake: Wake,
    progress: Mutex<Option<Event>>,
    cancelled: Mutex<HashSet<JobId>>,
    stopping: AtomicBool,
}

impl Shared {
    pub(super) fn new(wake: Wake) -> Self {
        Self { wake, progress: Mutex::default(), cancelled: Mutex::default(), stopping: AtomicBool::new(false) }
    }

    pub(super) fn cancel(&self, job: JobId) {
        lock(&self.cancelled).insert(job);
    }

    pub(super) fn cancel_all(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    pub(super) fn take_progress(&self) -> Option<Event> {
        lock(&self.progress).take()
    }

    fn is_cancelled(&self, job: JobId) -> bool {
        self.stopping.load(Ordering::Relaxed) || lock(&self.cancelled).contains(&job)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why a job ended without a result.
#[derive(Debug)]
pub(super) enum Stop {
    /// Asked to.
    Cancelled,
    /// With this message.
    Failed(String),
}

impl From<OpenError> for Stop {
    fn from(error: OpenError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<ImatrixError> for Stop {
    fn from(error: ImatrixError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<RecipeError> for Stop {
    fn from(error: RecipeError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// What a running job may do: tell, and ask whether to stop.
pub(super) struct Context<'a> {
    job: JobId,
    shared: &'a Shared,
    outbox: &'a Sender<Event>,
}

impl Context<'_> {
    pub(super) fn progress(&self, progress: Progress) {
        *lock(&self.shared.progress) = Some(Event { job: self.job, kind: EventKind::Progress(progress) });
        (self.shared.wake)();
    }

    pub(super) fn warn(&self, warning: String) {
        self.send(EventKind::Warning(warning));
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.shared.is_cancelled(self.job)
    }

    /// Tells something on the way.
    pub(super) fn send(&self, kind: EventKind) {
        // The receiver is gone only when the engine is being dropped.
        let _ = self.outbox.send(Event { job: self.job, kind });
        (self.shared.wake)();
    }
}

/// Runs on the engine's thread.
pub(super) struct Worker {
    inbox: Receiver<(JobId, Command)>,
    outbox: Sender<Event>,
    shared: Arc<Shared>,
    devices: device::Devices,
}

impl Worker {
    pub(super) fn new(inbox: Receiver<(JobId, Command)>, outbox: Sender<Event>, shared: Arc<Shared>) -> Self {
        Self { inbox, outbox, shared, devices: device::Devices::default() }
    }

    /// Until the engine is dropped.
    pub(super) fn run(mut self) {
        while let Ok((job, command)) = self.inbox.recv() {
            let context = Context { job, shared: &self.shared, outbox: &self.outbox };
            let devices = &mut self.devices;
            let result = if context.is_cancelled() {
                Err(Stop::Cancelled)
            } else {
                // A panic is a fault of ours; it must end the job, not leave its reader waiting for ever.
                let caught = catch_unwind(AssertUnwindSafe(|| run(devices, command, &context)));
                caught.unwrap_or_else(|panic| Err(Stop::Failed(own_fault(&*panic))))
            };
            if matches!(result, Err(Stop::Failed(_))) {
                self.devices.close();
            }
            context.send(match result {
                Ok(kind) => kind,
                Err(Stop::Cancelled) => EventKind::Cancelled,
                Err(Stop::Failed(message)) => EventKind::Failed(message),
            });
            lock(&self.shared.cancelled).remove(&job);
        }
    }
}

fn own_fault(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    format!("Tuck made an error of its own, so nothing was kept: {}; please report it", text.unwrap_or("no message"))
}

fn run(devices: &mut device::Devices, command: Command, context: &Context<'_>) -> Result<EventKind, Stop> {
    match command {
        Command::ListDevices => Ok(EventKind::Devices(devices.list())),
        Command::ReadHardware => Ok(EventKind::Hardware(Arc::new(jobs::hardware::read(devices.adapters())))),
        Command::Open(request) => Ok(EventKind::Opened(Arc::new(Model::open_with(&request.path, &request.adapters)?))),
        Command::OpenAny(path) => Ok(match Adapter::folder_of(&path) {
            Some(folder) => EventKind::Adapter(Arc::new(Adapter::open(folder, 0)?)),
            None => EventKind::Opened(Arc::new(Model::open(&path)?)),
        }),
        Command::OpenAdapter(path) => Ok(EventKind::Adapter(Arc::new(Adapter::open(&path, 0)?))),
        Command::ExportAdapter(AdapterRequest { path, base, format }) => {
            Ok(EventKind::Opened(Arc::new(Model::open_adapter(&path, &base, format)?)))
        }
        Command::OpenSample => {
            let folder = sample::folder();
            let folder =
                folder.map_err(|error| Stop::Failed(format!("the sample model could not be unpacked: {error}")))?;
            Ok(EventKind::Opened(Arc::new(Model::open(&folder)?)))
        }
        Command::OpenImatrix(path) => Ok(EventKind::Imatrix(Arc::new(Imatrix::open(&path)?))),
        Command::Pack(request) => Ok(EventKind::Packed(Arc::new(jobs::pack::run(devices, &request, context)?))),
        Command::Compare(request) => {
            Ok(EventKind::Compared(Arc::new(jobs::measure::compare(devices, &request, context)?)))
        }
        Command::Sensitivity(request) => {
            Ok(EventKind::Sensitive(Arc::new(jobs::measure::sensitivity(devices, &request, context)?)))
        }
        Command::Calibrate(request) => {
            Ok(EventKind::Calibrated(Arc::new(jobs::measure::calibrate(devices, &request, context)?)))
        }
        Command::LowRank(request) => {
            Ok(EventKind::LowRank(Arc::new(jobs::measure::low_rank(devices, &request, context)?)))
        }
        Command::LowRankPairs(request) => {
            Ok(EventKind::Pairs(Arc::new(jobs::measure::low_rank_pairs(devices, &request, context)?)))
        }
        Command::Sequence(request) => Ok(EventKind::Sequenced(jobs::measure::sequence(devices, &request, context)?)),
        Command::Statistics(request) => {
            Ok(EventKind::Statistics(Arc::new(jobs::measure::statistics(devices, &request, context)?)))
        }
        Command::FindStatistics(request) => Ok(match jobs::measure::find_statistics(&request)? {
            Found::All(report) => EventKind::Statistics(Arc::new(report)),
            Found::Missing { is_begun } => EventKind::NoStatistics { is_begun },
        }),
        Command::Kv(request) => Ok(EventKind::Kv(Arc::new(jobs::measure::kv(devices, &request, context)?))),
        Command::Prompt(request) => Ok(EventKind::Prompt(Arc::new(jobs::measure::prompt(devices, &request, context)?))),
        Command::Prune(request) => Ok(EventKind::Pruned(Arc::new(jobs::measure::prune(devices, &request, context)?))),
        Command::Weigh(request) => Ok(EventKind::Weighed(Arc::new(jobs::measure::weigh(devices, &request, context)?))),
        Command::Export(request) => Ok(EventKind::Exported(Arc::new(jobs::export::export(&request, context)?))),
        Command::Measure(request) => Ok(EventKind::Measured(Arc::new(jobs::measure::run(devices, &request, context)?))),
        Command::Pull(request, access) => jobs::pull::run(&request, access, context),
        Command::Verify(request) => Ok(EventKind::Verified(Arc::new(jobs::verify::run(&request, context)?))),
    }
}
