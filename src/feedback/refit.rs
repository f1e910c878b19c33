//! The scales of super-blocks of a row in a block of columns at once, by least squares.
//!
//! The row's weights there are a sum of directions, one for each d and each dmin; the steps t along them that lower the cost
//! most solve (V · H · Vᵀ) t = V · g. What other columns lose is in g. The scales of all columns at once gain no more, for
//! several times the arithmetic (measured on the sample model).

use super::descend::Numbers;
use super::hessian::Block;
use super::product::{Operand, add_product, dot};
use crate::quant::Parts;
use crate::wide::wide;
use std::cmp::Ordering;

/// Added to the diagonal of a system, in units of it, so that directions that hardly differ do no harm.
const RIDGE: f64 = 1e-5;

/// Fits d and dmin of the blocks of some rows of `row` columns in the columns of `block`, where `g` is the product of the errors
/// with H, by row. Adds what the weights change by to `change`. Says whether anything changed.
pub(super) fn refit(
    row: usize,
    parts: &Parts,
    block: &Block,
    numbers: &mut Numbers,
    g: &[f32],
    change: &mut [f32],
) -> bool {
    let rows = g.len() / block.width;
    let group = Group { row, rows, parts, kinds: 1 + usize::from(parts.has_min()), columns: block };
    let directions = group.directions(numbers);
    let systems = group.systems(&directions);
    group.fit(&directions, &systems, numbers, g, change)
}

/// Neighbouring blocks of some rows.
struct Group<'a> {
    /// Columns of a row.
    row: usize,
    rows: usize,
    parts: &'a Parts,
    /// Numbers of a block: d, and dmin where there is one.
    kinds: usize,
    columns: &'a Block,
}

impl Group<'_> {
    fn block(&self) -> usize {
        self.parts.format.block_weights
    }

    /// Numbers that are fitted in a row.
    fn unknowns(&self) -> usize {
        self.columns.width / self.block() * self.kinds
    }

    /// By row and kind, what each column's weight changes by with its block's number.
    fn directions(&self, numbers: &Numbers) -> Vec<f32> {
        let Block { start, width, .. } = *self.columns;
        let mut all = vec![0.0; self.rows * self.kinds * width];
        for (row, directions) in all.chunks_exact_mut(self.kinds * width).enumerate() {
            let at = row * self.row + start;
            for j in 0..width {
                let sub = (at + j) / self.parts.sub;
                directions[j] = numbers.scales[sub] * numbers.levels[at + j];
                if let Some(direction) = directions.get_mut(width + j) {
                    *direction = -numbers.mins[sub];
                }
            }
        }
        all
    }

    /// V · H · Vᵀ of each row.
    fn systems(&self, directions: &[f32]) -> Vec<f64> {
        let (unknowns, block, width) = (self.unknowns(), self.block(), self.columns.width);
        let lines = self.rows * self.kinds;
        let mut systems = vec![0.0; self.rows * unknowns * unknowns];
        let mut products = vec![0.0; lines * width];
        for first in (0..width).step_by(block) {
            // H is symmetric, so only what comes from the block on is needed.
            let rest = width - first;
            let products = &mut products[..lines * rest];
            products.fill(0.0);
            let h = Operand::rows(&self.columns.matrix[first * width + first..], width);
            let own = Operand::rows(&directions[first..], width);
            add_product((products, rest), 1.0, own, h, [lines, block, rest]);
            for (row, system) in systems.chunks_exact_mut(unknowns * unknowns).enumerate() {
                for kind in 0..self.kinds {
                    let product = &products[(row * self.kinds + kind) * rest..][..rest];
                    let i = first / block * self.kinds + kind;
                    for other in 0..self.kinds {
                        let direction = &directions[(row * self.kinds + other) * width + first..][..rest];
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
        systems
    }

    /// Changes the numbers of each row where that lowers its cost.
    fn fit(&self, directions: &[f32], systems: &[f64], numbers: &mut Numbers, g: &[f32], change: &mut [f32]) -> bool {
        let (unknowns, block, width) = (self.unknowns(), self.block(), self.columns.width);
        let rows = change.chunks_exact_mut(width).zip(g.chunks_exact(width));
        let rows = rows.zip(directions.chunks_exact(self.kinds * width)).zip(systems.chunks_exact(unknowns * unknowns));
        let mut moved = false;
        for (row, (((change, g), directions), system)) in rows.enumerate() {
            let direction = |i: usize| &directions[i % self.kinds * width + i / self.kinds * block..][..block];
            let along: Vec<f64> =
                (0..unknowns).map(|i| dot(direction(i), &g[i / self.kinds * block..][..block])).collect();
            let Some(wanted) = solve(system, &along) else { continue };
            let first = (row * self.row + self.columns.start) / block;
            let number = |i: usize| match i % self.kinds {
                0 => numbers.d[first + i / self.kinds],
                _ => numbers.dmin[first + i / self.kinds],
            };
            let steps: Vec<f32> = wanted.iter().enumerate().map(|(i, step)| self.step(i, number(i), *step)).collect();
            // Also true for what is no number.
            if cost(system, &along, &steps).partial_cmp(&0.0) != Some(Ordering::Less) {
                continue;
            }
            moved = true;
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
        moved
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
