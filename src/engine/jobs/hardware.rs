//! What this machine has, and what others could have: for telling what fits where.

use crate::fit::{self, FoundGpu, Machine, Memory, Target};
use crate::gpu::Adapter;

/// Machines that a model can be fitted to.
#[derive(Clone, Debug)]
pub struct Hardware {
    /// This machine, where its system tells what it has.
    pub this: Option<Machine>,
    /// Others: the user's own first, then the bundled ones.
    pub targets: Vec<Target>,
    /// Why the user's own list was left out.
    pub problem: Option<String>,
}

impl Hardware {
    /// Machines by name, in any case: those whose name contains it.
    pub fn named(&self, name: &str) -> Vec<&Machine> {
        let wanted = name.trim().to_lowercase();
        let all = self.this.iter().chain(self.targets.iter().map(|target| &target.machine));
        let (exact, others): (Vec<_>, Vec<_>) = all
            .filter(|machine| machine.name.to_lowercase().contains(&wanted))
            .partition(|machine| machine.name.to_lowercase() == wanted);
        if exact.is_empty() { others } else { exact }
    }
}

pub(in crate::engine) fn read(adapters: &[Adapter]) -> Hardware {
    let mut problem = None;
    let own = fit::own_path().map(|path| fit::own(&path)).unwrap_or(Ok(Vec::new()));
    let mut targets = own.unwrap_or_else(|error| {
        problem = Some(error.to_string());
        Vec::new()
    });
    targets.extend(fit::bundled());
    let found: Vec<FoundGpu> = adapters.iter().filter(|adapter| !adapter.is_cpu()).map(found).collect();
    // The same card may be reached in two ways; the one that tells of memory is taken.
    let telling: Vec<_> = found.iter().filter(|gpu| gpu.memory.is_some()).cloned().collect();
    let gpus = if telling.is_empty() { found } else { telling };
    let this = fit::this_machine().map(|memory| Machine::this(memory, fit::measure_bandwidth(), &gpus, &targets));
    Hardware { this, targets, problem }
}

fn found(adapter: &Adapter) -> FoundGpu {
    FoundGpu {
        name: adapter.name().to_owned(),
        is_integrated: adapter.shares_memory(),
        is_metal: adapter.backend() == "Metal",
        memory: adapter.memory().map(|memory| Memory { total: memory.total, available: memory.free }),
    }
}
