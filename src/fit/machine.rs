//! A machine to run models on, and what this one has.

use super::backend::{Backend, CUDA, METAL, VULKAN};
use super::budget::Budget;
use super::targets::Target;
use std::time::Instant;
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

/// Memory with what reads it.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    /// How much a model can have.
    pub budget: Budget,
    /// Bytes a second; 0 where nobody knows.
    pub bandwidth: f64,
    /// Operations a second; 0 where nobody knows.
    pub flops: f64,
}

/// A GPU.
#[derive(Clone, Debug, PartialEq)]
pub struct Gpu {
    /// What llama.cpp would use it through.
    pub backend: &'static Backend,
    /// Its memory.
    pub pool: Pool,
}

/// A machine: GPUs, and main memory with its processor.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    /// For people.
    pub name: String,
    /// In llama.cpp's order.
    pub gpus: Vec<Gpu>,
    /// Main memory.
    pub host: Pool,
    /// Whether the GPU takes its memory from main memory, so that both together are bounded by that.
    pub is_unified: bool,
    /// Watts, where the maker states them.
    pub power: Option<f64>,
    /// US dollars at launch, where there was a price.
    pub price: Option<f64>,
    /// Which figures are no more than estimates.
    pub notes: Vec<String>,
}

/// A GPU of this machine as its driver describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundGpu {
    /// As the driver names it.
    pub name: String,
    /// Whether it works in main memory.
    pub is_integrated: bool,
    /// Whether it is reached through Metal.
    pub is_metal: bool,
    /// Its memory, where the driver tells.
    pub memory: Option<Memory>,
}

impl Machine {
    /// This machine: its main memory with the bandwidth that was measured, and its GPUs, whose speed is that of the
    /// target of the same name.
    pub fn this(memory: Memory, bandwidth: f64, gpus: &[FoundGpu], targets: &[Target]) -> Self {
        let mut notes = Vec::new();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let host = Pool {
            budget: Budget::measured(memory.total, memory.available),
            bandwidth,
            // Eight numbers at once, two operations each, at 3 GHz.
            flops: cores as f64 * 8.0 * 2.0 * 3e9,
        };
        notes.push(
            "the memory's bandwidth is measured with a short read; the processor's speed is estimated".to_owned(),
        );
        // An integrated GPU beside a discrete one would only slow it down.
        let discrete: Vec<_> = gpus.iter().filter(|gpu| !gpu.is_integrated).collect();
        let chosen = if discrete.is_empty() { gpus.iter().take(1).collect() } else { discrete };
        let is_unified = chosen.iter().any(|gpu| gpu.is_integrated);
        let gpus = chosen.into_iter().map(|gpu| {
            let known = known(gpu, targets);
            let (bandwidth, flops) = known.map_or((0.0, 0.0), |of| (of.pool.bandwidth, of.pool.flops));
            if known.is_none() {
                notes.push(format!("{} is in no list, so its speed is unknown", gpu.name));
            }
            let backend = match known {
                Some(known) => known.backend,
                None if gpu.is_metal => &METAL,
                None if gpu.name.contains("NVIDIA") => &CUDA,
                None => &VULKAN,
            };
            let budget = match gpu.memory {
                Some(own) => Budget::measured(own.total, own.available),
                None => {
                    notes.push(format!("the driver of {} does not tell its memory, which is estimated", gpu.name));
                    match (gpu.is_metal, gpu.is_integrated) {
                        (true, _) => Budget::apple(memory.total),
                        (_, true) => Budget::shared(memory.total, 0.5),
                        _ => known.map_or_else(|| Budget::card(0), |known| known.pool.budget.clone()),
                    }
                }
            };
            let bandwidth = if gpu.is_integrated && bandwidth == 0.0 { host.bandwidth } else { bandwidth };
            Gpu { backend, pool: Pool { budget, bandwidth, flops } }
        });
        let gpus = gpus.collect();
        Self { name: "This machine".to_owned(), gpus, host, is_unified, power: None, price: None, notes }
    }
}

/// The GPU of the list whose name is part of this one's: the longest. Laptops have their own names.
fn known<'a>(gpu: &FoundGpu, targets: &'a [Target]) -> Option<&'a Gpu> {
    let found = gpu.name.to_lowercase();
    let named = targets.iter().filter(|target| found.contains(&target.device.to_lowercase()));
    named.max_by_key(|target| target.device.len())?.machine.gpus.first()
}

/// Bytes that are read for one measurement, larger than the caches of most processors.
const READ: usize = 192 << 20;

/// Bytes a second that all cores together read from main memory.
pub fn measure_bandwidth() -> f64 {
    let numbers = vec![1u64; READ / 8];
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let begin = Instant::now();
        let sum: u64 = std::thread::scope(|scope| {
            let parts: Vec<_> = numbers
                .chunks(numbers.len().div_ceil(threads))
                .map(|part| scope.spawn(|| part.iter().sum::<u64>()))
                .collect();
            parts.into_iter().map(|part| part.join().unwrap_or(0)).sum()
        });
        std::hint::black_box(sum);
        best = best.min(begin.elapsed().as_secs_f64());
    }
    READ as f64 / best.max(1e-9)
}
