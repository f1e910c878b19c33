//! A model whose layers are run one by one, on a GPU or on the processor, over any rows.

use super::super::gpu::Loaded;
use super::super::walk::{facts, pass};
use super::super::weights::Weights;
use super::Setting;
use crate::cpu::forward::{Runner, add_gram};
use crate::engine::meter::Meter;
use crate::engine::worker::Stop;
use crate::forward::{self, Facts, Matrices, Program, RESIDUAL, Register};
use crate::gpu::forward::Summed;
use crate::model::Model;
use std::collections::BTreeMap;

/// Tokens that go through a layer at a time where something of it is kept.
const BATCH: usize = 2048;

/// A model and where it computes.
pub(super) struct Passage<'a, 'c> {
    setting: &'a Setting<'a, 'c>,
    pub(super) weights: Weights<'a>,
    pub(super) facts: Facts,
    chunk: usize,
}

/// A layer that is loaded.
pub(super) struct Layer {
    pub(super) program: Program,
    /// Empty where they are on a GPU.
    matrices: Matrices,
    loaded: Option<Loaded>,
}

impl<'a, 'c> Passage<'a, 'c> {
    pub(super) fn new(setting: &'a Setting<'a, 'c>, model: &'a Model) -> Result<Self, Stop> {
        let weights = Weights::new(model, None, setting.context);
        let (facts, chunk) = (facts(&weights, setting.text.chunk)?, setting.text.chunk);
        Ok(Self { setting, weights, facts, chunk })
    }

    pub(super) fn model(&self) -> &'a Model {
        self.weights.model
    }

    /// Rows of the residual stream before the first layer.
    pub(super) fn begin(&self, tokens: &[u32]) -> Result<Vec<f32>, Stop> {
        let mut rows = self.weights.rows("token_embd.weight", tokens)?;
        let program = forward::embedding(self.model(), &self.facts)?;
        pass(&program, &self.weights.of(&program, None)?, self.chunk, &mut rows, None, &mut |_, _, _| {})?;
        Ok(rows)
    }

    /// The matrices of a layer, and its program.
    pub(super) fn read(&self, number: u64, meter: &Meter<'_, '_>) -> Result<(Program, Matrices), Stop> {
        let program = forward::layer(self.model(), &self.facts, number)?;
        let matrices = self.weights.of(&program, Some(meter))?;
        Ok((program, matrices))
    }

    /// A layer with these matrices.
    pub(super) fn load(&self, program: Program, matrices: Matrices) -> Result<Layer, Stop> {
        Ok(match &self.setting.gpu {
            None => Layer { program, matrices, loaded: None },
            Some(gpu) => {
                let loaded = Some(Loaded::new(gpu, &program, &matrices)?);
                Layer { program, matrices: Matrices::new(), loaded }
            }
        })
    }

    /// Takes rows through a layer.
    pub(super) fn advance(&self, layer: &Layer, rows: &mut [f32], meter: &Meter<'_, '_>) -> Result<(), Stop> {
        match &layer.loaded {
            Some(loaded) => loaded.pass(&layer.program, self.chunk, rows, Some(meter), None),
            None => pass(&layer.program, &layer.matrices, self.chunk, rows, Some(meter), &mut |_, _, _| {}),
        }
    }

    /// The same, and returns what a register held; rows of it as there are rows.
    pub(super) fn advance_seeing(&self, layer: &Layer, rows: &mut [f32], seen: Register) -> Result<Vec<f32>, Stop> {
        let width = layer.program.widths[RESIDUAL.0];
        let batch = (BATCH / self.chunk).max(1) * self.chunk * width;
        let mut all = Vec::with_capacity(rows.len() / width * layer.program.widths[seen.0]);
        for rows in rows.chunks_mut(batch) {
            if self.setting.context.is_cancelled() {
                return Err(Stop::Cancelled);
            }
            match &layer.loaded {
                Some(loaded) => all.extend(loaded.run(&layer.program, self.chunk, rows, seen)?),
                None => {
                    let runner = Runner { matrices: &layer.matrices, chunk: self.chunk };
                    let mut own = rows.to_vec();
                    all.extend(runner.run(&layer.program, &mut own, seen, &mut |_, _, _| {}));
                    rows.copy_from_slice(&own);
                }
            }
        }
        Ok(all)
    }

    /// What goes into a layer's matrices when rows go through it, which stay where they are: by the matrices that stand for all
    /// with the same input. Of those for which `grams` says so x·xᵀ too.
    pub(super) fn observe(
        &self,
        layer: &Layer,
        rows: &[f32],
        grams: &dyn Fn(&str) -> bool,
        meter: &Meter<'_, '_>,
    ) -> Result<BTreeMap<String, Summed>, Stop> {
        let mut rows = rows.to_vec();
        if let Some(loaded) = &layer.loaded {
            let mut sums = loaded.sums(&layer.program, grams)?;
            loaded.pass(&layer.program, self.chunk, &mut rows, Some(meter), Some(&mut sums))?;
            return loaded.summed(&sums);
        }
        let mut all: BTreeMap<String, Summed> = BTreeMap::new();
        for (name, owner) in layer.program.shared_inputs() {
            if name == owner {
                let shape = &layer.matrices[&name].shape;
                let (columns, experts) = (shape[0] as usize, shape.iter().skip(2).product::<u64>() as usize);
                let gram = grams(&name).then(|| vec![0.0; columns * columns * experts]);
                all.insert(name, Summed { squares: vec![0.0; columns * experts], counts: vec![0; experts], gram });
            }
        }
        let mut observe = |name: &str, expert: usize, rows: &[f32]| {
            let Some(Summed { squares, counts, gram }) = all.get_mut(name) else { return };
            let columns = squares.len() / counts.len();
            counts[expert] += (rows.len() / columns) as u64;
            let squares = &mut squares[expert * columns..][..columns];
            for row in rows.chunks_exact(columns) {
                squares.iter_mut().zip(row).for_each(|(sum, x)| *sum += x * x);
            }
            if let Some(gram) = gram {
                add_gram(rows, columns, &mut gram[expert * columns * columns..][..columns * columns]);
            }
        };
        pass(&layer.program, &layer.matrices, self.chunk, &mut rows, Some(meter), &mut observe)?;
        Ok(all)
    }
}
