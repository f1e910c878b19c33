//! Attention of every token to those before it in its chunk.

use crate::forward::Attention;
use rayon::prelude::*;

/// Queries that are looked at together: what comes after the last of them is never computed.
const QUERIES: usize = 64;

/// From rows of queries, keys and values, each the heads side by side.
pub(super) fn attention(how: &Attention, [q, k, v]: [&[f32]; 3], chunk: usize, to: &mut [f32]) {
    let &Attention { heads, kv_heads, key, value, .. } = how;
    let chunks = to.par_chunks_mut(chunk * heads * value).enumerate();
    chunks.for_each_init(Vec::new, |scores, (number, to)| {
        let tokens = to.len() / (heads * value);
        let first = number * chunk;
        let part = |width: usize| first * width..(first + tokens) * width;
        let (q, k, v) = (&q[part(heads * key)], &k[part(kv_heads * key)], &v[part(kv_heads * value)]);
        for head in 0..heads {
            let kv_head = head / (heads / kv_heads);
            for begin in (0..tokens).step_by(QUERIES) {
                let end = tokens.min(begin + QUERIES);
                // Keys that the first of the queries sees are the first that any does.
                let start = how.window.map_or(0, |window| (begin + 1).saturating_sub(window));
                let (queries, keys) = (end - begin, end - start);
                scores.resize(queries * keys, 0.0);
                product(
                    (queries, keys, key),
                    (scores.as_mut_ptr(), keys, 1),
                    (q[begin * heads * key + head * key..].as_ptr(), heads * key, 1),
                    (k[start * kv_heads * key + kv_head * key..].as_ptr(), 1, kv_heads * key),
                    how.scale,
                );
                for (row, scores) in scores.chunks_exact_mut(keys).enumerate() {
                    let token = begin + row;
                    let seen = how.window.map_or(0, |window| (token + 1).saturating_sub(window)) - start;
                    softmax(scores, seen..token + 1 - start, how.softcap);
                }
                product(
                    (queries, value, keys),
                    (to[begin * heads * value + head * value..].as_mut_ptr(), heads * value, 1),
                    (scores.as_ptr(), keys, 1),
                    (v[start * kv_heads * value + kv_head * value..].as_ptr(), kv_heads * value, 1),
                    1.0,
                );
            }
        }
    });
}

/// Scores become shares of those seen; the others become 0.
fn softmax(scores: &mut [f32], seen: std::ops::Range<usize>, softcap: Option<f32>) {
    let (before, rest) = scores.split_at_mut(seen.start);
    let (seen, after) = rest.split_at_mut(seen.end - seen.start);
    before.fill(0.0);
    after.fill(0.0);
    if let Some(bound) = softcap {
        seen.iter_mut().for_each(|score| *score = bound * (*score / bound).tanh());
    }
    let most = seen.iter().fold(f32::NEG_INFINITY, |most, score| most.max(*score));
    let mut sum = 0.0;
    for score in seen.iter_mut() {
        *score = (*score - most).exp();
        sum += *score;
    }
    let share = 1.0 / sum;
    seen.iter_mut().for_each(|score| *score *= share);
}

/// `to = scale · a · b` of matrices (rows, columns, inner); each is a place with the steps to the next row and column.
fn product(
    (rows, columns, inner): (usize, usize, usize),
    (to, to_row, to_column): (*mut f32, usize, usize),
    (a, a_row, a_column): (*const f32, usize, usize),
    (b, b_row, b_column): (*const f32, usize, usize),
    scale: f32,
) {
    let step = |step: usize| step as isize;
    // SAFETY: the callers take the places from slices that hold the last row and column of each matrix.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            to,
            step(to_column),
            step(to_row),
            false,
            a,
            step(a_column),
            step(a_row),
            b,
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
