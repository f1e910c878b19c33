//! The leading singular vectors of a matrix, found on a GPU: [`crate::lowrank::Host`] is the twin.
//!
//! The matrix and the root of its inputs' Gram matrix lie there as they are and transposed, for the kernels of the forward pass
//! multiply rows with rows. Blocks of vectors, which are small beside them, come and go.

use super::forward::Multiply;
use super::forward::device::{Device, Reads, View, Work};
use super::forward::kernels::Variant;
use super::forward::plan::usual_budget;
use super::forward::product::{Adds, To, product};
use super::{Adapter, Checks};
use crate::feedback::Stopped;
use crate::graph::RunError;
use crate::lowrank::{Leading, Steps, leading, orthonormalise};

/// Turns of loops that an invocation of the kernel may take in a dispatch, in which a single workgroup works: on a GPU well under
/// the time after which drivers reset a device, on a processor half of the 65,535 after which Mesa's driver leaves every loop.
const TURNS: [usize; 2] = [1 << 19, 30_000];

/// Numbers lie in fours, with zeros behind them.
const FOUR: usize = 4;

/// Finds singular vectors on a device.
pub struct Runner {
    device: Device,
    how: Multiply,
    budget: u64,
}

/// A matrix on the device, row by row and column by column: so many rows, and numbers in each with zeros behind them.
struct Held {
    rows: View,
    columns: View,
    shape: [usize; 2],
}

/// A matrix, and the root of its inputs' Gram matrix.
struct Matrix<'a> {
    runner: &'a mut Runner,
    matrix: Held,
    root: Option<Held>,
}

/// Bytes of a matrix, once.
fn bytes([rows, columns]: [usize; 2]) -> u64 {
    4 * (rows.next_multiple_of(FOUR) * columns.next_multiple_of(FOUR)) as u64
}

/// Rows with zeros behind them, or without those that were there.
fn pitched(block: &[f32], width: usize, pitch: usize) -> Vec<f32> {
    let mut to = vec![0.0; block.len() / width * pitch];
    let each = to.chunks_exact_mut(pitch).zip(block.chunks_exact(width));
    let kept = width.min(pitch);
    each.for_each(|(to, from)| to[..kept].copy_from_slice(&from[..kept]));
    to
}

/// Turns of loops for the row of a number, see the shader: a row's length, and twice the products with all rows before it,
/// eight at a time by 32 invocations, and what that takes off it.
fn turns(row: usize, width: usize) -> usize {
    let each = width.div_ceil(256);
    2 * (row.div_ceil(8) * (width.div_ceil(32) + 6) + each * (row + 1)) + 3 * each + 20
}

impl Runner {
    /// On a device, in so many bytes of its memory; without, in most of what is free of it.
    pub fn new(adapter: &Adapter, memory: Option<u64>) -> Result<Self, RunError> {
        Self::with(adapter, memory, Multiply::best(adapter), Checks::Off)
    }

    /// The same with a way to multiply that the device has, which is done in single precision, and with or without bounds
    /// checks.
    pub fn with(adapter: &Adapter, memory: Option<u64>, how: Multiply, checks: Checks) -> Result<Self, RunError> {
        let device = Device::new(adapter, wgpu::Features::empty(), checks)?;
        let budget = memory.unwrap_or_else(|| usual_budget(adapter));
        Ok(Self { device, how: how.single(), budget })
    }

    /// The device and how it multiplies.
    pub fn name(&self) -> String {
        format!("{}, {}", self.device.open.name, self.how)
    }

    /// Whether there is room for a matrix of so many rows and columns, with the root of its inputs' Gram matrix or without.
    pub fn has_room(&self, shape: [usize; 2], with_root: bool) -> bool {
        let [rows, columns] = shape;
        let root = if with_root { bytes([columns; 2]) } else { 0 };
        let all = 2 * (bytes([rows, columns]) + root);
        bytes(shape).max(root) <= self.device.binding_limit && all <= self.budget / 4 * 3
    }

    /// What [`crate::lowrank::leading`] finds, of a matrix of rows of `columns` numbers that [has room](Self::has_room).
    pub fn leading(
        &mut self,
        matrix: &[f32],
        columns: usize,
        root: Option<&[f32]>,
        rank: usize,
        depth: usize,
        stop: Stopped<'_>,
    ) -> Result<Option<Leading>, RunError> {
        let root = root.map(|root| self.hold(root, columns)).transpose()?;
        let matrix = self.hold(matrix, columns)?;
        let mut held = Matrix { runner: self, matrix, root };
        let found = leading(&mut held, rank, depth, stop);
        let Matrix { matrix, root, .. } = held;
        for Held { rows, columns, .. } in [Some(matrix), root].into_iter().flatten() {
            self.device.give(rows);
            self.device.give(columns);
        }
        self.device.submit()?;
        self.device.trim();
        found
    }

    /// What [`crate::lowrank::orthonormalise`] does.
    pub fn orthonormalise(&mut self, rows: &mut [f32], width: usize, first: usize) -> Result<(), RunError> {
        let (count, most) = (rows.len() / width, TURNS[usize::from(self.device.is_cpu)]);
        if self.device.is_cpu && count > 0 && turns(count - 1, width) > most {
            orthonormalise(rows, width, first);
            return Ok(());
        }
        let view = self.device.take(4 * rows.len() as u64);
        self.device.write(&view, rows)?;
        let mut begin = first;
        while begin < count {
            let (mut end, mut sum) = (begin + 1, turns(begin, width));
            while end < count && sum + turns(end, width) <= most {
                sum += turns(end, width);
                end += 1;
            }
            let params = [end, begin, width].map(|number| number as u32);
            let work = Work::Groups(1, 256 * sum as u64);
            self.device.call(Variant::of("orthonormalise"), Reads::default(), &view, params, work)?;
            begin = end;
        }
        // Memory is a little longer than what is in it.
        rows.copy_from_slice(&self.device.read::<f32>(&view)?[..rows.len()]);
        self.device.give(view);
        Ok(())
    }

    /// Puts a matrix there.
    fn hold(&mut self, matrix: &[f32], width: usize) -> Result<Held, RunError> {
        let count = matrix.len() / width;
        let [pitch, height] = [width, count].map(|length| length.next_multiple_of(FOUR));
        let [rows, columns] = [count * pitch, width * height].map(|numbers| self.device.take(4 * numbers as u64));
        match pitch == width {
            true => self.device.write(&rows, matrix)?,
            false => self.device.write(&rows, &pitched(matrix, width, pitch))?,
        }
        let params = [width * height, count, 0, pitch, height].map(|number| number as u32);
        let reads = Reads { input: Some(&rows), ..Reads::default() };
        let work = Work::Each((width * height) as u64, 16);
        self.device.call(Variant::of("transpose"), reads, &columns, params, work)?;
        Ok(Held { rows, columns, shape: [count, width] })
    }

    /// `block · byᵀ`, of rows of `width` numbers and as many of `by`, whose rows become the columns of the result.
    fn times(&mut self, block: &[f32], by: &View, [width, outputs]: [usize; 2]) -> Result<Vec<f32>, RunError> {
        let (rows, pitch) = (block.len() / width, width.next_multiple_of(FOUR));
        let x = self.device.take(4 * (rows * pitch) as u64);
        self.device.write(&x, &pitched(block, width, pitch))?;
        let y = self.device.take(4 * (rows * outputs) as u64);
        let of = |view, step: usize| To { view, first: 0, step: step as u64 };
        let shape = [rows, pitch, outputs].map(|number| number as u64);
        product(&mut self.device, self.how, (of(&x, pitch), of(by, pitch)), of(&y, outputs), shape, Adds::Replace)?;
        let mut found = self.device.read(&y)?;
        found.truncate(rows * outputs);
        self.device.give(x);
        self.device.give(y);
        Ok(found)
    }
}

impl Steps for Matrix<'_> {
    type Error = RunError;

    fn shape(&self) -> [usize; 2] {
        self.matrix.shape
    }

    fn across(&mut self, block: &[f32]) -> Result<Vec<f32>, RunError> {
        let [rows, columns] = self.matrix.shape;
        let turned = match &self.root {
            Some(root) => &self.runner.times(block, &root.rows, [columns; 2])?,
            None => block,
        };
        self.runner.times(turned, &self.matrix.rows, [columns, rows])
    }

    fn back(&mut self, block: &[f32]) -> Result<Vec<f32>, RunError> {
        let [rows, columns] = self.matrix.shape;
        let found = self.runner.times(block, &self.matrix.columns, [rows, columns])?;
        match &self.root {
            Some(root) => self.runner.times(&found, &root.columns, [columns; 2]),
            None => Ok(found),
        }
    }

    fn orthonormalise(&mut self, rows: &mut [f32], first: usize) -> Result<(), RunError> {
        let width = self.matrix.shape[0];
        self.runner.orthonormalise(rows, width, first)
    }
}
