//! The flags that say where forward passes are computed.

use crate::engine::{self, DeviceChoice};
use crate::units;

#[derive(clap::Args)]
pub(super) struct Computing {
    /// Where to compute: auto, cpu, or part of a name that tuck devices lists.
    #[arg(long, default_value = "auto", value_name = "NAME")]
    device: String,
    /// At most so many bytes of a GPU's memory, such as 1G; without it, most of what is free.
    #[arg(long, value_name = "SIZE", value_parser = units::parse_bytes)]
    device_memory: Option<u64>,
}

impl Computing {
    pub(super) fn choice(&self) -> engine::Computing {
        engine::Computing { device: DeviceChoice::parse(&self.device), memory: self.device_memory }
    }
}
