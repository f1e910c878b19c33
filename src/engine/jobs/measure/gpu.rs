//! Programs on a GPU.

use crate::engine::meter::Meter;
use crate::engine::worker::Stop;
use crate::forward::{Matrices, Program, RESIDUAL, Register};
use crate::gpu::forward::{Runner, Weights};
use std::cell::RefCell;
use std::rc::Rc;

/// A GPU that several walks compute on.
pub(super) type Gpu = Rc<RefCell<Runner>>;

/// A program whose tensors lie on a GPU.
pub(super) struct Loaded {
    gpu: Gpu,
    weights: Weights,
}

impl Loaded {
    /// Puts the tensors there.
    pub(super) fn new(gpu: &Gpu, program: &Program, matrices: &Matrices) -> Result<Self, Stop> {
        let mut weights = Weights::default();
        gpu.borrow_mut().load(&mut weights, program, matrices)?;
        Ok(Self { gpu: Rc::clone(gpu), weights })
    }

    /// Takes rows of the residual stream through the program, some chunks of the text at a time.
    pub(super) fn pass(
        &self,
        program: &Program,
        chunk: usize,
        rows: &mut [f32],
        meter: Option<&Meter<'_, '_>>,
    ) -> Result<(), Stop> {
        let mut runner = self.gpu.borrow_mut();
        let batch = runner.batch(&self.weights, program, RESIDUAL, chunk)?;
        // A program that looks at no positions may take less than a chunk at a time.
        let batch = if batch > chunk { batch / chunk * chunk } else { batch };
        for rows in rows.chunks_mut(batch * program.widths[RESIDUAL.0]) {
            runner.run(&self.weights, program, rows, RESIDUAL, chunk)?;
            meter.map_or(Ok(()), |meter| meter.advance(0, ""))?;
        }
        Ok(())
    }

    /// The rows of a register that the program makes of rows of the residual stream.
    pub(super) fn run(
        &self,
        program: &Program,
        chunk: usize,
        rows: &mut [f32],
        wanted: Register,
    ) -> Result<Vec<f32>, Stop> {
        Ok(self.gpu.borrow_mut().run(&self.weights, program, rows, wanted, chunk)?)
    }
}
