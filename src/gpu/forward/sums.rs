//! What goes into matrices, added up on a device while a program runs.

use super::Multiply;
use super::device::{Device, Reads, View, Work};
use super::kernels::Variant;
use super::product::{Adds, Part, To, product};
use super::weights::Weights;
use crate::forward::Program;
use crate::graph::RunError;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Sums of a program's matrices; those with the same input share one. They stay on the device until this is dropped.
pub struct Sums {
    of: BTreeMap<String, Sum>,
    /// Bytes of all buffers of the device.
    all: Arc<AtomicU64>,
}

struct Sum {
    columns: u64,
    /// Rows that each expert saw.
    counts: Vec<u64>,
    /// Of squares by column, of one expert after another.
    squares: View,
    /// Of x·xᵀ, where it is wanted.
    gram: Option<View>,
}

/// Sums of a matrix, in memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summed {
    /// Of squares by column, of one expert after another.
    pub squares: Vec<f32>,
    /// Rows that each expert saw.
    pub counts: Vec<u64>,
    /// Of x·xᵀ, where it was wanted, of one expert after another.
    pub gram: Option<Vec<f32>>,
}

impl Drop for Sums {
    fn drop(&mut self) {
        let views = self.of.values().flat_map(|sum| [Some(&sum.squares), sum.gram.as_ref()]).flatten();
        self.all.fetch_sub(views.map(|view| view.buffer.size()).sum(), Ordering::Relaxed);
    }
}

impl Sums {
    /// Zeros for a program whose weights are loaded, of x·xᵀ where `grams` says so of a name.
    pub(super) fn new(
        device: &mut Device,
        (weights, program): (&Weights, &Program),
        budget: u64,
        grams: &dyn Fn(&str) -> bool,
    ) -> Result<Self, RunError> {
        let mut sums = Self { of: BTreeMap::new(), all: Arc::clone(&device.allocated) };
        for (name, owner) in program.shared_inputs() {
            if name != owner {
                continue;
            }
            let matrix = weights.matrix(&name);
            let (columns, experts) = (matrix.inputs, matrix.count());
            let bytes = 4 * columns * columns * experts;
            let wants_gram = grams(&name);
            if wants_gram && (bytes > device.binding_limit || device.allocated() + bytes > budget) {
                return Err(RunError::OutOfMemory {
                    device: device.open.name.clone(),
                    bytes,
                    reason: format!(
                        "the Gram matrix of {name} needs that beside {} that are in use, of {budget} that may be used and {} \
                         of them in one buffer",
                        device.allocated(),
                        device.binding_limit
                    ),
                });
            }
            let squares = device.keep("squares", 4 * columns * experts);
            let gram = wants_gram.then(|| device.keep("gram", bytes));
            device.open.check(bytes)?;
            sums.of.insert(name, Sum { columns, counts: vec![0; experts as usize], squares, gram });
        }
        Ok(sums)
    }

    /// Adds rows that go into the matrix of that number: numbers from `part.column` on, of rows of `pitch`.
    pub(super) fn add(
        &mut self,
        device: &mut Device,
        how: Multiply,
        (name, number): (&str, u64),
        (x, part, pitch): (&View, Part, u64),
    ) -> Result<(), RunError> {
        let Some(sum) = self.of.get_mut(name) else { return Ok(()) };
        sum.counts[number as usize] += part.rows;
        let begin = part.row * pitch + part.column;
        let params = [sum.columns, part.rows, begin, pitch, number * sum.columns].map(|n| n as u32);
        let reads = Reads { input: Some(x), ..Reads::default() };
        let work = Work::Each(sum.columns, part.rows);
        device.call(Variant::of("squares"), reads, &sum.squares, params, work)?;
        let Some(gram) = &sum.gram else { return Ok(()) };
        let most = (device.panel / (4 * sum.columns) / 4 * 4).max(4);
        for first in (0..part.rows).step_by(most as usize) {
            let rows = most.min(part.rows - first);
            add_gram(device, how, (x, begin + first * pitch, pitch), [rows, sum.columns], (gram, number))?;
        }
        Ok(())
    }

    /// All of it, in memory.
    pub(super) fn read(&self, device: &mut Device) -> Result<BTreeMap<String, Summed>, RunError> {
        let mut all = BTreeMap::new();
        for (name, sum) in &self.of {
            let squares = device.read(&sum.squares)?;
            let gram = sum.gram.as_ref().map(|gram| device.read(gram)).transpose()?;
            all.insert(name.clone(), Summed { squares, counts: sum.counts.clone(), gram });
        }
        Ok(all)
    }
}

/// Adds xᵀ·x of some rows, by products of the rows of xᵀ with each other.
fn add_gram(
    device: &mut Device,
    how: Multiply,
    (x, begin, pitch): (&View, u64, u64),
    [rows, columns]: [u64; 2],
    (gram, number): (&View, u64),
) -> Result<(), RunError> {
    let width = rows.next_multiple_of(4);
    let turned = device.take(4 * columns * width);
    let params = [columns * width, rows, begin, pitch, width].map(|n| n as u32);
    let reads = Reads { input: Some(x), ..Reads::default() };
    device.call(Variant::of("transpose"), reads, &turned, params, Work::Each(columns * width, 16))?;
    let of = |first: u64, step: u64, view| To { view, first, step };
    let to = of(number * columns * columns, columns, gram);
    let x = of(0, width, &turned);
    product(device, how, (x, x), to, [columns, width, columns], Adds::Add)?;
    device.give(turned);
    Ok(())
}
