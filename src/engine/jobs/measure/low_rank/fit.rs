//! What each matrix lost, and the factors of it.

use crate::arch::Tensor;
use crate::cpu::forward::quadratic_form;
use crate::engine::device::Finder;
use crate::engine::event::Stage;
use crate::engine::jobs::feedback::Hessians;
use crate::engine::jobs::measure::weights::{Weights, stored_bytes};
use crate::engine::meter::Meter;
use crate::engine::worker::{Context, Stop};
use crate::imatrix::Statistics;
use crate::lowrank::Factors;
use crate::model::Model;
use crate::quant::FormatRef;
use crate::recipe::{PRESETS, Prediction, Ranks, Recipe, Spectrum, adaptable};

/// Rows of a matrix that its whole loss is reckoned from.
const ROWS: usize = 256;

/// What factors are found from.
pub(super) struct Fitting<'a> {
    pub(super) model: &'a Model,
    /// The weights that are to be come near, by the same names and shapes.
    pub(super) dense: &'a Model,
    /// The same quantized; without, the matrices themselves are fitted.
    pub(super) base: Option<&'a Weights<'a>>,
    pub(super) statistics: &'a Statistics,
    pub(super) prediction: &'a Prediction,
    /// Whether all inputs count the same.
    pub(super) is_plain: bool,
    pub(super) context: &'a Context<'a>,
}

/// What was found.
pub(super) struct Fitted {
    /// Of the matrices that an adapter may change.
    pub(super) ranks: Ranks,
    /// The same in order, of each of their experts.
    pub(super) factors: Vec<Vec<Factors>>,
    /// What the other tensors lose.
    pub(super) rest: f64,
}

/// Whether llama.cpp can apply an adapter to it, and the forward pass multiplies with it.
fn takes(tensor: &Tensor, statistics: &Statistics) -> bool {
    adaptable(tensor) && statistics.imatrix.columns.contains_key(&tensor.name)
}

impl Fitting<'_> {
    /// Finds factors up to the rank that `highest` says of the matrices there are.
    pub(super) fn fit(
        &self,
        mut finder: Finder,
        format: FormatRef,
        highest: impl Fn(&Ranks) -> usize,
    ) -> Result<Fitted, Stop> {
        let (taken, others): (Vec<&Tensor>, Vec<&Tensor>) =
            self.model.tensors.iter().partition(|tensor| takes(tensor, self.statistics));
        let one = |tensor: &&Tensor| Spectrum::new(tensor, 0.0, vec![0.0]);
        let rank = highest(&Ranks::new(taken.iter().map(one).collect(), format));
        let original = Weights::new(self.dense, None, self.context);
        let recipe = Recipe::new(&PRESETS[0]).with_feedback(self.statistics);
        let hessians = Hessians::new(&recipe, self.context);
        let meter = Meter::new(self.context, Stage::Factoring, taken.iter().map(|tensor| stored_bytes(tensor)).sum());
        let (mut spectra, mut all, mut rest) = (Vec::new(), Vec::new(), 0.0);
        for (tensor, base) in others.iter().flat_map(|tensor| self.base.map(|base| (tensor, base))) {
            let format = base.format(&tensor.name)?;
            rest += self.prediction.loss(tensor, format).unwrap_or(0.0);
        }
        for tensor in taken {
            let mut error = original.matrix(&tensor.name)?.floats();
            if let Some(base) = self.base {
                let base = base.matrix(&tensor.name)?.floats();
                error.iter_mut().zip(base).for_each(|(own, base)| *own -= base);
            }
            let (spectrum, factors) = self.tensor(tensor, &error, hessians.as_ref(), &mut finder, rank)?;
            spectra.push(spectrum);
            all.push(factors);
            meter.advance(stored_bytes(tensor), &tensor.name)?;
        }
        Ok(Fitted { ranks: Ranks::new(spectra, format), factors: all, rest })
    }

    /// What a tensor lost, of the error of its weights.
    fn tensor(
        &self,
        tensor: &Tensor,
        error: &[f32],
        hessians: Option<&Hessians<'_>>,
        finder: &mut Finder,
        rank: usize,
    ) -> Result<(Spectrum, Vec<Factors>), Stop> {
        let columns = tensor.columns() as usize;
        let matrix = columns * tensor.shape[1] as usize;
        let squares = self.statistics.imatrix.entry(&tensor.name, &tensor.shape)?;
        let unit = self.prediction.unit(&tensor.name);
        let (mut loss, mut gains, mut factors) = (0.0, vec![0.0; rank], Vec::new());
        for (expert, error) in error.chunks_exact(matrix).enumerate() {
            let squares = squares.map(|squares| &squares[expert * columns..][..columns]);
            let mean = squares.map_or(1.0, |squares| squares.iter().sum::<f32>() / columns as f32);
            let squares = squares.filter(|_| !self.is_plain);
            let known = hessians.filter(|hessians| !self.is_plain && hessians.knows(&tensor.name));
            let ready = known.map(|hessians| hessians.of(tensor, expert as u64)).transpose()?;
            let stop = || self.context.is_cancelled();
            let found = match (&ready, squares) {
                (Some(ready), _) => finder.leading(error, columns, Some(ready.hessian()), rank, &stop)?,
                // Of the largest inputs only the squares are known.
                (None, Some(squares)) => finder.leading(&weighted(error, squares, mean), columns, None, rank, &stop)?,
                (None, None) => finder.leading(error, columns, None, rank, &stop)?,
            };
            let found = found.ok_or(Stop::Cancelled)?;
            let unit = unit * f64::from(mean);
            gains.iter_mut().zip(&found.values).for_each(|(gain, value)| *gain += unit * value * value);
            let step = (error.len() / columns).div_ceil(ROWS);
            let some: Vec<f32> = error.chunks_exact(columns).step_by(step).flatten().copied().collect();
            let all = match (&ready, squares) {
                (Some(ready), _) => quadratic_form(&some, columns, ready.hessian().matrix()),
                (None, Some(squares)) => weighted(&some, squares, mean).iter().map(|e| f64::from(*e).powi(2)).sum(),
                (None, None) => some.iter().map(|e| f64::from(*e).powi(2)).sum(),
            };
            loss += unit * all * error.len() as f64 / some.len() as f64;
            factors.push(Factors::of(found.left, error, columns));
        }
        gains.truncate(factors.iter().map(Factors::rank).min().unwrap_or(0));
        let loss = loss.max(gains.iter().sum());
        Ok((Spectrum::new(tensor, loss, gains), factors))
    }
}

/// Rows whose columns count as much as the squares of their inputs, in units of their mean.
fn weighted(rows: &[f32], squares: &[f32], mean: f32) -> Vec<f32> {
    let mean = if mean > 0.0 { mean } else { 1.0 };
    let factors: Vec<f32> = squares.iter().map(|square| (square.max(0.0) / mean).sqrt()).collect();
    rows.chunks_exact(squares.len()).flat_map(|row| row.iter().zip(&factors).map(|(e, factor)| e * factor)).collect()
}
