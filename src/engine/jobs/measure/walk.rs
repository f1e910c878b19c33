//! A model on its way through a text, layer by layer.

use super::gpu::{Gpu, Loaded, Resident};
use super::relative_error;
use super::text::Text;
use super::weights::Weights;
use crate::cpu::forward::{Matrices, Matrix, Observe, Runner};
use crate::engine::meter::Meter;
use crate::engine::worker::Stop;
use crate::forward::{self, Facts, Op, Program, RESIDUAL, Register, Step, Unsupported};
use crate::gpu::forward::{Stream, Summed};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Tokens that go through a layer at a time.
const BATCH: usize = 2048;

/// A model, and how far the text has come in it.
pub(super) struct Walk<'a> {
    weights: Weights<'a>,
    facts: Facts,
    chunk: usize,
    /// Rows of the residual stream, a row a token, where they are not on a GPU.
    rows: Vec<f32>,
    /// Where it computes, if not on the processor.
    gpu: Option<Gpu>,
    resident: Option<Resident>,
}

/// From rows to logits.
pub(super) struct Output {
    program: Program,
    logits: Register,
    matrices: Matrices,
    loaded: Option<Loaded>,
}

impl Output {
    /// Loads what makes logits.
    pub(super) fn load(weights: &Weights<'_>, facts: &Facts, meter: Option<&Meter<'_, '_>>) -> Result<Self, Stop> {
        let (program, logits) = forward::output(weights.model, facts)?;
        let matrices = weights.of(&program, meter)?;
        Ok(Self { program, logits, matrices, loaded: None })
    }

    /// Computes on a GPU from now on.
    pub(super) fn on(self, gpu: &Gpu) -> Result<Self, Stop> {
        let loaded = Some(Loaded::new(gpu, &self.program, &self.matrices)?);
        Ok(Self { matrices: Matrices::new(), loaded, ..self })
    }

    /// Computes with another matrix from now on; before it goes to a GPU.
    pub(super) fn replace(&mut self, name: &str, matrix: Matrix) {
        self.matrices.insert(name.to_owned(), matrix);
    }

    /// The logits of rows of the residual stream, row by row.
    pub(super) fn logits(&self, mut rows: Vec<f32>, chunk: usize) -> Result<Vec<f32>, Stop> {
        if let Some(loaded) = &self.loaded {
            return loaded.run(&self.program, chunk, &mut rows, self.logits);
        }
        let runner = Runner { matrices: &self.matrices, chunk };
        Ok(runner.run(&self.program, &mut rows, self.logits, &mut |_, _, _| {}))
    }

    /// The logits of the last row of a stream that is on the GPU it computes on.
    pub(super) fn last(&self, stream: &Stream) -> Result<Vec<f32>, Stop> {
        let loaded = self.loaded.as_ref().expect("rows are where the output is");
        loaded.last(&self.program, stream, self.logits)
    }

    /// Bytes of main memory that its matrices take.
    pub(super) fn held(&self) -> usize {
        self.matrices.values().map(|matrix| matrix.bytes.len()).sum()
    }

    /// Tokens that it has logits for.
    pub(super) fn vocabulary(&self) -> usize {
        self.program.widths[self.logits.0]
    }
}

/// What goes into the matrix that makes logits.
pub(super) struct Normed {
    /// Its name.
    pub(super) matrix: String,
    program: Program,
    input: Register,
    matrices: Matrices,
}

impl From<Unsupported> for Stop {
    fn from(error: Unsupported) -> Self {
        Self::Failed(error.to_string())
    }
}

impl<'a> Walk<'a> {
    /// Up to the first layer.
    pub(super) fn new(weights: Weights<'a>, text: &Text, gpu: Option<Gpu>) -> Result<Self, Stop> {
        let model = weights.model;
        let facts = facts(&weights, text.chunk)?;
        let rows = weights.rows("token_embd.weight", &text.tokens)?;
        let width = model.hparams.hidden as usize;
        let resident = gpu.as_ref().map(|gpu| Resident::new(gpu, &rows, width, text.chunk)).transpose()?.flatten();
        let rows = if resident.is_some() { Vec::new() } else { rows };
        let mut walk = Self { weights, facts, chunk: text.chunk, rows, gpu, resident };
        let program = forward::embedding(model, &walk.facts)?;
        walk.step(&program, None, &mut |_, _, _| {})?;
        Ok(walk)
    }

    /// How many layers there are.
    pub(super) fn layers(&self) -> u64 {
        forward::layers(self.weights.model)
    }

    /// Bytes that are read for all of it.
    pub(super) fn bytes(&self) -> u64 {
        self.weights.bytes()
    }

    /// How far the residual stream is from that of a reference; none where they have different shapes.
    pub(super) fn error(&self, reference: &Self) -> Result<Option<f64>, Stop> {
        match (&self.resident, &reference.resident) {
            (Some(own), Some(other)) => own.error(other),
            _ => Ok(relative_error(&self.rows()?, &reference.rows()?)),
        }
    }

    /// The residual stream.
    pub(super) fn rows(&self) -> Result<Cow<'_, [f32]>, Stop> {
        match &self.resident {
            Some(resident) => Ok(Cow::Owned(resident.rows()?)),
            None => Ok(Cow::Borrowed(&self.rows)),
        }
    }

    /// Takes the residual stream back from a GPU after the last layer.
    pub(super) fn settle(&mut self) -> Result<(), Stop> {
        if let Some(resident) = self.resident.take() {
            self.rows = resident.rows()?;
        }
        Ok(())
    }

    /// What it needs beside tensors.
    pub(super) fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The program of a layer.
    pub(super) fn program(&self, number: u64) -> Result<Program, Stop> {
        Ok(forward::layer(self.weights.model, &self.facts, number)?)
    }

    /// Goes on with a residual stream from an earlier time.
    pub(super) fn go_on(&mut self, rows: Vec<f32>) {
        self.resident = None;
        self.rows = rows;
    }

    /// Goes through a layer with all of the text.
    pub(super) fn layer(&mut self, number: u64, meter: &Meter<'_, '_>, observe: Observe<'_>) -> Result<(), Stop> {
        let program = self.program(number)?;
        self.step(&program, Some(meter), observe)
    }

    fn step(&mut self, program: &Program, meter: Option<&Meter<'_, '_>>, observe: Observe<'_>) -> Result<(), Stop> {
        if program.steps.is_empty() {
            return Ok(());
        }
        let matrices = self.weights.of(program, meter)?;
        let Some(gpu) = &self.gpu else {
            return pass(program, &matrices, self.chunk, &mut self.rows, meter, observe);
        };
        let loaded = Loaded::new(gpu, program, &matrices)?;
        drop(matrices);
        match &self.resident {
            Some(resident) => resident.pass(&loaded, program, meter, None),
            None => loaded.pass(program, self.chunk, &mut self.rows, meter, None),
        }
    }

    /// Goes through a layer with all of the text on the GPU that it computes on, and returns what went into its matrices;
    /// x·xᵀ too of those for which `grams` says so. None where it computes on the processor.
    pub(super) fn layer_summed(
        &mut self,
        number: u64,
        meter: &Meter<'_, '_>,
        grams: &dyn Fn(&str) -> bool,
    ) -> Result<Option<BTreeMap<String, Summed>>, Stop> {
        let Some(gpu) = &self.gpu else { return Ok(None) };
        let program = self.program(number)?;
        let loaded = Loaded::new(gpu, &program, &self.weights.of(&program, Some(meter))?)?;
        let mut sums = loaded.sums(&program, grams)?;
        match &self.resident {
            Some(resident) => resident.pass(&loaded, &program, Some(meter), Some(&mut sums))?,
            None => loaded.pass(&program, self.chunk, &mut self.rows, Some(meter), Some(&mut sums))?,
        }
        Ok(Some(loaded.summed(&sums)?))
    }

    /// Loads what comes before the matrix that makes logits.
    pub(super) fn normed(&self) -> Result<Normed, Stop> {
        let (program, _) = forward::output(self.weights.model, &self.facts)?;
        let is_matrix = |step: &Step| matches!(step.op, Op::Linear { .. });
        let place = program.steps.iter().position(is_matrix).expect("logits are a product");
        let input = program.steps[place].from[0];
        let matrix = program.matrices().next().expect("the same step").clone();
        let program = program.before(place);
        let matrices = self.weights.of(&program, None)?;
        Ok(Normed { matrix, program, input, matrices })
    }

    /// The rows that go into that matrix, of some tokens; after [`Walk::settle`].
    pub(super) fn output_input(&self, normed: &Normed, tokens: &[usize]) -> Vec<f32> {
        let mut rows = self.some_rows(tokens);
        let runner = Runner { matrices: &normed.matrices, chunk: tokens.len() };
        let found = runner.run(&normed.program, &mut rows, normed.input, &mut |_, _, _| {});
        if normed.input == RESIDUAL { rows } else { found }
    }

    /// Loads what makes logits.
    pub(super) fn output(&self, meter: Option<&Meter<'_, '_>>) -> Result<Output, Stop> {
        let output = Output::load(&self.weights, &self.facts, meter)?;
        // The matrix of a large vocabulary can be larger than a whole layer: then the processor multiplies with it.
        match &self.gpu {
            Some(gpu) if gpu.borrow().has_room(output.held()) => output.on(gpu),
            _ => Ok(output),
        }
    }

    /// The logits of some tokens, row by row.
    pub(super) fn logits(&self, output: &Output, tokens: &[usize]) -> Result<Vec<f32>, Stop> {
        output.logits(self.some_rows(tokens), self.chunk)
    }

    fn some_rows(&self, tokens: &[usize]) -> Vec<f32> {
        let width = self.width();
        tokens.iter().flat_map(|token| &self.rows[token * width..][..width]).copied().collect()
    }

    fn width(&self) -> usize {
        self.weights.model.hparams.hidden as usize
    }
}

/// What a model's forward pass needs beside tensors, for texts of so many tokens.
pub(super) fn facts(weights: &Weights<'_>, context: usize) -> Result<Facts, Stop> {
    let factors = forward::factors(weights.model, context).map(|name| weights.matrix(name)).transpose()?;
    Ok(Facts::of(weights.model, factors.map(|factors| factors.floats()).as_deref())?)
}

/// Takes rows of the residual stream through a program, some chunks of the text at a time.
pub(super) fn pass(
    program: &Program,
    matrices: &Matrices,
    chunk: usize,
    rows: &mut [f32],
    meter: Option<&Meter<'_, '_>>,
    observe: Observe<'_>,
) -> Result<(), Stop> {
    let runner = Runner { matrices, chunk };
    let batch = (BATCH / chunk).max(1) * chunk * program.widths[RESIDUAL.0];
    for rows in rows.chunks_mut(batch) {
        let mut own = rows.to_vec();
        runner.run(program, &mut own, RESIDUAL, observe);
        rows.copy_from_slice(&own);
        meter.map_or(Ok(()), |meter| meter.advance(0, ""))?;
    }
    Ok(())
}
