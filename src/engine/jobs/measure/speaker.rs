//! A model in memory that goes on with a text, token by token.

use super::gpu::{Gpu, Loaded};
use super::walk::{Output, facts};
use super::weights::Weights;
use crate::cpu::forward::{Matrices, Past, Runner};
use crate::engine::meter::Meter;
use crate::engine::worker::Stop;
use crate::forward::{self, Program, RESIDUAL};
use crate::gpu::forward as gpu;

/// Tokens of a prompt that go through the model at a time.
const PIECE: usize = 256;

/// A model, and the keys and values of the text so far.
pub(super) struct Speaker<'a> {
    weights: Weights<'a>,
    stages: Stages,
    output: Output,
}

/// What comes before the first layer, and the layers: programs, their tensors, and what they have seen of the text.
enum Stages {
    Here(Vec<(Program, Matrices, Past)>),
    There(Gpu, Vec<(Program, Loaded, gpu::Past)>),
}

impl<'a> Speaker<'a> {
    /// Loads all of a model. `context` is how long texts become.
    pub(super) fn load(
        weights: Weights<'a>,
        context: usize,
        gpu: Option<&Gpu>,
        meter: &Meter<'_, '_>,
    ) -> Result<Self, Stop> {
        let model = weights.model;
        let facts = facts(&weights, context)?;
        let mut programs = vec![forward::embedding(model, &facts)?];
        for layer in 0..forward::layers(model) {
            programs.push(forward::layer(model, &facts, layer)?);
        }
        programs.retain(|program| !program.steps.is_empty());
        let matrices = |program: &Program| weights.of(program, Some(meter));
        let output = Output::load(&weights, &facts, Some(meter))?;
        let (stages, output) = match gpu {
            None => {
                let stage = |program: Program| Ok((matrices(&program)?, program));
                let stages = programs.into_iter().map(stage).collect::<Result<Vec<_>, Stop>>()?;
                let stages = stages.into_iter().map(|(matrices, program)| (program, matrices, Past::default()));
                (Stages::Here(stages.collect()), output)
            }
            Some(gpu) => {
                let stage = |program: Program| {
                    let loaded = Loaded::new(gpu, &program, &matrices(&program)?)?;
                    let past = loaded.past(&program, context)?;
                    Ok((program, loaded, past))
                };
                let stages = programs.into_iter().map(stage).collect::<Result<Vec<_>, Stop>>()?;
                (Stages::There(gpu.clone(), stages), output.on(gpu)?)
            }
        };
        Ok(Self { weights, stages, output })
    }

    /// Forgets the text.
    pub(super) fn begin(&mut self) {
        match &mut self.stages {
            Stages::Here(stages) => stages.iter_mut().for_each(|(.., past)| *past = Past::default()),
            Stages::There(_, stages) => stages.iter_mut().for_each(|(.., past)| past.begin()),
        }
    }

    /// Goes on with these tokens, and returns the logits after the last of them.
    pub(super) fn read(&mut self, tokens: &[u32], meter: &Meter<'_, '_>) -> Result<Vec<f32>, Stop> {
        let mut logits = Vec::new();
        let pieces = tokens.len().div_ceil(PIECE);
        for (n, tokens) in tokens.chunks(PIECE).enumerate() {
            let mut rows = self.weights.rows("token_embd.weight", tokens)?;
            let (width, is_last) = (rows.len() / tokens.len(), n + 1 == pieces);
            match &mut self.stages {
                Stages::Here(stages) => {
                    for (program, matrices, past) in stages {
                        let runner = Runner { matrices, chunk: tokens.len() };
                        runner.run_after(program, &mut rows, RESIDUAL, &mut |_, _, _| {}, Some(past));
                    }
                    if is_last {
                        logits = self.output.logits(rows.split_off(rows.len() - width), 1)?;
                    }
                }
                Stages::There(gpu, stages) => {
                    let stream = gpu.borrow_mut().stream(&rows, width)?;
                    for (program, loaded, past) in stages {
                        loaded.go_on(program, &stream, past)?;
                    }
                    if is_last {
                        logits = self.output.last(&stream)?;
                    }
                }
            }
            meter.advance(0, "")?;
        }
        Ok(logits)
    }
}
