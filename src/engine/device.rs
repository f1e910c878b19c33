//! The devices the worker owns.

use super::event::Device;

/// Found on first use.
#[derive(Default)]
pub(super) struct Devices {}

impl Devices {
    /// Best first, the processor last.
    pub(super) fn list(&mut self) -> Vec<Device> {
        Vec::new()
    }
}
