//! Packing.

use crate::engine::command::PackRequest;
use crate::engine::device::Devices;
use crate::engine::event::PackReport;
use crate::engine::worker::{Context, Stop};

pub(in crate::engine) fn run(_: &mut Devices, _: &PackRequest, _: &Context<'_>) -> Result<PackReport, Stop> {
    Err(Stop::Failed("not built yet".to_owned()))
}
