//! Runs recordings, and programs of the forward pass, on a GPU: the one place that names wgpu.

mod compose;
mod device;
pub mod feedback;
pub mod forward;
pub mod low_rank;
mod memory;
mod open;
mod runner;
pub mod shaders;
mod slot;

pub use device::{Adapter, Tier, adapter, devices};
pub use memory::DeviceMemory;
pub use runner::{Checks, GpuRunner};

/// wgpu's shader compiler, for tests that validate shaders.
pub use wgpu::naga;

/// Keeps Mesa's device-select layer away, which looks for a display server to sort devices by, and complains on stderr
/// where there is none. Tuck sorts devices itself. To be called before any thread is started.
pub fn quiet_drivers() {
    // SAFETY: `main` calls this before it starts a thread, so nobody reads the environment meanwhile.
    unsafe { std::env::set_var("NODEVICE_SELECT", "1") }
}
