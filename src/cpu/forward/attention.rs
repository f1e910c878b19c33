//! Attention of every token to those before it in its chunk.

use super::Place;
use super::vector::{exp, largest, sum};
use crate::forward::Attention;
use crate::wide::wide;
use rayon::prelude::*;

/// Queries that are looked at together: what comes after the last of them is never computed.
const QUERIES: usize = 64;

/// From rows of queries, keys and values, each the heads side by side. The keys and values of each chunk begin with those
/// of the past.
pub(super) fn attention(how: &Attention, sinks: Option<&[f32]>, [q, k, v]: [&[f32]; 3], place: Place, to: &mut [f32]) {
    let Place { chunk, past } = place;
    let &Attention { heads, kv_heads, key, value, .. } = how;
    let width = heads * value;
    let chunks = to.par_chunks_mut(chunk * width).enumerate();
    let tasks = chunks.flat_map(|(number, to)| {
        let blocks = to.par_chunks_mut(QUERIES * width).enumerate();
        blocks.map(move |(block, to)| (number, block * QUERIES, to))
    });
    tasks.for_each_init(Vec::new, |scores, (number, begin, to)| {
        let (q_text, kv_text) = (number * chunk, number * (past + chunk));
        // Of keys; of them the first that the first of the queries sees is the first that any does.
        let (begin, query) = (past + begin, begin);
        let end = begin + to.len() / width;
        let start = how.window.map_or(0, |window| (begin + 1).saturating_sub(window));
        let (queries, keys) = (end - begin, end - start);
        scores.resize(queries * keys, 0.0);
        for head in 0..heads {
            let kv_head = head / (heads / kv_heads);
            let q = &q[(q_text + query) * heads * key + head * key..];
            let k = &k[(kv_text + start) * kv_heads * key + kv_head * key..];
            let v = &v[(kv_text + start) * kv_heads * value + kv_head * value..];
            product((queries, keys, key), (scores, keys, 1), (q, heads * key, 1), (k, 1, kv_heads * key), how.scale);
            let slope = how.alibi.map(|most| slope(most, head, heads));
            for (row, scores) in scores.chunks_exact_mut(keys).enumerate() {
                let token = begin + row;
                let seen = how.window.map_or(0, |window| (token + 1).saturating_sub(window)).max(start) - start;
                let (before, scores) = scores.split_at_mut(seen);
                let (seen, after) = scores.split_at_mut(token + 1 - start - seen);
                before.fill(0.0);
                after.fill(0.0);
                if let Some(bound) = how.softcap {
                    seen.iter_mut().for_each(|score| *score = bound * (*score / bound).tanh());
                }
                if let Some(slope) = slope {
                    let distances = (0..seen.len()).rev();
                    seen.iter_mut().zip(distances).for_each(|(score, distance)| *score -= slope * distance as f32);
                }
                wide(|| softmax(seen, sinks.map(|sinks| sinks[head])));
            }
            let to = &mut to[head * value..];
            product((queries, value, keys), (to, width, 1), (scores, keys, 1), (v, kv_heads * value, 1), 1.0);
        }
    });
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

/// `to = scale · a · b` of matrices (rows, columns, inner), each with the steps to the next row and column.
fn product(
    (rows, columns, inner): (usize, usize, usize),
    (to, to_row, to_column): (&mut [f32], usize, usize),
    (a, a_row, a_column): (&[f32], usize, usize),
    (b, b_row, b_column): (&[f32], usize, usize),
    scale: f32,
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
            false,
            a.as_ptr(),
            step(a_column),
            step(a_row),
            b.as_ptr(),
            step(b_column),
            step(b_row),
            0.0,
            scale,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
