//! All scales of super-blocks of a row at once, by least squares in the whole of H.
//!
//! The row's weights are a sum of directions, one for each d and each dmin; the steps t along them that lower the cost most
//! solve (V · H · Vᵀ) t = V · g. What has many blocks is fitted in groups of them, one after another.

use super::Stopped;
use super::band::{Band, Errors};
use super::descend::Numbers;
use super::product::{Operand, add_product, dot};
use crate::quant::Parts;
use crate::wide::wide;

/// The most numbers that are fitted at once: a row's system has as many rows and columns.
const TOGETHER: usize = 64;

/// Added to the diagonal of a system, in units of it, so that directions that hardly differ do no harm.
const RIDGE: f64 = 1e-5;

/// Fits d and dmin of all blocks of a band.
pub(super) fn refit(
    band: &Band<'_>,
    parts: &Parts,
    numbers: &mut Numbers,
    errors: &mut Errors,
    stop: Stopped<'_>,
) -> Option<()> {
    let kinds = 1 + usize::from(parts.has_min());
    let most = TOGETHER / kinds * parts.format.block_weights;
    for start in (0..band.hessian.columns).step_by(most) {
        let width = most.min(band.hessian.columns - start);
        let group = Group { band, parts, kinds, start, width };
        let directions = group.directions(numbers);
        let systems = group.systems(&directions, stop)?;
        let change = group.fit(&directions, &systems, numbers, errors);
        errors.add(&change, start, width, band);
    }
    Some(())
}

/// Neighbouring blocks of every row of a band.
struct Group<'a> {
    band: &'a Band<'a>,
    parts: &'a Parts,
    /// Numbers of a block: d, and dmin where there is one.
    kinds: usize,
    start: usize,
    width: usize,
}

impl Group<'_> {
    fn block(&self) -> usize {
        self.parts.format.block_weights
    }

    /// Numbers that are fitted in a row.
    fn unknowns(&self) -> usize {
        self.width / self.block() * self.kinds
    }

    /// By row and kind, what each column's weight changes by with its block's number.
    fn directions(&self, numbers: &Numbers) -> Vec<f32> {
        let mut all = vec![0.0; self.band.rows * self.kinds * self.width];
        for (row, directions) in all.chunks_exact_mut(self.kinds * self.width).enumerate() {
            let at = row * self.band.hessian.columns + self.start;
            for j in 0..self.width {
                let sub = (at + j) / self.parts.sub;
                directions[j] = numbers.scales[sub] * numbers.levels[at + j];
                if let Some(direction) = directions.get_mut(self.width + j) {
                    *direction = -numbers.mins[sub];
                }
            }
        }
        all
    }

    /// V · H · Vᵀ of each row.
    fn systems(&self, directions: &[f32], stop: Stopped<'_>) -> Option<Vec<f64>> {
        let (unknowns, block, columns) = (self.unknowns(), self.block(), self.band.hessian.columns);
        let lines = self.band.rows * self.kinds;
        let mut systems = vec![0.0; self.band.rows * unknowns * unknowns];
        let mut products = vec![0.0; lines * self.width];
        for first in (0..self.width).step_by(block) {
            if stop() {
                return None;
            }
            // H is symmetric, so only what comes from the block on is needed.
            let rest = self.width - first;
            let products = &mut products[..lines * rest];
            products.fill(0.0);
            let h = Operand::rows(
                &self.band.hessian.matrix[(self.start + first) * columns + self.start + first..],
                columns,
            );
            let own = Operand::rows(&directions[first..], self.width);
            add_product((products, rest), 1.0, own, h, [lines, block, rest]);
            for (row, system) in systems.chunks_exact_mut(unknowns * unknowns).enumerate() {
                for kind in 0..self.kinds {
                    let product = &products[(row * self.kinds + kind) * rest..][..rest];
                    let i = first / block * self.kinds + kind;
                    for other in 0..self.kinds {
                        let direction = &directions[(row * self.kinds + other) * self.width + first..][..rest];
                        let pairs = product.chunks_exact(block).zip(direction.chunks_exact(block)).enumerate();
                        for (later, (product, direction)) in pairs {
                            let j = (first / block + later) * self.kinds + other;
                            let sum = wide(|| dot(product, direction));
                            system[i * unknowns + j] = sum;
                            system[j * unknowns + i] = sum;
                        }
                    }
                }
            }
        }
        Some(systems)
    }

    /// Changes the numbers of each row where that lowers its cost. Returns what its weights change by.
    fn fit(&self, directions: &[f32], systems: &[f64], numbers: &mut Numbers, errors: &Errors) -> Vec<f32> {
        let (unknowns, block, columns) = (self.unknowns(), self.block(), self.band.hessian.columns);
        let mut change = vec![0.0; self.band.rows * self.width];
        let rows = change.chunks_exact_mut(self.width).zip(directions.chunks_exact(self.kinds * self.width));
        for (row, ((change, directions), system)) in rows.zip(systems.chunks_exact(unknowns * unknowns)).enumerate() {
            let at = row * columns + self.start;
            let g = &errors.g[at..at + self.width];
            let direction = |i: usize| &directions[i % self.kinds * self.width + i / self.kinds * block..][..block];
            let along: Vec<f64> =
                (0..unknowns).map(|i| dot(direction(i), &g[i / self.kinds * block..][..block])).collect();
            let Some(wanted) = solve(system, &along) else { continue };
            let first = at / block;
            let number = |i: usize| match i % self.kinds {
                0 => numbers.d[first + i / self.kinds],
                _ => numbers.dmin[first + i / self.kinds],
            };
            let steps: Vec<f32> = wanted.iter().enumerate().map(|(i, step)| self.step(i, number(i), *step)).collect();
            if cost(system, &along, &steps) >= 0.0 {
                continue;
            }
            for (i, step) in steps.iter().enumerate() {
                let place = first + i / self.kinds;
                match i % self.kinds {
                    0 => numbers.d[place] += step,
                    _ => numbers.dmin[place] += step,
                }
                let change = &mut change[i / self.kinds * block..][..block];
                change.iter_mut().zip(direction(i)).for_each(|(change, v)| *change += step * v);
            }
        }
        change
    }

    /// The step to the number that can be stored.
    fn step(&self, unknown: usize, number: f32, step: f64) -> f32 {
        let wanted = Parts::storable((f64::from(number) + step) as f32);
        // A super-block's minimums are above 0 in every reader's eyes.
        let is_min = unknown % self.kinds == 1 && self.parts.mins.is_some();
        if wanted.is_nan() || is_min && wanted < 0.0 { 0.0 } else { wanted - number }
    }
}

/// What steps change the cost by.
fn cost(system: &[f64], along: &[f64], steps: &[f32]) -> f64 {
    let rows = system.chunks_exact(along.len()).zip(along).zip(steps);
    let each = rows.map(|((row, along), step)| {
        let product: f64 = row.iter().zip(steps).map(|(a, step)| a * f64::from(*step)).sum();
        f64::from(*step) * (product - 2.0 * along)
    });
    each.sum()
}

/// x with `a` · x = `b`, by Cholesky's method; none where `a` is not positive definite. What has nothing on its diagonal stays 0.
fn solve(a: &[f64], b: &[f64]) -> Option<Vec<f64>> {
    let n = b.len();
    let mut l = a.to_vec();
    let mut x = b.to_vec();
    for i in 0..n {
        for j in 0..=i {
            let (before, own) = l.split_at(i * n);
            let lower = if i == j { &own[..j] } else { &before[j * n..][..j] };
            let sum = own[j] - own[..j].iter().zip(lower).map(|(a, b)| a * b).sum::<f64>();
            l[i * n + j] = if i != j {
                sum / l[j * n + j]
            } else {
                let square = sum + RIDGE * a[i * n + i];
                if a[i * n + i] == 0.0 {
                    1.0
                } else if square > 0.0 {
                    square.sqrt()
                } else {
                    return None;
                }
            };
        }
        x[i] = (x[i] - l[i * n..][..i].iter().zip(&x).map(|(l, x)| l * x).sum::<f64>()) / l[i * n + i];
    }
    for i in (0..n).rev() {
        let sum: f64 = (i + 1..n).map(|k| l[k * n + i] * x[k]).sum();
        x[i] = (x[i] - sum) / l[i * n + i];
    }
    Some(x)
}
