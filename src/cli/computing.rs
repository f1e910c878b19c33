//! Where forward passes are computed.

use crate::engine::DeviceChoice;
use crate::units;

#[derive(clap::Args)]
pub(super) struct Computing {
    /// Where to compute: auto, cpu, or part of a name that tuck devices lists.
    #[arg(long, default_value = "auto", value_name = "NAME")]
    device: String,
    /// At most so many bytes of a GPU's memory, such as 1G; without it, most of what is free.
    #[arg(long, value_name = "SIZE", value_parser = units::parse_bytes)]
    pub(super) device_memory: Option<u64>,
}

impl Computing {
    pub(super) fn device(&self) -> DeviceChoice {
        DeviceChoice::parse(&self.device)
    }
}
