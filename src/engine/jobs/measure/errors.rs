//! What each format would do to the outputs of each matrix: tr(E H Eᵀ), E being the error of its weights and H the mean of
//! x·xᵀ over its inputs. Only some rows of a matrix are tried, and a tensor at a time is in memory.

use crate::arch::Tensor;
use crate::cpu::forward::quadratic_form;
use crate::engine::event::Stage;
use crate::engine::jobs::read::fill;
use crate::engine::meter::Meter;
use crate::engine::worker::{Context, Stop};
use crate::imatrix::{self, Gram, Statistics, Tables};
use crate::model::Model;
use crate::quant::{FormatRef, Importance, Search};
use crate::recipe::{REFERENCE, types_of};
use rayon::prelude::*;
use std::collections::HashMap;

/// Rows of a tensor that are tried, of all its experts together; and the fewest of an expert.
const ROWS: u64 = 256;
const EXPERT_ROWS: u64 = 8;
/// What every column counts at least where rows of a matrix are looked up too, of the mean.
const LOOKED_UP: f32 = 0.05;

/// What inputs of a matrix of columns are like.
enum Inputs<'a> {
    /// The mean of x·xᵀ.
    Gram(&'a [f32]),
    /// The mean of the squares.
    Squares(&'a [f32]),
    /// Nothing is known.
    Unknown,
}

/// Rows of the table whose errors are not all known that a mix of `types` needs, with their tensors and the places of the
/// formats among those of the table.
pub(super) fn missing<'a>(
    model: &'a Model,
    statistics: &Statistics,
    types: &[FormatRef],
) -> Vec<(usize, &'a Tensor, Vec<usize>)> {
    let tensors: HashMap<&str, &Tensor> = model.tensors.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect();
    let rows = statistics.tables.tensors.iter().enumerate();
    let missing = rows.filter_map(|(row, known)| {
        let tensor = *tensors.get(known.name.as_str())?;
        let reference = REFERENCE.iter().find(|format| format.divides(tensor.columns())).copied();
        let wanted: Vec<FormatRef> = types_of(tensor, types).into_iter().chain(reference).collect();
        let of = Tables::formats().zip(&known.errors).enumerate();
        let places = of.filter(|(_, (format, error))| wanted.contains(format) && error.is_none());
        Some((row, tensor, places.map(|(place, _)| place).collect::<Vec<_>>()))
    });
    missing.filter(|(_, _, places)| !places.is_empty()).collect()
}

/// Fills in the errors that are not known yet, of the formats that a mix of `types` may have. What is known is in the file
/// from layer to layer.
pub(super) fn fill_in(
    model: &Model,
    statistics: &mut Statistics,
    types: &[FormatRef],
    context: &Context<'_>,
) -> Result<(), Stop> {
    let formats: Vec<FormatRef> = Tables::formats().collect();
    let jobs = missing(model, statistics, types);
    let work = |(_, tensor, missing): &(usize, &Tensor, Vec<usize>)| missing.len() as u64 * tensor.weights();
    let meter = Meter::new(context, Stage::Trying, jobs.iter().map(work).sum());
    let gram = Gram::open(&statistics.path).map_err(Stop::Failed)?;
    let mut layer = None;
    for job in &jobs {
        let (row, tensor, missing) = job;
        if layer.is_some_and(|layer| layer != tensor.layer()) {
            statistics.save()?;
        }
        layer = Some(tensor.layer());
        let tried: Vec<FormatRef> = missing.iter().map(|place| formats[*place]).collect();
        let errors = of_tensor(model, tensor, &gram, &statistics.imatrix, &tried, &meter)?;
        let known = &mut statistics.tables.tensors[*row].errors;
        missing.iter().zip(errors).for_each(|(place, error)| known[*place] = Some(error));
        meter.advance(work(job), &tensor.name)?;
    }
    Ok(statistics.save()?)
}

/// tr(E H Eᵀ) of a tensor in each of some formats.
fn of_tensor(
    model: &Model,
    tensor: &Tensor,
    gram: &Gram,
    imatrix: &imatrix::Imatrix,
    formats: &[FormatRef],
    meter: &Meter<'_, '_>,
) -> Result<Vec<f64>, Stop> {
    let columns = tensor.columns() as usize;
    let rows = tensor.shape.get(1).copied().unwrap_or(1);
    let experts = tensor.shape.iter().skip(2).product::<u64>();
    let tried = rows.min((ROWS / experts).max(EXPERT_ROWS));
    let mut means = gram.read(&tensor.name).map_err(Stop::Failed)?.map(|found| found.means);
    let square = columns * columns;
    if means.as_ref().is_some_and(|means| means.len() != square * experts as usize) {
        return Err(Stop::Failed(format!("the Gram matrix of {} is of another size", tensor.name)));
    }
    if let Some(means) = means.as_mut().filter(|_| tensor.name == "token_embd.weight") {
        // Its rows are looked up, and make logits.
        let mean = means.iter().step_by(columns + 1).sum::<f32>() / columns as f32;
        means.iter_mut().step_by(columns + 1).for_each(|diagonal| *diagonal += LOOKED_UP * mean);
    }
    let squares = imatrix.entry(&tensor.name, &tensor.shape)?;
    let mut sums = vec![0.0; formats.len()];
    for expert in 0..experts as usize {
        let own = squares.map(|squares| &squares[expert * columns..][..columns]);
        let inputs = match (&means, own) {
            (Some(means), _) => Inputs::Gram(&means[expert * square..][..square]),
            (None, Some(squares)) => Inputs::Squares(squares),
            (None, None) => Inputs::Unknown,
        };
        let weights = read(model, tensor, expert as u64 * rows, rows, tried)?;
        for (sum, format) in sums.iter_mut().zip(formats) {
            let errors = errors(&weights, columns, own, format);
            *sum += inputs.weigh(&errors, columns) * rows as f64 / tried as f64;
            meter.advance(0, &tensor.name)?;
        }
    }
    Ok(sums)
}

/// Rows of a tensor at equal distances, as floats: `tried` of `rows` from the one numbered `first`.
fn read(model: &Model, tensor: &Tensor, first: u64, rows: u64, tried: u64) -> Result<Vec<f32>, Stop> {
    let (columns, stored) = (tensor.columns(), tensor.stored_format());
    let mut floats = vec![0.0; (tried * columns) as usize];
    let each = floats.par_chunks_mut(columns as usize).enumerate();
    each.try_for_each_init(Vec::new, |bytes, (n, floats)| {
        bytes.resize(stored.bytes(columns) as usize, 0);
        fill(model, tensor, (first + n as u64 * rows / tried) * columns, bytes)?;
        (stored.dequantize)(bytes, floats);
        Ok::<(), Stop>(())
    })?;
    Ok(floats)
}

/// What is lost of rows by a format.
fn errors(weights: &[f32], columns: usize, squares: Option<&[f32]>, format: FormatRef) -> Vec<f32> {
    let factors: Option<Vec<f32>> = squares.map(|squares| imatrix::factors(squares).collect());
    let importance = factors.as_ref().map(|columns| Importance { columns, first: 0 });
    let how = Search { importance, ..Search::default() };
    let mut errors = vec![0.0; weights.len()];
    let rows = errors.par_chunks_mut(columns).zip(weights.par_chunks(columns));
    rows.for_each_init(Vec::new, |blocks, (errors, weights)| {
        blocks.resize(format.bytes(columns as u64) as usize, 0);
        (format.quantize)(weights, how, blocks);
        (format.dequantize)(blocks, errors);
        errors.iter_mut().zip(weights).for_each(|(error, weight)| *error = weight - *error);
    });
    errors
}

impl Inputs<'_> {
    /// Σ eᵀ H e over rows e.
    fn weigh(&self, errors: &[f32], columns: usize) -> f64 {
        let square = |x: f32| f64::from(x) * f64::from(x);
        match self {
            Self::Gram(gram) => quadratic_form(errors, columns, gram).max(0.0),
            Self::Squares(squares) => {
                let row = |row: &[f32]| row.iter().zip(*squares).map(|(e, s)| square(*e) * f64::from(*s)).sum::<f64>();
                errors.chunks(columns).map(row).sum()
            }
            Self::Unknown => errors.iter().map(|e| square(*e)).sum(),
        }
    }
}
