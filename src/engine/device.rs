//! The devices the worker owns: found on first use, opened on first use, kept until one is lost.

use super::command::{Computing, DeviceChoice};
use super::event::Device;
use super::worker::Stop;
use crate::cpu::CpuRunner;
use crate::feedback::{Hessian, Stopped};
use crate::gpu::{self, Adapter, GpuRunner, feedback, forward, low_rank};
use crate::graph::{RunError, Runner};
use crate::lowrank::{self, DEPTH, Host, Leading};
use std::sync::Arc;
use std::thread::available_parallelism;

/// Found on first use.
#[derive(Default)]
pub(super) struct Devices {
    adapters: Option<Vec<Adapter>>,
    open: Option<(String, Arc<dyn Runner>)>,
}

impl Devices {
    /// Best first: GPUs, the processor, and drivers that run shaders on the processor, which are no faster than it.
    pub(super) fn list(&mut self) -> Vec<Device> {
        let listed = |adapter: &Adapter| Device {
            name: adapter.name().to_owned(),
            backend: adapter.backend(),
            kind: adapter.kind().to_owned(),
            driver: adapter.driver(),
        };
        let threads = available_parallelism().map_or(1, usize::from);
        let processor = Device {
            name: "CPU".to_owned(),
            backend: "native".to_owned(),
            kind: "processor".to_owned(),
            driver: if threads == 1 { "1 thread".to_owned() } else { format!("{threads} threads") },
        };
        let (software, gpus): (Vec<_>, Vec<_>) = self.adapters().iter().partition(|adapter| adapter.is_cpu());
        gpus.into_iter().map(listed).chain([processor]).chain(software.into_iter().map(listed)).collect()
    }

    /// A runner on the chosen device.
    pub(super) fn runner(&mut self, choice: &DeviceChoice) -> Result<Arc<dyn Runner>, Stop> {
        let found = self.adapter(choice)?;
        let key = found.as_ref().map_or_else(|| "CPU".to_owned(), Adapter::to_string);
        if let Some((_, runner)) = self.open.as_ref().filter(|(open, _)| *open == key) {
            return Ok(Arc::clone(runner));
        }
        let runner: Arc<dyn Runner> = match found {
            Some(adapter) => Arc::new(GpuRunner::new(&adapter)?),
            None => Arc::new(CpuRunner::new(0)),
        };
        self.open = Some((key, Arc::clone(&runner)));
        Ok(runner)
    }

    /// What runs forward passes on the chosen device; none where that is the processor.
    pub(super) fn forward(&mut self, computing: &Computing) -> Result<Option<forward::Runner>, Stop> {
        let found = self.adapter(&computing.device)?;
        Ok(found.map(|adapter| forward::Runner::new(&adapter, computing.memory)).transpose()?)
    }

    /// What chooses blocks by Gram matrices on the chosen device; none where that is the processor.
    pub(super) fn feedback(&mut self, computing: &Computing) -> Result<Option<feedback::Runner>, Stop> {
        let found = self.adapter(&computing.device)?;
        Ok(found.map(|adapter| feedback::Runner::new(&adapter, computing.memory)).transpose()?)
    }

    /// What finds singular vectors on the chosen device.
    pub(super) fn low_rank(&mut self, computing: &Computing) -> Result<Finder, Stop> {
        let found = self.adapter(&computing.device)?;
        Ok(Finder(found.map(|adapter| low_rank::Runner::new(&adapter, computing.memory)).transpose()?))
    }

    /// The chosen adapter; none is the processor.
    fn adapter(&mut self, choice: &DeviceChoice) -> Result<Option<Adapter>, Stop> {
        Ok(match choice {
            DeviceChoice::Cpu => None,
            DeviceChoice::Auto => self.adapters().iter().find(|adapter| !adapter.is_cpu()).cloned(),
            DeviceChoice::Named(name) => Some(self.named(name)?),
        })
    }

    /// Forgets the open device after an error, so that the next job opens it anew.
    pub(super) fn close(&mut self) {
        self.open = None;
    }

    fn named(&mut self, name: &str) -> Result<Adapter, Stop> {
        let wanted = name.to_lowercase();
        let adapters = self.adapters();
        adapters.iter().find(|adapter| adapter.name().to_lowercase().contains(&wanted)).cloned().ok_or_else(|| {
            let mut names: Vec<&str> = adapters.iter().map(Adapter::name).collect();
            names.push("cpu");
            Stop::Failed(format!("there is no device called {name:?} here; there are: {}", names.join(", ")))
        })
    }

    /// GPUs, best first, and drivers that run shaders on the processor.
    pub(super) fn adapters(&mut self) -> &[Adapter] {
        self.adapters.get_or_insert_with(gpu::devices)
    }
}

/// Finds singular vectors on a GPU, or on the processor, where there is none or no room.
pub(super) struct Finder(Option<low_rank::Runner>);

impl Finder {
    /// The leading ones of a matrix of rows of `columns` numbers, for inputs of which the Hessian tells. None where it was
    /// stopped.
    pub(super) fn leading(
        &mut self,
        matrix: &[f32],
        columns: usize,
        hessian: Option<&Arc<Hessian>>,
        rank: usize,
        stop: Stopped<'_>,
    ) -> Result<Option<Leading>, Stop> {
        let root = hessian.map(|hessian| hessian.root());
        let shape = [matrix.len() / columns, columns];
        if let Some(runner) = self.0.as_mut().filter(|runner| runner.has_room(shape, root.is_some())) {
            return Ok(runner.leading(matrix, columns, root, rank, DEPTH, stop)?);
        }
        let Ok(found) = lowrank::leading(&mut Host::new(matrix, columns, root), rank, DEPTH, stop);
        Ok(found)
    }
}

impl From<RunError> for Stop {
    fn from(error: RunError) -> Self {
        Self::Failed(format!("{error}; nothing was kept; try again, or go on with the processor (--device cpu)"))
    }
}
