//! SparseGPT: weights go from left to right, and those to the right make good what they can.
//!
//! The Gram matrix is H = R · Rᵀ with R upper triangular, as for error feedback ([`crate::feedback`]): errors e of the columns
//! before a block leave e · R, and the weights of the block that make it good are w + (e · R) · R⁻¹. With U = R⁻¹, a weight t
//! that goes costs t² / U²ⱼⱼ once those after it did what they can; this is what it is chosen by. Which go is decided block by
//! block, of groups of neighbours group by group.

use super::Stopped;
use super::mask::{Limit, keep_groups};
use super::pattern::{Pattern, Scope};
use crate::feedback::{BAND, Block, Hessian, Operand, add_product};
use rayon::prelude::*;

/// Prunes whole rows in place. Weights that are not finite count as 0. None where it was stopped.
pub fn sparsegpt(
    weights: &mut [f32],
    hessian: &Hessian,
    pattern: Pattern,
    scope: Scope,
    stop: Stopped<'_>,
) -> Option<()> {
    let columns = hessian.columns();
    assert!(weights.len().is_multiple_of(columns));
    weights.iter_mut().filter(|weight| !weight.is_finite()).for_each(|weight| *weight = 0.0);
    let rows = weights.len() / columns;
    // What each column's weights are multiplied with for their scores.
    let factors =
        hessian.blocks.iter().flat_map(|block| (0..block.width).map(|j| 1.0 / block.inverse[j * (block.width + 1)]));
    let factors: Vec<f32> = factors.collect();
    let mut errors = vec![0.0f32; weights.len()];
    let mut kept = vec![true; weights.len()];
    for block in &hessian.blocks {
        if stop() {
            return None;
        }
        let Block { start, width, .. } = *block;
        let mut targets = vec![0.0f32; rows * width];
        let bands = targets.par_chunks_mut(BAND * width).zip(weights.par_chunks(BAND * columns));
        bands.zip(errors.par_chunks(BAND * columns)).for_each(|((targets, weights), errors)| {
            aim((targets, weights, errors), hessian, block);
        });
        if let Pattern::Share(_) = pattern {
            let factors = &factors[start..start + width];
            let of_row = |row: &[f32]| row.iter().zip(factors).map(|(t, u)| t.abs() * u).collect::<Vec<f32>>();
            let scores: Vec<f32> = targets.par_chunks(width).flat_map_iter(of_row).collect();
            let limits = Limit::of_rows(&scores, width, pattern, scope);
            let rows = kept.par_chunks_mut(columns).zip(scores.par_chunks(width)).zip(&limits);
            rows.for_each(|((kept, scores), limit)| limit.keep(scores, &mut kept[start..start + width]));
        }
        let each = weights.par_chunks_mut(columns).zip(errors.par_chunks_mut(columns));
        let each = each.zip(kept.par_chunks_mut(columns)).zip(targets.par_chunks_mut(width));
        each.for_each(|(((weights, errors), kept), targets)| {
            prune_row(Row { weights, errors, kept, targets }, block, pattern, &factors);
        });
    }
    Some(())
}

/// Sets a band's targets in a block: its weights, and what makes good the errors so far.
fn aim((targets, weights, errors): (&mut [f32], &[f32], &[f32]), hessian: &Hessian, block: &Block) {
    let Block { start, width, .. } = *block;
    let columns = hessian.columns();
    let rows = weights.len() / columns;
    let mut lost = vec![0.0f32; targets.len()];
    let root = Operand::rows(&hessian.root[start..], columns);
    add_product((&mut lost, width), 1.0, Operand::rows(errors, columns), root, [rows, start, width]);
    for (targets, weights) in targets.chunks_exact_mut(width).zip(weights.chunks_exact(columns)) {
        targets.copy_from_slice(&weights[start..start + width]);
    }
    let inverse = Operand::rows(&block.inverse, width);
    add_product((targets, width), 1.0, Operand::rows(&lost, width), inverse, [rows, width, width]);
}

/// A row, of which `targets` is the part in a block.
struct Row<'a> {
    weights: &'a mut [f32],
    errors: &'a mut [f32],
    kept: &'a mut [bool],
    targets: &'a mut [f32],
}

fn prune_row(row: Row<'_>, block: &Block, pattern: Pattern, factors: &[f32]) {
    let Row { weights, errors, kept, targets } = row;
    let Block { start, width, .. } = *block;
    for j in 0..width {
        let column = start + j;
        if let Pattern::Groups { of, .. } = pattern
            && column.is_multiple_of(of)
        {
            // A group may reach into the next block, whose weights nothing was added to yet.
            let group = column..(column + of).min(weights.len());
            let target = |c: usize| targets.get(c - start).copied().unwrap_or(weights[c]);
            let scores: Vec<f32> = group.clone().map(|c| target(c).abs() * factors[c]).collect();
            keep_groups(&scores, pattern.count(scores.len()), &mut kept[group]);
        }
        let value = if kept[column] { targets[j] } else { 0.0 };
        errors[column] = weights[column] - value;
        weights[column] = value;
        if !kept[column] {
            let inverse = &block.inverse[j * width..][..width];
            let error = targets[j] / inverse[j];
            targets[j + 1..].iter_mut().zip(&inverse[j + 1..]).for_each(|(target, u)| *target -= error * u);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prune::sparsify;

    fn random(n: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 8_388_608.0 - 1.0
        };
        (0..n).map(|_| next() + next() + next()).collect()
    }

    /// Inputs that go together, as a model's do.
    fn gram(columns: usize) -> Vec<f32> {
        let (tokens, hidden) = (4 * columns, columns / 4);
        let (x, mix) = (random(tokens * hidden, 1), random(hidden * columns, 2));
        let mut rows = random(tokens * columns, 3);
        rows.iter_mut().for_each(|noise| *noise *= 0.3);
        let shape = [tokens, hidden, columns];
        add_product((&mut rows, columns), 1.0, Operand::rows(&x, hidden), Operand::rows(&mix, columns), shape);
        // Some columns are louder than others.
        rows.iter_mut().enumerate().for_each(|(n, x)| *x *= 0.2 + (n % columns % 7) as f32 / 4.0);
        let mut gram = vec![0.0; columns * columns];
        let transposed = Operand::rows(&rows, columns).transposed();
        add_product(
            (&mut gram, columns),
            1.0 / tokens as f32,
            transposed,
            Operand::rows(&rows, columns),
            [columns, tokens, columns],
        );
        gram
    }

    fn cost(before: &[f32], after: &[f32], gram: &[f32], columns: usize) -> f64 {
        let e: Vec<f32> = before.iter().zip(after).map(|(a, b)| a - b).collect();
        let mut g = vec![0.0; e.len()];
        add_product(
            (&mut g, columns),
            1.0,
            Operand::rows(&e, columns),
            Operand::rows(gram, columns),
            [e.len() / columns, columns, columns],
        );
        e.iter().zip(&g).map(|(e, g)| f64::from(*e) * f64::from(*g)).sum()
    }

    /// The published order: what makes good beats what only chooses by inputs, and that beats magnitude.
    #[test]
    fn each_method_loses_less_than_the_one_before() {
        let (rows, columns) = (24, 320);
        let gram = gram(columns);
        let weights = random(rows * columns, 4);
        let hessian = Hessian::new(&gram, columns, 0.01, &|| false).unwrap().unwrap();
        let norms: Vec<f32> = (0..columns).map(|j| gram[j * (columns + 1)].sqrt()).collect();
        for pattern in [Pattern::Share(0.5), Pattern::Groups { kept: 2, of: 4 }, Pattern::Groups { kept: 3, of: 5 }] {
            let by_score = |norms: Option<&[f32]>| {
                let mut found = weights.clone();
                sparsify(&mut found, columns, norms, pattern, Scope::Row);
                found
            };
            let mut made_good = weights.clone();
            sparsegpt(&mut made_good, &hessian, pattern, Scope::Row, &|| false).unwrap();
            let gone = |weights: &[f32]| weights.iter().filter(|weight| **weight == 0.0).count();
            let (plain, wanda) = (by_score(None), by_score(Some(&norms)));
            assert_eq!([gone(&wanda), gone(&made_good)], [gone(&plain); 2], "{pattern}");
            if let Pattern::Groups { of, .. } = pattern {
                assert!(made_good.chunks(of).all(|group| gone(group) == pattern.count(of)), "{pattern}");
            }
            let [plain, wanda, made_good] = [plain, wanda, made_good].map(|w| cost(&weights, &w, &gram, columns));
            assert!(made_good < 0.7 * wanda && wanda < plain, "{pattern}: {made_good} {wanda} {plain}");
        }
    }

    #[test]
    fn it_stops_when_told() {
        let hessian = Hessian::new(&gram(32), 32, 0.01, &|| false).unwrap().unwrap();
        assert_eq!(sparsegpt(&mut [1.0; 64], &hessian, Pattern::Share(0.5), Scope::Row, &|| true), None);
    }
}
