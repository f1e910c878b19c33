//! Attention of every token to those before it in its chunk.

use super::Place;
use super::vector::{exp, largest, sum};
use crate::forward::Attention;
use crate::wide::wide;
use rayon::prelude::*;

/// Queries that are looked at together: what comes after the last of them is never computed.
const QUERIES: usize = 64;

/// Some queries of a chunk, and the keys that any of them sees.
#[derive(Clone, Copy)]
pub(super) struct Block {
    /// The row of the first query, of all rows.
    pub(super) query: usize,
    pub(super) queries: usize,
    /// The row of the first key, of all rows.
    pub(super) key: usize,
    pub(super) keys: usize,
    /// How many keys come before that of the first query.
    before: usize,
}

impl Block {
    /// From the query `begin` of the chunk of that number on.
    fn new(how: &Attention, Place { chunk, past }: Place, number: usize, begin: usize, queries: usize) -> Self {
        // Of keys; of them the first that the first of the queries sees is the first that any does.
        let first = past + begin;
        let start = how.window.map_or(0, |window| (first + 1).saturating_sub(window));
        Self {
            query: number * chunk + begin,
            queries,
            key: number * (past + chunk) + start,
            keys: first + queries - start,
            before: first - start,
        }
    }

    /// All blocks of a chunk, in order.
    pub(super) fn all(how: &Attention, place: Place, number: usize) -> impl Iterator<Item = Self> + '_ {
        (0..place.chunk)
            .step_by(QUERIES)
            .map(move |begin| Self::new(how, place, number, begin, QUERIES.min(place.chunk - begin)))
    }
}

/// From rows of queries, keys and values, each the heads side by side. The keys and values of each chunk begin with those
/// of the past.
pub(super) fn attention(how: &Attention, sinks: Option<&[f32]>, [q, k, v]: [&[f32]; 3], place: Place, to: &mut [f32]) {
    let &Attention { heads, kv_heads, value, .. } = how;
    let width = heads * value;
    let chunks = to.par_chunks_mut(place.chunk * width).enumerate();
    let tasks = chunks.flat_map(|(number, to)| {
        let blocks = to.par_chunks_mut(QUERIES * width).enumerate();
        blocks.map(move |(block, to)| (number, block * QUERIES, to))
    });
    tasks.for_each_init(Vec::new, |scores, (number, begin, to)| {
        let block = Block::new(how, place, number, begin, to.len() / width);
        scores.resize(block.queries * block.keys, 0.0);
        for head in 0..heads {
            shares(how, sinks, head, block, [q, k], scores, None);
            let v = &v[block.key * kv_heads * value + head / (heads / kv_heads) * value..];
            let to = (&mut to[head * value..], width, 1);
            product(
                (block.queries, value, block.keys),
                to,
                (scores, block.keys, 1),
                (v, kv_heads * value, 1),
                1.0,
                false,
            );
        }
    });
}

/// The shares that the queries of a block give to keys in a head, by query. `bends` gets what the bound on scores
/// multiplies the gradient of each with.
pub(super) fn shares(
    how: &Attention,
    sinks: Option<&[f32]>,
    head: usize,
    block: Block,
    [q, k]: [&[f32]; 2],
    scores: &mut [f32],
    mut bends: Option<&mut [f32]>,
) {
    let &Attention { heads, kv_heads, key, .. } = how;
    let keys = block.keys;
    let q = &q[(block.query * heads + head) * key..];
    let k = &k[(block.key * kv_heads + head / (heads / kv_heads)) * key..];
    let shape = (block.queries, keys, key);
    product(shape, (scores, keys, 1), (q, heads * key, 1), (k, 1, kv_heads * key), how.scale, false);
    let slope = how.alibi.map(|most| slope(most, head, heads));
    for (row, scores) in scores.chunks_exact_mut(keys).enumerate() {
        let end = block.before + row + 1;
        let first = how.window.map_or(0, |window| end.saturating_sub(window));
        let (before, scores) = scores.split_at_mut(first);
        let (seen, after) = scores.split_at_mut(end - first);
        before.fill(0.0);
        after.fill(0.0);
        if let Some(bound) = how.softcap {
            seen.iter_mut().for_each(|score| *score = bound * (*score / bound).tanh());
            if let Some(bends) = &mut bends {
                let bends = &mut bends[row * keys + first..];
                bends.iter_mut().zip(&*seen).for_each(|(bend, score)| *bend = 1.0 - (score / bound).powi(2));
            }
        }
        if let Some(slope) = slope {
            let distances = (0..seen.len()).rev();
            seen.iter_mut().zip(distances).for_each(|(score, distance)| *score -= slope * distance as f32);
        }
        wide(|| softmax(seen, sinks.map(|sinks| sinks[head])));
    }
}

/// How much a score falls with each token of distance (Press and others 2022; heads beyond a power of two lie between).
pub(super) fn slope(most: f32, head: usize, heads: usize) -> f32 {
    let power = 1 << heads.ilog2();
    let base = |of: f32| 2f32.powf(-of / power as f32);
    match head < power {
        true => base(most).powi(head as i32 + 1),
        false => base(most / 2.0).powi(2 * (head - power) as i32 + 1),
    }
}

/// Scores become shares; a sink takes one too.
#[inline(always)]
pub(super) fn softmax(scores: &mut [f32], sink: Option<f32>) {
    let most = largest(scores).max(sink.unwrap_or(f32::NEG_INFINITY));
    scores.iter_mut().for_each(|score| *score = exp(*score - most));
    let all = sum(scores, |share| share) + sink.map_or(0.0, |sink| exp(sink - most));
    let share = 1.0 / all;
    scores.iter_mut().for_each(|score| *score *= share);
}

/// `to = scale · a · b`, or `to +=` that, of matrices (rows, columns, inner), each with the steps to the next row and column.
pub(super) fn product(
    (rows, columns, inner): (usize, usize, usize),
    (to, to_row, to_column): (&mut [f32], usize, usize),
    (a, a_row, a_column): (&[f32], usize, usize),
    (b, b_row, b_column): (&[f32], usize, usize),
    scale: f32,
    adds: bool,
) {
    let last = |rows: usize, row: usize, columns: usize, column: usize| (rows - 1) * row + (columns - 1) * column;
    assert!(last(rows, to_row, columns, to_column) < to.len());
    assert!(last(rows, a_row, inner, a_column) < a.len());
    assert!(last(inner, b_row, columns, b_column) < b.len());
    let step = |step: usize| step as isize;
    // SAFETY: the slices hold the last row and column of each matrix.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            to.as_mut_ptr(),
            step(to_column),
            step(to_row),
            adds,
            a.as_ptr(),
            step(a_column),
            step(a_row),
            b.as_ptr(),
            step(b_column),
            step(b_row),
            1.0,
            scale,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
