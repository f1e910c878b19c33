//! What this machine has.

use sysinfo::{MemoryRefreshKind, RefreshKind, System};

/// Main memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// All of it, in bytes.
    pub total: u64,
    /// What programs can still take, in bytes.
    pub available: u64,
}

/// Reads this machine's main memory from the operating system, where it tells.
pub fn this_machine() -> Option<Memory> {
    let wanted = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    let system = System::new_with_specifics(wanted).ok()?;
    Some(Memory { total: system.total_memory(), available: system.available_memory() })
}
