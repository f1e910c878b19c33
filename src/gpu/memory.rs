//! How much memory a device has, from the driver itself, for wgpu does not tell.

/// Memory of a device, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceMemory {
    /// All of it.
    pub total: u64,
    /// What is free of it now.
    pub free: u64,
}

/// The largest heap that is the device's own, as Vulkan lists it, with what `VK_EXT_memory_budget` says of it.
#[cfg(any(windows, target_os = "linux"))]
pub(super) fn of(adapter: &wgpu::Adapter) -> Option<DeviceMemory> {
    use ash::vk;
    // SAFETY: nothing of it is destroyed here, and it lives no longer than this function.
    let hal = unsafe { adapter.as_hal::<wgpu::hal::api::Vulkan>() }?;
    let (instance, capabilities) = (hal.shared_instance(), hal.physical_device_capabilities());
    let version = instance.instance_api_version().min(capabilities.properties().api_version);
    if version < vk::API_VERSION_1_1 || !capabilities.supports_extension(ash::ext::memory_budget::NAME) {
        return None;
    }
    let mut budget = vk::PhysicalDeviceMemoryBudgetPropertiesEXT::default();
    let mut properties = vk::PhysicalDeviceMemoryProperties2::default().push_next(&mut budget);
    let device = hal.raw_physical_device();
    // SAFETY: the device is of this instance, whose version has this function, and the device has the extension.
    unsafe { instance.raw_instance().get_physical_device_memory_properties2(device, &mut properties) };
    let memory = properties.memory_properties;
    let heaps = &memory.memory_heaps[..(memory.memory_heap_count as usize).min(vk::MAX_MEMORY_HEAPS)];
    let is_own = |heap: &vk::MemoryHeap| heap.flags.contains(vk::MemoryHeapFlags::DEVICE_LOCAL);
    let (at, heap) = heaps.iter().enumerate().filter(|(_, heap)| is_own(heap)).max_by_key(|(_, heap)| heap.size)?;
    let free = budget.heap_budget[at].saturating_sub(budget.heap_usage[at]).min(heap.size);
    Some(DeviceMemory { total: heap.size, free })
}

/// Elsewhere nobody tells.
#[cfg(not(any(windows, target_os = "linux")))]
pub(super) fn of(_: &wgpu::Adapter) -> Option<DeviceMemory> {
    None
}
