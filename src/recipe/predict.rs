//! What each tensor loses in each format, before anything is packed.
//!
//! A tensor's loss is the KL divergence that it causes alone. Small losses add up; large ones are more together than their
//! sum, by a factor that was measured once. A tensor's was measured in one format,
//! and goes from there to others with tr(E H Eᵀ), the squared error of its outputs, E being the error of its weights and H the
//! mean of x xᵀ over its inputs.

use crate::arch::Tensor;
use crate::imatrix::{Alone, Statistics, Tables, TensorStatistics};
use crate::quant::{FormatRef, Q3_K, Q4_0};
use std::collections::HashMap;

/// Tensors lose no more together than so many times the sum of what they lose alone: the sample at 2.6 bits a weight, where
/// every tensor is at its smallest.
const MOST_TOGETHER: f64 = 1.5;

/// Of what error feedback gains on parts of a text that nothing was fitted to, so much is kept on other texts: on the sample, with
/// its two texts in turn, two thirds to six sevenths (`benches/RESULTS.md`).
const KEPT: f64 = 0.75;

/// Losses of a model's tensors.
#[derive(Clone, Debug, Default)]
pub struct Prediction {
    tensors: HashMap<String, Losses>,
    /// a in s (1 + a s).
    interaction: f64,
    /// The share of it that error feedback leaves.
    left: f64,
    /// What a squared error of a tensor's outputs costs of which nothing is known.
    mean: f64,
}

#[derive(Clone, Debug)]
struct Losses {
    /// What it was measured to cause, or reckoned.
    alone: Option<Alone>,
    /// What a squared error of its outputs costs.
    unit: f64,
    /// KL divergence by format.
    formats: Vec<(FormatRef, f64)>,
}

impl Prediction {
    /// Of the statistics: from what tensors were `measured` to cause alone, or from what was reckoned. `feedback` says whether
    /// blocks will be chosen by error feedback.
    pub fn new(statistics: &Statistics, measured: bool, feedback: bool) -> Self {
        let tables = &statistics.tables;
        let alone = |tensor: &TensorStatistics| if measured { tensor.alone } else { tensor.reckoned };
        // Of a tensor that the forward pass does without nothing was measured; it counts as the others do on the average.
        let known = tables.tensors.iter().filter_map(|tensor| Some((alone(tensor)?, tensor)));
        let pairs = known.filter_map(|(alone, tensor)| Some((alone.divergence, error(tensor, alone.format)?)));
        let (divergences, errors) = pairs.fold((0.0, 0.0), |sum, pair| (sum.0 + pair.0, sum.1 + pair.1));
        let mean = if errors > 0.0 { divergences / errors } else { 1.0 };
        let losses = |tensor: &TensorStatistics| {
            let alone = alone(tensor);
            let error = |format: FormatRef| error(tensor, format);
            // What was measured is of its own format; an error of 0 there says nothing of others.
            let unit = alone.and_then(|alone| Some(alone.divergence / error(alone.format).filter(|e| *e > 0.0)?));
            let unit = unit.unwrap_or(mean);
            let formats = Tables::formats().filter_map(|format| Some((format, unit * error(format)?)));
            (tensor.name.clone(), Losses { alone, unit, formats: formats.collect() })
        };
        let together = tables.together[usize::from(measured)];
        Self {
            tensors: tables.tensors.iter().map(losses).collect(),
            interaction: together.map_or(0.0, |together| together.interaction),
            left: together.filter(|_| feedback).map_or(1.0, |together| 1.0 - KEPT * (1.0 - together.feedback)),
            mean,
        }
    }

    /// What tensors lose together whose losses have this sum; less where error feedback chooses their blocks. How much each
    /// gains by that is not told apart: mixes chosen by such differences were 1 to 2 % worse, for what is gained on the text of
    /// the statistics is not all kept on others.
    pub fn together(&self, sum: f64) -> f64 {
        self.left * self.searched(sum)
    }

    /// The same where each block is searched by itself.
    pub fn searched(&self, sum: f64) -> f64 {
        sum * (1.0 + self.interaction * sum).min(MOST_TOGETHER)
    }

    /// The KL divergence, in nats, that a tensor causes in a format; none where nothing is known of it. What stays as it is
    /// loses nothing.
    pub fn loss(&self, tensor: &Tensor, format: FormatRef) -> Option<f64> {
        if format == tensor.format || format == tensor.stored_format() {
            return Some(0.0);
        }
        let formats = &self.tensors.get(&tensor.name)?.formats;
        formats.iter().find(|(known, _)| *known == format).map(|(_, loss)| *loss)
    }

    /// The KL divergence, in nats, that tr(E H Eᵀ) = 1 causes in a tensor, E being the error of its weights and H the mean of
    /// x xᵀ over its inputs.
    pub fn unit(&self, name: &str) -> f64 {
        self.tensors.get(name).map_or(self.mean, |losses| losses.unit)
    }

    /// What a tensor was measured to cause alone, or reckoned.
    pub fn alone(&self, name: &str) -> Option<Alone> {
        self.tensors.get(name)?.alone
    }
}

fn error(tensor: &TensorStatistics, format: FormatRef) -> Option<f64> {
    tensor.errors[Tables::formats().position(|known| known == format)?]
}

/// What tensors are quantized to where they are measured: the first that divides their rows.
pub static REFERENCE: &[FormatRef] = &[&Q3_K, &Q4_0];
