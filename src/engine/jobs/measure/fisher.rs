//! How the outputs of matrices go together in what a model says: Fisher matrices, by a backward pass of activations' gradients.
//!
//! At each token of a text another is drawn, as likely as the model says that it comes next, and the gradient of the logarithm of
//! their probabilities goes back through the layers. With δ the gradient by a matrix's outputs the mean of δ·δᵀ is what a change
//! of the outputs changes the KL divergence by, to second order. The inputs of layers lie in a temporary file meanwhile, so
//! that each layer is read twice, whatever the length of the text.

use super::text::Text;
use super::walk::pass;
use super::weights::Weights;
use crate::cpu::forward::{Runner, add_gram};
use crate::engine::meter::Meter;
use crate::engine::worker::Stop;
use crate::forward::{self, Facts, Program, RESIDUAL, draw_gradient};
use crate::imatrix::{GramWriter, fisher_name};
use crate::positioned::{read_at, write_at};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;

/// The most chunks that are looked at.
const CHUNKS: usize = 40;
/// Tokens that go through a layer at a time.
const BATCH: usize = 2048;
/// Logits in memory at a time.
const LOGITS: usize = 16 << 20;
/// Where the chances of drawn tokens come from.
const SEED: u64 = 0;

/// What is run.
pub(super) struct Subject<'a> {
    pub(super) weights: &'a Weights<'a>,
    pub(super) facts: &'a Facts,
    /// Of each layer.
    pub(super) programs: &'a [Program],
}

/// Fills the tables of matrices, given with how many outputs they have. The temporary file is in `folder`.
pub(super) fn fisher(
    subject: &Subject<'_>,
    matrices: &BTreeMap<String, u64>,
    text: &Text,
    (writer, folder): (&mut GramWriter, &Path),
    meter: &Meter<'_, '_>,
) -> Result<(), Stop> {
    let Subject { weights, facts, programs } = *subject;
    let text = text.thinned(CHUNKS);
    let chunk = text.chunk;
    let failed = |error: std::io::Error| Stop::Failed(format!("{} cannot be written to: {error}", folder.display()));
    let inputs = tempfile::tempfile_in(folder).map_err(failed)?;
    let mut rows = weights.rows("token_embd.weight", &text.tokens)?;
    let embedding = forward::embedding(weights.model, facts)?;
    pass(&embedding, &weights.of(&embedding, None)?, chunk, &mut rows, None, &mut |_, _, _| {})?;
    let bytes = size_of_val(rows.as_slice()) as u64;
    for (layer, program) in programs.iter().enumerate() {
        write_at(&inputs, layer as u64 * bytes, bytemuck::cast_slice(&rows)).map_err(failed)?;
        pass(program, &weights.of(program, Some(meter))?, chunk, &mut rows, Some(meter), &mut |_, _, _| {})?;
    }
    let mut gradient = of_logits(subject, rows, chunk, meter)?;
    for (layer, program) in programs.iter().enumerate().rev() {
        let own = weights.of(program, Some(meter))?;
        let runner = Runner { matrices: &own, chunk };
        let here = program.matrices().filter_map(|name| Some((name.as_str(), *matrices.get(name)? as usize)));
        let mut sums: BTreeMap<&str, Vec<f32>> = here.map(|(name, rows)| (name, vec![0.0; rows * rows])).collect();
        let batch = (BATCH / chunk).max(1) * chunk * program.widths[RESIDUAL.0];
        for (n, gradient) in gradient.chunks_mut(batch).enumerate() {
            let mut rows = vec![0.0f32; gradient.len()];
            let at = layer as u64 * bytes + (n * batch * size_of::<f32>()) as u64;
            read_at(&inputs, at, bytemuck::cast_slice_mut(&mut rows)).map_err(failed)?;
            let (_, tape) = runner.record(program, &mut rows, RESIDUAL);
            let found = runner.back(program, &tape, RESIDUAL, gradient.to_vec(), &mut |name, _, rows| {
                if let Some(sums) = sums.get_mut(name) {
                    add_gram(rows, matrices[name] as usize, sums);
                }
            });
            gradient.copy_from_slice(&found);
            meter.advance(0, "")?;
        }
        for (name, mut sums) in sums {
            let tokens = text.tokens.len() as f32;
            sums.par_iter_mut().for_each(|sum| *sum /= tokens);
            writer.fill(&fisher_name(name), &sums).map_err(failed)?;
        }
    }
    Ok(())
}

/// The gradient by the rows of the residual stream after the last layer.
fn of_logits(subject: &Subject<'_>, mut rows: Vec<f32>, chunk: usize, meter: &Meter<'_, '_>) -> Result<Vec<f32>, Stop> {
    let (program, logits) = forward::output(subject.weights.model, subject.facts)?;
    let (width, vocabulary) = (program.widths[RESIDUAL.0], program.widths[logits.0]);
    let own = subject.weights.of(&program, Some(meter))?;
    let runner = Runner { matrices: &own, chunk };
    let batch = (LOGITS / vocabulary).clamp(1, BATCH);
    for (n, rows) in rows.chunks_mut(batch * width).enumerate() {
        let (mut gradient, tape) = runner.record(&program, &mut rows.to_vec(), logits);
        let each = gradient.par_chunks_mut(vocabulary).enumerate();
        each.for_each(|(row, logits)| draw_gradient(logits, SEED, 0, (n * batch + row) as u64));
        rows.copy_from_slice(&runner.back(&program, &tape, logits, gradient, &mut |_, _, _| {}));
        meter.advance(0, "")?;
    }
    Ok(rows)
}
