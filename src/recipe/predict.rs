//! What each tensor loses in each format, before anything is packed.
//!
//! A tensor's loss is the KL divergence that it causes alone. Small losses add up; large ones are more together than their
//! sum, by a factor that was measured once. A tensor's was measured in one format,
//! and goes from there to others with tr(E H Eᵀ), the squared error of its outputs, E being the error of its weights and H the
//! mean of x xᵀ over its inputs. Where no tensor was measured alone, that error is the loss, in units that make all tensors
//! together lose what they were measured to lose.

use crate::arch::Tensor;
use crate::imatrix::{Alone, Statistics, Tables, TensorStatistics};
use crate::quant::{FormatRef, Q3_K, Q4_0};
use std::collections::HashMap;

/// Losses of a model's tensors.
#[derive(Clone, Debug, Default)]
pub struct Prediction {
    tensors: HashMap<String, Losses>,
    /// a in s (1 + a s).
    interaction: f64,
}

#[derive(Clone, Debug)]
struct Losses {
    /// What it was measured to cause.
    alone: Option<Alone>,
    /// KL divergence by format.
    formats: Vec<(FormatRef, f64)>,
}

impl Prediction {
    /// Of the statistics; with `measured`, from what tensors were measured to cause alone.
    pub fn new(statistics: &Statistics, measured: bool) -> Self {
        let tables = &statistics.tables;
        let scale = scale(tables);
        let losses = |tensor: &TensorStatistics| {
            let alone = tensor.alone.filter(|_| measured || always_measured(&tensor.name));
            let error = |format: FormatRef| error(tensor, format);
            // What was measured is of its own format; an error of 0 there says nothing of others.
            let unit = alone.and_then(|alone| Some(alone.divergence / error(alone.format).filter(|e| *e > 0.0)?));
            let unit = unit.unwrap_or(scale);
            let formats = Tables::formats().filter_map(|format| Some((format, unit * error(format)?)));
            (tensor.name.clone(), Losses { alone, formats: formats.collect() })
        };
        let interaction = tables.interactions[usize::from(measured)].map_or(0.0, |(interaction, _)| interaction);
        Self { tensors: tables.tensors.iter().map(losses).collect(), interaction }
    }

    /// What tensors lose together whose losses have this sum.
    pub fn together(&self, sum: f64) -> f64 {
        sum * (1.0 + self.interaction * sum)
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

    /// What a tensor was measured to cause alone.
    pub fn alone(&self, name: &str) -> Option<Alone> {
        self.tensors.get(name)?.alone
    }
}

/// The token embedding and the output are measured alone whatever else is: their errors are of another kind than those of
/// matrices in between.
pub fn always_measured(name: &str) -> bool {
    ["token_embd.weight", "output.weight"].contains(&name)
}

fn error(tensor: &TensorStatistics, format: FormatRef) -> Option<f64> {
    tensor.errors[Tables::formats().position(|known| known == format)?]
}

/// What tensors are quantized to where they are measured: the first that divides their rows.
pub static REFERENCE: &[FormatRef] = &[&Q3_K, &Q4_0];

/// KL divergence by squared error, of tensors that were not measured alone: what all cause together, less what some were
/// measured to cause, by the errors of the rest. Where nothing was measured together, that of those measured alone.
fn scale(tables: &Tables) -> f64 {
    let (mut divergence, mut errors) = (tables.together.map_or(0.0, |(together, _)| together), 0.0);
    let least = divergence / 10.0;
    for tensor in &tables.tensors {
        let reference = || REFERENCE.iter().find_map(|format| error(tensor, format)).unwrap_or(0.0);
        match (tensor.alone, tables.together) {
            (Some(alone), Some(_)) if always_measured(&tensor.name) => divergence -= alone.divergence,
            (_, Some(_)) => errors += reference(),
            (Some(alone), None) => {
                divergence += alone.divergence;
                errors += reference();
            }
            (None, None) => {}
        }
    }
    if errors > 0.0 { divergence.max(least) / errors } else { 1.0 }
}
