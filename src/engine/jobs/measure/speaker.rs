//! A model in memory that goes on with a text, token by token.

use super::walk::{Output, facts};
use super::weights::Weights;
use crate::cpu::forward::{Matrices, Past, Runner};
use crate::engine::meter::Meter;
use crate::engine::worker::Stop;
use crate::forward::{self, Program, RESIDUAL};

/// A model, and the keys and values of the text so far.
pub(super) struct Speaker<'a> {
    weights: Weights<'a>,
    /// What comes before the first layer, and the layers.
    stages: Vec<(Program, Matrices)>,
    output: Output,
    past: Vec<Past>,
}

impl<'a> Speaker<'a> {
    /// Loads all of a model. `context` is how long texts become.
    pub(super) fn load(weights: Weights<'a>, context: usize, meter: &Meter<'_, '_>) -> Result<Self, Stop> {
        let model = weights.model;
        let facts = facts(&weights, context)?;
        let mut programs = vec![forward::embedding(model, &facts)?];
        for layer in 0..forward::layers(model) {
            programs.push(forward::layer(model, &facts, layer)?);
        }
        let mut stages = Vec::new();
        for program in programs {
            let matrices = weights.of(&program, Some(meter))?;
            stages.push((program, matrices));
        }
        let output = Output::load(&weights, &facts, Some(meter))?;
        Ok(Self { weights, stages, output, past: Vec::new() })
    }

    /// Forgets the text.
    pub(super) fn begin(&mut self) {
        self.past = vec![Past::default(); self.stages.len()];
    }

    /// Goes on with these tokens, and returns the logits after the last of them.
    pub(super) fn read(&mut self, tokens: &[u32]) -> Result<Vec<f32>, Stop> {
        let mut rows = self.weights.rows("token_embd.weight", tokens)?;
        for ((program, matrices), past) in self.stages.iter().zip(&mut self.past) {
            let runner = Runner { matrices, chunk: tokens.len() };
            runner.run_after(program, &mut rows, RESIDUAL, &mut |_, _, _| {}, Some(past));
        }
        let last = rows.len() - rows.len() / tokens.len();
        self.output.logits(rows[last..].to_vec(), 1, &mut |_, _, _| {})
    }
}
