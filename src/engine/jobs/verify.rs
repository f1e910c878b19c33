//! Verifying: how far the weights of one model are from those of another, tensor by tensor.
//!
//! Both are read in parts that stay in a core's cache, dequantized there, and summed. The parts' sums are added in the
//! order of the tensor, so the figures are the same with any number of threads.

use super::read::{BLOCK, fill};
use crate::arch::Tensor;
use crate::engine::command::VerifyRequest;
use crate::engine::event::{Mismatch, Stage, TensorError, VerifyReport};
use crate::engine::meter::Meter;
use crate::engine::worker::{Context, Stop};
use crate::eval::WeightError;
use crate::imatrix::Imatrix;
use crate::model::Model;
use rayon::prelude::*;
use std::collections::HashMap;
use std::time::Instant;

/// Weights of a part: two of them fit the second cache of any core.
const PART: u64 = 64 << 10;

const _: () = assert!(PART.is_multiple_of(BLOCK));

/// Parts whose sums are kept at once.
const WINDOW: u64 = 1024;

/// Measures what a request names.
pub(in crate::engine) fn run(request: &VerifyRequest, context: &Context<'_>) -> Result<VerifyReport, Stop> {
    let started = Instant::now();
    let candidate = Model::open(&request.candidate)?;
    let (pairs, mismatches) = pair_up(&candidate, &request.reference);
    let imatrix = request.imatrix.as_deref();
    // Before the first weight is read, for a wrong file to be told at once.
    let columns = pairs.iter().map(|pair| pair.columns(imatrix)).collect::<Result<Vec<_>, Stop>>()?;
    if let Some(imatrix) = imatrix.filter(|_| columns.iter().all(Option::is_none)) {
        context.warn(format!(
            "{}: none of its {} entries is for a tensor of {}, so there are no weighted figures",
            imatrix.path.display(),
            imatrix.columns.len(),
            request.candidate.display()
        ));
    }
    let meter = Meter::new(context, Stage::Verifying, pairs.iter().map(|pair| pair.bytes(pair.tensor.weights())).sum());
    let mut total = WeightError::default();
    let mut tensors = Vec::with_capacity(pairs.len());
    for (pair, columns) in pairs.iter().zip(columns) {
        let error = pair.measure(columns, &meter)?;
        total.merge(&error);
        tensors.push(TensorError {
            name: pair.tensor.name.clone(),
            shape: pair.tensor.shape.clone(),
            format: pair.tensor.stored_format(),
            reference_format: pair.reference_tensor.stored_format(),
            error,
        });
    }
    Ok(VerifyReport {
        candidate: request.candidate.clone(),
        reference: request.reference.path.clone(),
        imatrix: imatrix.map(|imatrix| imatrix.path.clone()),
        tensors,
        total,
        mismatches,
        elapsed: started.elapsed(),
    })
}

/// A tensor of the candidate and the one it stands for.
struct Pair<'a> {
    candidate: &'a Model,
    tensor: &'a Tensor,
    reference: &'a Model,
    reference_tensor: &'a Tensor,
}

/// Tensors of the same name and shape, in the order of the candidate, and what is left over.
fn pair_up<'a>(candidate: &'a Model, reference: &'a Model) -> (Vec<Pair<'a>>, Vec<Mismatch>) {
    let mut unmatched: HashMap<&str, &Tensor> = reference.tensors.iter().map(|t| (t.name.as_str(), t)).collect();
    let (mut pairs, mut mismatches) = (Vec::new(), Vec::new());
    for tensor in &candidate.tensors {
        match unmatched.remove(tensor.name.as_str()) {
            Some(found) if found.shape == tensor.shape => {
                pairs.push(Pair { candidate, tensor, reference, reference_tensor: found });
            }
            other => mismatches.push(Mismatch {
                name: tensor.name.clone(),
                shape: Some(tensor.shape.clone()),
                reference_shape: other.map(|found| found.shape.clone()),
            }),
        }
    }
    let left = reference.tensors.iter().filter(|tensor| unmatched.contains_key(tensor.name.as_str()));
    mismatches.extend(left.map(|tensor| Mismatch {
        name: tensor.name.clone(),
        shape: None,
        reference_shape: Some(tensor.shape.clone()),
    }));
    (pairs, mismatches)
}

/// Memory of one thread.
#[derive(Default)]
struct Buffers {
    bytes: Vec<u8>,
    candidate: Vec<f32>,
    reference: Vec<f32>,
    factors: Vec<f32>,
}

impl Pair<'_> {
    /// Bytes to read for so many weights.
    fn bytes(&self, weights: u64) -> u64 {
        self.tensor.stored_format().bytes(weights) + self.reference_tensor.stored_format().bytes(weights)
    }

    /// What the importance matrix says about the columns, of one expert after another.
    fn columns<'i>(&self, imatrix: Option<&'i Imatrix>) -> Result<Option<&'i [f32]>, Stop> {
        let entry = imatrix.map_or(Ok(None), |imatrix| imatrix.entry(&self.tensor.name, &self.tensor.shape));
        entry.map_err(|error| Stop::Failed(error.to_string()))
    }

    fn measure(&self, columns: Option<&[f32]>, meter: &Meter<'_, '_>) -> Result<WeightError, Stop> {
        let weights = self.tensor.weights();
        let parts = weights.div_ceil(PART);
        let mut total = WeightError::default();
        for window in (0..parts).step_by(WINDOW as usize) {
            let in_window =
                (window..parts.min(window + WINDOW)).into_par_iter().map_init(Buffers::default, |own, n| {
                    let first = n * PART;
                    self.measure_part(first, PART.min(weights - first), columns, own, meter)
                });
            let errors = in_window.collect::<Result<Vec<_>, Stop>>()?;
            errors.iter().for_each(|error| total.merge(error));
        }
        Ok(total)
    }

    fn measure_part(
        &self,
        first: u64,
        weights: u64,
        columns: Option<&[f32]>,
        own: &mut Buffers,
        meter: &Meter<'_, '_>,
    ) -> Result<WeightError, Stop> {
        let Buffers { bytes, candidate, reference, factors } = own;
        load(self.candidate, self.tensor, first, weights, bytes, candidate)?;
        load(self.reference, self.reference_tensor, first, weights, bytes, reference)?;
        let factors = columns.map(|columns| {
            spread(columns, &self.tensor.shape, first, weights, factors);
            factors.as_mut_slice()
        });
        let error = WeightError::measure(candidate, reference, factors);
        meter.advance(self.bytes(weights), &self.tensor.name)?;
        Ok(error)
    }
}

/// Reads and dequantizes weights from the one at index `first` on.
fn load(
    model: &Model,
    tensor: &Tensor,
    first: u64,
    weights: u64,
    bytes: &mut Vec<u8>,
    out: &mut Vec<f32>,
) -> Result<(), Stop> {
    let format = tensor.stored_format();
    bytes.resize(format.bytes(weights) as usize, 0);
    out.resize(weights as usize, 0.0);
    fill(model, tensor, first, bytes)?;
    (format.dequantize)(bytes, out);
    Ok(())
}

/// Gives each weight the factor of its column, in the rows of its expert.
fn spread(columns: &[f32], shape: &[u64], first: u64, weights: u64, out: &mut Vec<f32>) {
    out.clear();
    let (width, rows) = (shape[0], shape.get(1).copied().unwrap_or(1));
    let mut at = first;
    while at < first + weights {
        let run = (width - at % width).min(first + weights - at);
        let start = (at / (width * rows) * width + at % width) as usize;
        out.extend_from_slice(&columns[start..start + run as usize]);
        at += run;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_go_round_with_the_rows_and_change_with_the_expert() {
        let mut out = Vec::new();
        // Two experts with three rows of two columns.
        spread(&[1.0, 2.0, 3.0, 4.0], &[2, 3, 2], 1, 9, &mut out);
        assert_eq!(out, [2.0, 1.0, 2.0, 1.0, 2.0, 3.0, 4.0, 3.0, 4.0]);
    }
}
