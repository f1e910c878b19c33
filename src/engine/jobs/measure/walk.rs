//! A model on its way through a text, layer by layer.

use super::gpu::{Gpu, Loaded};
use super::text::Text;
use super::weights::Weights;
use crate::cpu::forward::{Matrices, Observe, Runner};
use crate::engine::meter::Meter;
use crate::engine::worker::Stop;
use crate::forward::{self, Facts, Program, RESIDUAL, Register, Unsupported};

/// Tokens that go through a layer at a time.
const BATCH: usize = 2048;

/// A model, and how far the text has come in it.
pub(super) struct Walk<'a> {
    weights: Weights<'a>,
    facts: Facts,
    chunk: usize,
    /// Rows of the residual stream, a row a token.
    rows: Vec<f32>,
    /// Where it computes, if not on the processor.
    gpu: Option<Gpu>,
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
    pub(super) fn load(weights: &Weights<'_>, facts: &Facts, meter: &Meter<'_, '_>) -> Result<Self, Stop> {
        let (program, logits) = forward::output(weights.model, facts)?;
        let matrices = weights.of(&program, Some(meter))?;
        Ok(Self { program, logits, matrices, loaded: None })
    }

    /// Computes on a GPU from now on.
    fn on(self, gpu: &Gpu) -> Result<Self, Stop> {
        let loaded = Some(Loaded::new(gpu, &self.program, &self.matrices)?);
        Ok(Self { matrices: Matrices::new(), loaded, ..self })
    }

    /// The logits of rows of the residual stream, row by row. A GPU shows nobody what it multiplies.
    pub(super) fn logits(&self, mut rows: Vec<f32>, chunk: usize, observe: Observe<'_>) -> Result<Vec<f32>, Stop> {
        if let Some(loaded) = &self.loaded {
            return loaded.run(&self.program, chunk, &mut rows, self.logits);
        }
        let runner = Runner { matrices: &self.matrices, chunk };
        Ok(runner.run(&self.program, &mut rows, self.logits, observe))
    }

    /// Tokens that it has logits for.
    pub(super) fn vocabulary(&self) -> usize {
        self.program.widths[self.logits.0]
    }
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
        let factors = forward::factors(model, text.chunk).map(|name| weights.matrix(name)).transpose()?;
        let facts = Facts::of(model, factors.map(|factors| factors.floats()).as_deref())?;
        let rows = weights.rows("token_embd.weight", &text.tokens)?;
        let mut walk = Self { weights, facts, chunk: text.chunk, rows, gpu };
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

    /// The residual stream.
    pub(super) fn rows(&self) -> &[f32] {
        &self.rows
    }

    /// Goes through a layer with all of the text.
    pub(super) fn layer(&mut self, number: u64, meter: &Meter<'_, '_>, observe: Observe<'_>) -> Result<(), Stop> {
        let program = forward::layer(self.weights.model, &self.facts, number)?;
        self.step(&program, Some(meter), observe)
    }

    fn step(&mut self, program: &Program, meter: Option<&Meter<'_, '_>>, observe: Observe<'_>) -> Result<(), Stop> {
        if program.steps.is_empty() {
            return Ok(());
        }
        let matrices = self.weights.of(program, meter)?;
        if let Some(gpu) = &self.gpu {
            let loaded = Loaded::new(gpu, program, &matrices)?;
            drop(matrices);
            return loaded.pass(program, self.chunk, &mut self.rows, meter);
        }
        let runner = Runner { matrices: &matrices, chunk: self.chunk };
        let batch = (BATCH / self.chunk).max(1) * self.chunk * self.width();
        for rows in self.rows.chunks_mut(batch) {
            let mut own = rows.to_vec();
            runner.run(program, &mut own, RESIDUAL, observe);
            rows.copy_from_slice(&own);
            meter.map_or(Ok(()), |meter| meter.advance(0, ""))?;
        }
        Ok(())
    }

    /// Loads what makes logits.
    pub(super) fn output(&self, meter: &Meter<'_, '_>) -> Result<Output, Stop> {
        let output = Output::load(&self.weights, &self.facts, meter)?;
        match &self.gpu {
            Some(gpu) => output.on(gpu),
            None => Ok(output),
        }
    }

    /// The logits of some tokens, row by row.
    pub(super) fn logits(&self, output: &Output, tokens: &[usize], observe: Observe<'_>) -> Result<Vec<f32>, Stop> {
        let width = self.width();
        let rows: Vec<f32> = tokens.iter().flat_map(|token| &self.rows[token * width..][..width]).copied().collect();
        output.logits(rows, self.chunk, observe)
    }

    fn width(&self) -> usize {
        self.weights.model.hparams.hidden as usize
    }
}
