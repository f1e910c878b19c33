//! Programs on a GPU.

use crate::engine::command::Computing;
use crate::engine::device::Devices;
use crate::engine::meter::Meter;
use crate::engine::worker::Stop;
use crate::forward::{Matrices, Matrix, Program, RESIDUAL, Register};
use crate::gpu::forward::{Past, Runner, Stream, Summed, Sums, Weights};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// A GPU that several walks compute on.
pub(super) type Gpu = Rc<RefCell<Runner>>;

/// Opens the one that was chosen; none is the processor.
pub(super) fn open(devices: &mut Devices, computing: &Computing) -> Result<Option<Gpu>, Stop> {
    Ok(devices.forward(computing)?.map(|runner| Rc::new(RefCell::new(runner))))
}

/// What is told of where it was computed.
pub(super) fn name(gpu: Option<&Gpu>) -> String {
    gpu.map_or_else(|| "CPU".to_owned(), |runner| runner.borrow().name())
}

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

    /// Takes rows of the residual stream through the program with some of its matrices changed.
    pub(super) fn pass_with(
        &mut self,
        changed: &[(&str, Matrix)],
        program: &Program,
        chunk: usize,
        rows: &mut [f32],
        meter: Option<&Meter<'_, '_>>,
    ) -> Result<(), Stop> {
        let load = |(name, matrix): &(&str, Matrix)| self.gpu.borrow_mut().load_matrix(name, matrix);
        let mut others = changed.iter().map(load).collect::<Result<Vec<_>, _>>()?;
        let mut exchange = |weights: &mut Weights| {
            changed.iter().zip(&mut others).for_each(|((name, _), other)| weights.exchange(name, other));
        };
        exchange(&mut self.weights);
        let passed = self.pass(program, chunk, rows, meter, None);
        exchange(&mut self.weights);
        passed
    }

    /// Tokens that go through the program at a time.
    fn batch(&self, program: &Program, chunk: usize) -> Result<usize, Stop> {
        let batch = self.gpu.borrow().batch(&self.weights, program, RESIDUAL, chunk)?;
        // A program that looks at no positions may take less than a chunk at a time.
        Ok(if batch > chunk { batch / chunk * chunk } else { batch })
    }

    /// Takes rows of the residual stream through the program, some chunks of the text at a time.
    pub(super) fn pass(
        &self,
        program: &Program,
        chunk: usize,
        rows: &mut [f32],
        meter: Option<&Meter<'_, '_>>,
        mut sums: Option<&mut Sums>,
    ) -> Result<(), Stop> {
        let batch = self.batch(program, chunk)?;
        for rows in rows.chunks_mut(batch * program.widths[RESIDUAL.0]) {
            let mut gpu = self.gpu.borrow_mut();
            gpu.run(&self.weights, program, rows, RESIDUAL, chunk, sums.as_deref_mut())?;
            meter.map_or(Ok(()), |meter| meter.advance(0, ""))?;
        }
        Ok(())
    }

    /// Sums, still zero, of what will go into the program's matrices; of x·xᵀ too where `grams` says so.
    pub(super) fn sums(&self, program: &Program, grams: &dyn Fn(&str) -> bool) -> Result<Sums, Stop> {
        Ok(self.gpu.borrow_mut().sums(&self.weights, program, grams)?)
    }

    /// Sums in memory, by the names of matrices.
    pub(super) fn summed(&self, sums: &Sums) -> Result<BTreeMap<String, Summed>, Stop> {
        Ok(self.gpu.borrow_mut().summed(sums)?)
    }

    /// Room for what the program sees of a text of so many tokens.
    pub(super) fn past(&self, program: &Program, tokens: usize) -> Result<Past, Stop> {
        Ok(self.gpu.borrow_mut().past(program, tokens)?)
    }

    /// Takes rows that follow what the program has seen through it.
    pub(super) fn go_on(&self, program: &Program, stream: &Stream, past: &mut Past) -> Result<(), Stop> {
        Ok(self.gpu.borrow_mut().go_on(&self.weights, program, stream, past)?)
    }

    /// What the program makes of the last row of a stream.
    pub(super) fn last(&self, program: &Program, stream: &Stream, wanted: Register) -> Result<Vec<f32>, Stop> {
        Ok(self.gpu.borrow_mut().last(&self.weights, program, stream, wanted)?)
    }

    /// The rows of a register that the program makes of rows of the residual stream.
    pub(super) fn run(
        &self,
        program: &Program,
        chunk: usize,
        rows: &mut [f32],
        wanted: Register,
    ) -> Result<Vec<f32>, Stop> {
        Ok(self.gpu.borrow_mut().run(&self.weights, program, rows, wanted, chunk, None)?)
    }
}

/// The residual stream of a text that stays on a GPU from layer to layer.
pub(super) struct Resident {
    gpu: Gpu,
    streams: Vec<Stream>,
    chunk: usize,
}

impl Resident {
    /// Puts rows there, if there is room for them.
    pub(super) fn new(gpu: &Gpu, rows: &[f32], width: usize, chunk: usize) -> Result<Option<Self>, Stop> {
        let mut runner = gpu.borrow_mut();
        let most = runner.most_rows(width) / chunk * chunk;
        if !runner.has_room(size_of_val(rows)) || most == 0 || !chunk.is_multiple_of(Stream::step(width)) {
            return Ok(None);
        }
        let streams = rows.chunks(most * width).map(|rows| runner.stream(rows, width)).collect::<Result<_, _>>()?;
        Ok(Some(Self { gpu: Rc::clone(gpu), streams, chunk }))
    }

    /// Takes all of it through a program.
    pub(super) fn pass(
        &self,
        loaded: &Loaded,
        program: &Program,
        meter: Option<&Meter<'_, '_>>,
        mut sums: Option<&mut Sums>,
    ) -> Result<(), Stop> {
        let batch = loaded.batch(program, self.chunk)?.max(self.chunk);
        for stream in &self.streams {
            for first in (0..stream.tokens()).step_by(batch) {
                let tokens = first..stream.tokens().min(first + batch);
                let mut gpu = self.gpu.borrow_mut();
                gpu.advance(&loaded.weights, program, (stream, tokens), self.chunk, sums.as_deref_mut())?;
                meter.map_or(Ok(()), |meter| meter.advance(0, ""))?;
            }
        }
        // Weights take memory until they were used, and the next may only come then.
        Ok(self.gpu.borrow_mut().wait()?)
    }

    /// The root of the squared difference by the squared reference; none where they have different shapes.
    pub(super) fn error(&self, reference: &Self) -> Result<Option<f64>, Stop> {
        let sizes = |resident: &Self| resident.streams.iter().map(Stream::size).collect::<Vec<_>>();
        if sizes(self) != sizes(reference) {
            return Ok(None);
        }
        let mut all = [0.0; 2];
        for (own, other) in self.streams.iter().zip(&reference.streams) {
            let sums = self.gpu.borrow_mut().difference(own, other)?;
            all = [all[0] + sums[0], all[1] + sums[1]];
        }
        Ok(Some((all[0] / all[1].max(f64::MIN_POSITIVE)).sqrt()))
    }

    /// The rows.
    pub(super) fn rows(&self) -> Result<Vec<f32>, Stop> {
        let mut runner = self.gpu.borrow_mut();
        Ok(self.streams.iter().map(|stream| runner.rows(stream)).collect::<Result<Vec<_>, _>>()?.concat())
    }
}
