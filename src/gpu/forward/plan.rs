//! How many tokens go through a program at a time.

use super::device::Device;
use super::weights::Weights;
use crate::cache::Held;
use crate::forward::{Op, Program, Register, Step};
use crate::gpu::Adapter;
use crate::graph::RunError;

/// The most tokens of a batch on a GPU, enough that unpacking weights counts for little, and on a processor.
const BATCH: [u64; 2] = [4096, 1024];
/// Bytes that are used where a device does not tell what it has.
const USUAL: u64 = 2 << 30;

/// Bytes of a device's memory that are used where nobody said how many.
pub(in crate::gpu) fn usual_budget(adapter: &Adapter) -> u64 {
    adapter.memory().filter(|_| !adapter.shares_memory()).map_or(USUAL, |memory| memory.free / 4 * 3)
}

/// Refuses what the kernels do not do: they look at rows in fours, and at groups of experts as bits of a word.
pub(super) fn check(device: &Device, weights: &Weights, program: &Program) -> Result<(), RunError> {
    const GROUPS: usize = 32;
    let refuse = |reason: String| Err(RunError::Unsupported { device: device.open.name.clone(), reason });
    for step in &program.steps {
        let (names, heads): (Vec<&String>, Vec<usize>) = match &step.op {
            Op::Linear { weight, .. } | Op::HeadLinear { weight, .. } => (vec![weight], vec![]),
            Op::Attention(how) if how.held != Held::All => {
                return refuse(
                    "it holds all earlier tokens, and some were to be dropped; run that on the processor".to_owned(),
                );
            }
            Op::Attention(how) => (vec![], vec![how.key, how.value]),
            Op::Experts(how) if how.groups[0] > GROUPS => {
                return refuse(format!(
                    "its experts are in {} groups, and at most {GROUPS} were expected",
                    how.groups[0]
                ));
            }
            Op::Experts(how) => (how.matrices.iter().collect(), vec![]),
            _ => continue,
        };
        for name in names {
            let columns = weights.matrix(name).inputs;
            if !columns.is_multiple_of(4) {
                return refuse(format!("{name} has {columns} columns, and a multiple of 4 was expected"));
            }
        }
        if let Some(head) = heads.into_iter().find(|head| !head.is_multiple_of(4)) {
            return refuse(format!("its heads have {head} numbers, and a multiple of 4 was expected"));
        }
    }
    Ok(())
}

/// Tokens of a batch.
pub(super) fn batch(
    device: &Device,
    budget: u64,
    (weights, program): (&Weights, &Program),
    wanted: Register,
    chunk: usize,
) -> Result<usize, RunError> {
    let (peak, widest) = numbers_of_a_token(weights, program, wanted);
    let free = budget.saturating_sub(device.allocated() - device.idle() + device.panel);
    // Buffers that fit no other register lie about for a while.
    let fitting = (free / (6 * peak)).min(device.binding_limit / (4 * widest)).min(BATCH[usize::from(device.is_cpu)]);
    let chunks = fitting / chunk as u64 * chunk as u64;
    let has_positions = program.steps.iter().any(|step| {
        matches!(step.op, Op::Rope { .. } | Op::Positions { .. } | Op::Temperature { .. } | Op::Attention(_))
    });
    match (has_positions, fitting) {
        (false, 1..) => Ok(fitting as usize),
        (true, _) if chunks > 0 => Ok(chunks as usize),
        // More than the usual batch, where a chunk is more.
        (true, _) if chunk as u64 * 6 * peak <= free && chunk as u64 * 4 * widest <= device.binding_limit => Ok(chunk),
        _ => Err(RunError::OutOfMemory {
            device: device.open.name.clone(),
            bytes: 6 * peak * chunk as u64,
            reason: format!(
                "a chunk of {chunk} tokens needs that beside the weights, and {free} are free of the {budget} that may be \
                 used, {} of them in one buffer; take a smaller --ctx or allow more with --device-memory",
                device.binding_limit
            ),
        }),
    }
}

/// Numbers that a program holds for each token at most, and those of its widest buffer.
fn numbers_of_a_token(weights: &Weights, program: &Program, wanted: Register) -> (u64, u64) {
    let last_use = program.last_uses(wanted);
    let mut written = vec![false; program.widths.len()];
    written[0] = true;
    let (mut peak, mut widest) = (1, 1);
    for (number, step) in program.steps.iter().enumerate() {
        written[step.to.0] = true;
        let live = (0..written.len()).filter(|register| written[*register] && last_use[*register] >= number);
        let (work, widest_work) = working(weights, program, step);
        peak = peak.max(live.map(|register| program.widths[register] as u64).sum::<u64>() + work);
        widest = widest.max(program.widths[step.to.0] as u64).max(widest_work);
    }
    (peak, widest)
}

/// Numbers that a step needs for each token while it runs, and those of its widest buffer.
fn working(weights: &Weights, program: &Program, step: &Step) -> (u64, u64) {
    let width = |register: Register| program.widths[register.0] as u64;
    match &step.op {
        Op::Experts(how) => {
            // The rows of its experts, two halves, what is made of them, and the result.
            let (used, hidden) = (how.used as u64, width(step.to));
            let inner = weights.matrix(&how.matrices[0]).outputs;
            (used * (2 * hidden + 3 * inner + hidden.max(inner)), used * hidden.max(inner))
        }
        Op::Linear { .. } | Op::HeadLinear { .. } => (width(step.from[0]), 0),
        _ => (width(step.to), 0),
    }
}
