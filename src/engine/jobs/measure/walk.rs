//! A model on its way through a text, layer by layer.

use super::text::Text;
use super::weights::Weights;
use crate::cpu::forward::{Matrices, Matrix, Observe, Runner};
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
}

/// From rows to logits.
pub(super) struct Output {
    program: Program,
    logits: Register,
    matrices: Matrices,
}

impl Output {
    /// Loads what makes logits.
    pub(super) fn load(weights: &Weights<'_>, facts: &Facts, meter: Option<&Meter<'_, '_>>) -> Result<Self, Stop> {
        let (program, logits) = forward::output(weights.model, facts)?;
        let matrices = weights.of(&program, meter)?;
        Ok(Self { program, logits, matrices })
    }

    /// Computes with another matrix from now on.
    pub(super) fn replace(&mut self, name: &str, matrix: Matrix) {
        self.matrices.insert(name.to_owned(), matrix);
    }

    /// The logits of rows of the residual stream, row by row.
    pub(super) fn logits(&self, mut rows: Vec<f32>, chunk: usize, observe: Observe<'_>) -> Vec<f32> {
        let runner = Runner { matrices: &self.matrices, chunk };
        runner.run(&self.program, &mut rows, self.logits, observe)
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
    pub(super) fn new(weights: Weights<'a>, text: &Text) -> Result<Self, Stop> {
        let model = weights.model;
        let facts = facts(&weights, text.chunk)?;
        let rows = weights.rows("token_embd.weight", &text.tokens)?;
        let mut walk = Self { weights, facts, chunk: text.chunk, rows };
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
        pass(program, &matrices, self.chunk, &mut self.rows, meter, observe)
    }

    /// Loads what makes logits.
    pub(super) fn output(&self, meter: &Meter<'_, '_>) -> Result<Output, Stop> {
        Output::load(&self.weights, &self.facts, Some(meter))
    }

    /// The logits of some tokens, row by row.
    pub(super) fn logits(&self, output: &Output, tokens: &[usize], observe: Observe<'_>) -> Vec<f32> {
        let width = self.width();
        let rows: Vec<f32> = tokens.iter().flat_map(|token| &self.rows[token * width..][..width]).copied().collect();
        output.logits(rows, self.chunk, observe)
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
