//! The GPUs of this machine, drivers that run shaders on the processor among them.

use tuck::gpu::{self, Adapter};

/// All of them; there has to be one, or nothing would be tested.
pub fn devices() -> Vec<Adapter> {
    let devices = gpu::devices();
    assert!(!devices.is_empty(), "no GPU driver: apt-get install mesa-vulkan-drivers libvulkan1");
    devices
}
