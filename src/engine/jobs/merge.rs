//! What adapters add to a tensor's weights: `scale * b a`, in F32, row by row; and for DoRA, the length of each row.

use super::decode::Memory;
use super::read::Reader;
use crate::arch::{Addend, Part, Tensor};
use crate::engine::worker::Stop;
use crate::quant::F32;
use std::ops::Range;

/// The factors that belong to some rows of a tensor.
pub(super) struct Merge {
    columns: usize,
    loaded: Vec<Loaded>,
}

/// Those of one addend.
struct Loaded {
    /// Rows of the tensor.
    rows: Range<u64>,
    rank: usize,
    scale: f32,
    a: Vec<f32>,
    b: Vec<f32>,
    magnitude: Option<Vec<f32>>,
}

impl Merge {
    /// Loads what is added to these rows.
    pub(super) fn load(reader: &Reader<'_>, tensor: &Tensor, rows: &Range<u64>) -> Result<Self, Stop> {
        let mut memory = Memory::default();
        let mut loaded = Vec::new();
        for addend in tensor.addends() {
            let first = addend.first / tensor.columns();
            let here = rows.start.max(first)..rows.end.min(first + addend.rows);
            if here.is_empty() {
                continue;
            }
            let Addend { a, b, rank, scale, magnitude, .. } = addend;
            let mut read = |part: &Part, units: Range<u64>| {
                let mut out = vec![0.0; (units.end - units.start) as usize];
                memory.fill(reader, part, &F32, units, bytemuck::cast_slice_mut(&mut out))?;
                Ok::<_, Stop>(out)
            };
            let own = here.start - first..here.end - first;
            loaded.push(Loaded {
                rank: *rank as usize,
                scale: *scale,
                a: read(a, 0..a.weights())?,
                b: read(b, own.start * rank..own.end * rank)?,
                magnitude: magnitude.as_ref().map(|magnitude| read(magnitude, own)).transpose()?,
                rows: here,
            });
        }
        Ok(Self { columns: tensor.columns() as usize, loaded })
    }

    /// Adds to whole rows, from the one at `first` on.
    pub(super) fn apply(&self, first: u64, weights: &mut [f32]) {
        for (row, weights) in (first..).zip(weights.chunks_exact_mut(self.columns)) {
            for loaded in self.loaded.iter().filter(|loaded| loaded.rows.contains(&row)) {
                loaded.apply((row - loaded.rows.start) as usize, weights);
            }
        }
    }
}

impl Loaded {
    fn apply(&self, row: usize, weights: &mut [f32]) {
        let mut sums = vec![0.0f32; weights.len()];
        let factors = &self.b[row * self.rank..][..self.rank];
        for (factor, a) in factors.iter().zip(self.a.chunks_exact(weights.len())) {
            sums.iter_mut().zip(a).for_each(|(sum, a)| *sum += factor * a);
        }
        weights.iter_mut().zip(&sums).for_each(|(weight, sum)| *weight += self.scale * sum);
        // "DoRA: Weight-Decomposed Low-Rank Adaptation" (arXiv 2402.09353), equation 5.
        if let Some(magnitude) = &self.magnitude {
            let length = weights.iter().map(|weight| f64::from(*weight).powi(2)).sum::<f64>().sqrt();
            let factor = (f64::from(magnitude[row]) / length) as f32;
            weights.iter_mut().for_each(|weight| *weight *= factor);
        }
    }
}
