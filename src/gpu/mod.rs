//! Runs a recording on a GPU: the one place that names wgpu.

mod device;
mod runner;
pub mod shaders;
mod slot;

pub use device::{Adapter, Tier, adapter, devices};
pub use runner::{Checks, GpuRunner};

/// wgpu's shader compiler, for tests that validate shaders.
pub use wgpu::naga;
