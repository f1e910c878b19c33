//! Which devices there are, and which to take.

use super::memory::{self, DeviceMemory};
use std::fmt;

/// What a device can do, each tier more than the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Compute shaders and storage buffers: all that conversion needs.
    Compute,
    /// Also subgroup operations.
    Subgroups,
    /// Also arithmetic in half precision.
    Half,
    /// Also matrix units.
    Matrix,
}

impl Tier {
    fn of(features: wgpu::Features) -> Self {
        let has = |feature| features.contains(feature);
        if !has(wgpu::Features::SUBGROUP) {
            Self::Compute
        } else if !has(wgpu::Features::SHADER_F16) {
            Self::Subgroups
        } else if !has(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX) {
            Self::Half
        } else {
            Self::Matrix
        }
    }
}

/// A device that can run recordings.
#[derive(Clone)]
pub struct Adapter {
    pub(super) adapter: wgpu::Adapter,
    info: wgpu::AdapterInfo,
}

impl Adapter {
    /// The device as its driver names it.
    pub fn name(&self) -> &str {
        &self.info.name
    }

    /// The interface it is reached through: Vulkan, Metal, Dx12.
    pub fn backend(&self) -> String {
        format!("{:?}", self.info.backend)
    }

    /// The driver's name and version, as it gives them.
    pub fn driver(&self) -> String {
        format!("{} {}", self.info.driver, self.info.driver_info).trim().to_owned()
    }

    /// What kind of device it is, in words.
    pub fn kind(&self) -> &'static str {
        match self.info.device_type {
            wgpu::DeviceType::DiscreteGpu => "discrete GPU",
            wgpu::DeviceType::IntegratedGpu => "integrated GPU",
            wgpu::DeviceType::VirtualGpu => "virtual GPU",
            wgpu::DeviceType::Cpu => "software",
            wgpu::DeviceType::Other => "other",
        }
    }

    /// Whether shaders run on the processor (as with Mesa's lavapipe), where results equal the CPU twins' bit for bit.
    pub fn is_cpu(&self) -> bool {
        self.info.device_type == wgpu::DeviceType::Cpu
    }

    /// Whether the device works in the memory of the host.
    pub fn shares_memory(&self) -> bool {
        self.is_cpu() || self.info.device_type == wgpu::DeviceType::IntegratedGpu
    }

    /// Its memory, where the driver tells.
    pub fn memory(&self) -> Option<DeviceMemory> {
        memory::of(&self.adapter)
    }

    /// What it can do.
    pub fn tier(&self) -> Tier {
        Tier::of(self.adapter.features())
    }

    /// Bytes a kernel can see of one buffer at a time.
    pub fn binding_limit(&self) -> u64 {
        self.adapter.limits().max_storage_buffer_binding_size
    }

    fn rank(&self) -> u32 {
        match self.info.device_type {
            wgpu::DeviceType::DiscreteGpu => 0,
            wgpu::DeviceType::IntegratedGpu => 1,
            wgpu::DeviceType::VirtualGpu => 2,
            wgpu::DeviceType::Other => 3,
            wgpu::DeviceType::Cpu => 4,
        }
    }
}

impl fmt::Display for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?})", self.info.name, self.info.backend)
    }
}

/// The devices of this machine, best first: discrete, integrated, virtual and other GPUs, then drivers that run
/// shaders on the processor. Empty where there is none.
pub fn devices() -> Vec<Adapter> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: wgpu::Backends::PRIMARY,
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let found = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::PRIMARY));
    let mut devices: Vec<Adapter> =
        found.into_iter().map(|adapter| Adapter { info: adapter.get_info(), adapter }).collect();
    devices.sort_by_key(Adapter::rank);
    devices
}

/// The best device whose name contains `name`, in any case; `auto` is the best of all.
pub fn adapter(name: &str) -> Option<Adapter> {
    let wanted = name.to_lowercase();
    devices().into_iter().find(|d| wanted == "auto" || d.name().to_lowercase().contains(&wanted))
}
