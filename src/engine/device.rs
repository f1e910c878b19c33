//! The devices the worker owns: found on first use, opened on first use.

use super::command::DeviceChoice;
use super::event::Device;
use super::worker::Stop;
use crate::cpu::CpuRunner;
use crate::graph::Runner;
use std::sync::Arc;

/// Found on first use.
#[derive(Default)]
pub(super) struct Devices {}

impl Devices {
    /// Best first, the processor last.
    pub(super) fn list(&mut self) -> Vec<Device> {
        Vec::new()
    }

    pub(super) fn runner(&mut self, _: &DeviceChoice) -> Result<Arc<dyn Runner>, Stop> {
        Ok(Arc::new(CpuRunner::new(2)))
    }
}
