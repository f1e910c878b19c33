//! Coordinate descent: sweeps over the columns that change one number at a time where that lowers the cost.
//!
//! With e a row's error and g = e · H, a change of a number by t adds t · v to the row's weights, v the direction that the number
//! stands for, and changes the cost by t² · vHvᵀ − 2 t · g·v. In each block of columns the levels come first, then what
//! sub-blocks store, then the scales of all; what the block has changed by then goes into g of all columns in one product.

use super::Stopped;
use super::band::{Band, Errors};
use super::hessian::Block;
use super::product::{Operand, add_product, dot};
use super::refit::refit;
use crate::quant::{Apart, Parts};
use crate::wide::wide;

/// The most weights of a sub-block.
const MOST_SUB: usize = 32;

/// The numbers that a band's blocks store, by row.
pub(super) struct Numbers {
    pub(super) d: Vec<f32>,
    pub(super) dmin: Vec<f32>,
    pub(super) scales: Vec<f32>,
    pub(super) mins: Vec<f32>,
    pub(super) levels: Vec<f32>,
}

impl Numbers {
    pub(super) fn read(parts: &Parts, blocks: &[u8]) -> Self {
        let mut all = Self { d: vec![], dmin: vec![], scales: vec![], mins: vec![], levels: vec![] };
        let mut apart = Apart::default();
        for block in blocks.chunks_exact(parts.format.block_bytes) {
            parts.read(block, &mut apart);
            all.d.push(apart.d);
            all.dmin.push(apart.dmin);
            all.scales.extend(&apart.scales[..parts.subs()]);
            all.mins.extend(&apart.mins[..parts.subs()]);
            all.levels.extend(&apart.levels[..parts.format.block_weights]);
        }
        all
    }

    pub(super) fn write(&self, parts: &Parts, blocks: &mut [u8]) {
        let (subs, weights) = (parts.subs(), parts.format.block_weights);
        let mut apart = Apart::default();
        for (n, block) in blocks.chunks_exact_mut(parts.format.block_bytes).enumerate() {
            apart.d = self.d[n];
            apart.dmin = self.dmin[n];
            apart.scales[..subs].copy_from_slice(&self.scales[n * subs..][..subs]);
            apart.mins[..subs].copy_from_slice(&self.mins[n * subs..][..subs]);
            apart.levels[..weights].copy_from_slice(&self.levels[n * weights..][..weights]);
            parts.write(&apart, block);
        }
    }

    /// Those of `width` weights from `at` on, in the order of the fields.
    pub(super) fn of(&mut self, parts: &Parts, at: usize, width: usize) -> [&mut [f32]; 5] {
        let (block, sub) = (parts.format.block_weights, parts.sub);
        [
            &mut self.d[at / block..][..width / block],
            &mut self.dmin[at / block..][..width / block],
            &mut self.scales[at / sub..][..width / sub],
            &mut self.mins[at / sub..][..width / sub],
            &mut self.levels[at..][..width],
        ]
    }
}

/// Improves a band's blocks in at most so many sweeps. Returns the cost before and after each.
pub(super) fn descend(
    band: &Band<'_>,
    parts: &Parts,
    mut errors: Errors,
    sweeps: usize,
    stop: Stopped<'_>,
    blocks: &mut [u8],
) -> Option<Vec<f64>> {
    let columns = band.hessian.columns;
    let mut numbers = Numbers::read(parts, blocks);
    let cost = |errors: &Errors| errors.costs(columns).iter().sum::<f64>();
    let mut costs = vec![cost(&errors)];
    for _ in 0..sweeps {
        let mut moved = false;
        for block in &band.hessian.blocks {
            if stop() {
                return None;
            }
            moved |= sweep_block(band, parts, block, &mut numbers, &mut errors);
        }
        costs.push(cost(&errors));
        if !moved {
            break;
        }
    }
    numbers.write(parts, blocks);
    Some(costs)
}

/// Sweeps over the columns of a block in every row. Says whether anything changed.
fn sweep_block(band: &Band<'_>, parts: &Parts, block: &Block, numbers: &mut Numbers, errors: &mut Errors) -> bool {
    let columns = band.hessian.columns;
    let rows = errors.g.chunks_exact(columns);
    let mut g: Vec<f32> = rows.flat_map(|g| &g[block.start..][..block.width]).copied().collect();
    let change = improve(columns, parts, block, numbers, &mut g);
    if let Some(change) = &change {
        errors.add(change, block, band);
    }
    change.is_some()
}

/// Changes numbers of rows of `columns` columns in those of a block wherever that lowers the row's cost, where `g` is the
/// product of its errors with H there. Returns what the weights change by, if any does.
pub(super) fn improve(
    columns: usize,
    parts: &Parts,
    block: &Block,
    numbers: &mut Numbers,
    g: &mut [f32],
) -> Option<Vec<f32>> {
    let Block { start, width, .. } = *block;
    let mut change = vec![0.0; g.len()];
    let mut moved = false;
    for (row, (change, g)) in change.chunks_exact_mut(width).zip(g.chunks_exact_mut(width)).enumerate() {
        let [d, dmin, scales, mins, levels] = numbers.of(parts, row * columns + start, width);
        let mut part = Part { h: &block.matrix, g, change, d, dmin, scales, mins, levels };
        moved |= wide(|| part.sweep(parts));
    }
    moved |= refit(columns, parts, block, numbers, g, &mut change);
    moved.then_some(change)
}

impl Errors {
    /// Takes changes of the weights in the columns of a block off the errors.
    fn add(&mut self, change: &[f32], block: &Block, band: &Band<'_>) {
        let Block { start, width, .. } = *block;
        let columns = band.hessian.columns;
        for (e, change) in self.e.chunks_exact_mut(columns).zip(change.chunks_exact(width)) {
            e[start..start + width].iter_mut().zip(change).for_each(|(e, change)| *e -= change);
        }
        let h = Operand::rows(&band.hessian.matrix[start * columns..], columns);
        add_product((&mut self.g, columns), -1.0, Operand::rows(change, width), h, [band.rows, width, columns]);
    }
}

/// A row's part in a block of columns.
struct Part<'a> {
    /// The block's part of H.
    h: &'a [f32],
    g: &'a mut [f32],
    /// What the weights have changed by.
    change: &'a mut [f32],
    /// By block of the format.
    d: &'a [f32],
    dmin: &'a [f32],
    /// By sub-block.
    scales: &'a mut [f32],
    mins: &'a mut [f32],
    levels: &'a mut [f32],
}

impl Part<'_> {
    /// Changes levels, and then what sub-blocks store.
    #[inline(always)]
    fn sweep(&mut self, parts: &Parts) -> bool {
        let mut moved = false;
        for j in 0..self.levels.len() {
            let scale = self.d[j / parts.format.block_weights] * self.scales[j / parts.sub];
            let h = self.h[j * self.g.len() + j];
            let step = self.g[j] / (h * scale);
            if !step.is_finite() {
                continue;
            }
            let level = parts.nearest(self.levels[j] + step);
            let change = scale * (level - self.levels[j]);
            if change * (change * h - 2.0 * self.g[j]) < 0.0 {
                self.levels[j] = level;
                self.apply(j, change);
                moved = true;
            }
        }
        for s in 0..self.scales.len() {
            let block = s * parts.sub / parts.format.block_weights;
            let mut direction = [0.0; MOST_SUB];
            let direction = &mut direction[..parts.sub];
            if let Some(field) = &parts.scales {
                let levels = &self.levels[s * parts.sub..][..parts.sub];
                direction.iter_mut().zip(levels).for_each(|(v, level)| *v = self.d[block] * level);
                let step = self.step(s * parts.sub, direction, self.scales[s], [field.low, field.high]);
                self.scales[s] += step;
                moved |= step != 0.0;
            }
            if let Some(field) = &parts.mins {
                direction.fill(-self.dmin[block]);
                let step = self.step(s * parts.sub, direction, self.mins[s], [field.low, field.high]);
                self.mins[s] += step;
                moved |= step != 0.0;
            }
        }
        moved
    }

    /// Changes a whole number by the whole step that lowers the cost most, and returns the step. `direction` is that of the
    /// columns from `first` on.
    #[inline(always)]
    fn step(&mut self, first: usize, direction: &[f32], number: f32, [low, high]: [i32; 2]) -> f32 {
        let mut products = [0.0; MOST_SUB];
        let products = &mut products[..direction.len()];
        for (i, v) in direction.iter().enumerate() {
            let h = &self.h[(first + i) * self.g.len() + first..][..direction.len()];
            products.iter_mut().zip(h).for_each(|(product, h)| *product += v * h);
        }
        let along = dot(direction, &self.g[first..][..direction.len()]) as f32;
        let square = dot(direction, products) as f32;
        let step = (along / square).clamp(low as f32 - number, high as f32 - number).round();
        if !step.is_finite() || step * (step * square - 2.0 * along) >= 0.0 {
            return 0.0;
        }
        for (i, v) in direction.iter().enumerate() {
            self.apply(first + i, step * v);
        }
        step
    }

    /// Changes a weight.
    #[inline(always)]
    fn apply(&mut self, j: usize, change: f32) {
        let h = &self.h[j * self.g.len()..][..self.g.len()];
        self.g.iter_mut().zip(h).for_each(|(g, h)| *g -= change * h);
        self.change[j] += change;
    }
}
