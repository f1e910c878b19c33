//! The adjoint of attention.
//!
//! With shares P of the scores S, values V and the gradient D by the outputs, the gradients are Pᵀ D by the values, and
//! P ∘ (D Vᵀ − the sum of P ∘ D Vᵀ in each row) by the scores, from which those by queries and keys follow. What a sink takes is
//! no output, so it is in the sum only by the shares that it leaves.

use crate::cpu::forward::Place;
use crate::cpu::forward::attention::{Block, product, shares};
use crate::cpu::forward::vector::dot;
use crate::forward::Attention;
use crate::wide::wide;
use rayon::prelude::*;

/// The gradients by queries, keys and values. All of a key-value head in a chunk is computed by one thread.
pub(super) fn attention(
    how: &Attention,
    sinks: Option<&[f32]>,
    [q, k, v]: [&[f32]; 3],
    gradient: &[f32],
    place: Place,
) -> [Vec<f32>; 3] {
    let &Attention { heads, kv_heads, key, value, .. } = how;
    let (chunk, group) = (place.chunk, heads / kv_heads);
    let chunks = gradient.len() / (heads * value * chunk);
    let tasks = (0..chunks * kv_heads).into_par_iter().map(|task| {
        let (number, kv_head) = (task / kv_heads, task % kv_heads);
        let mut found = [vec![0.0; chunk * group * key], vec![0.0; chunk * key], vec![0.0; chunk * value]];
        let [by_q, by_k, by_v] = &mut found;
        let [mut p, mut s, mut bends] = [(); 3].map(|()| Vec::new());
        for block in Block::all(how, place, number) {
            let (queries, keys) = (block.queries, block.keys);
            p.resize(queries * keys, 0.0);
            s.resize(queries * keys, 0.0);
            let [own_query, own_key] = [block.query, block.key].map(|row| row - number * chunk);
            let (by_k, by_v) = (&mut by_k[own_key * key..], &mut by_v[own_key * value..]);
            let k_rows = &k[(block.key * kv_heads + kv_head) * key..];
            let v_rows = &v[(block.key * kv_heads + kv_head) * value..];
            for n in 0..group {
                let head = kv_head * group + n;
                bends.clear();
                bends.resize(queries * keys, 1.0);
                shares(how, sinks, head, block, [q, k], &mut p, Some(&mut bends));
                let d = &gradient[(block.query * heads + head) * value..];
                let q_rows = &q[(block.query * heads + head) * key..];
                let by_q = &mut by_q[(own_query * group + n) * key..];
                let (d_step, q_step, k_step, v_step) = (heads * value, heads * key, kv_heads * key, kv_heads * value);
                product((keys, value, queries), (by_v, value, 1), (&p, 1, keys), (d, d_step, 1), 1.0, true);
                product(
                    (queries, keys, value),
                    (&mut s, keys, 1),
                    (d, d_step, 1),
                    (v_rows, 1, v_step),
                    how.scale,
                    false,
                );
                let rows = s.chunks_exact_mut(keys).zip(p.chunks_exact(keys)).zip(bends.chunks_exact(keys));
                rows.for_each(|((s, p), bends)| {
                    wide(|| {
                        let mean = dot(s, p);
                        s.iter_mut().zip(p).zip(bends).for_each(|((s, p), bend)| *s = p * (*s - mean) * bend);
                    });
                });
                product((queries, key, keys), (by_q, group * key, 1), (&s, keys, 1), (k_rows, k_step, 1), 1.0, false);
                product((keys, key, queries), (by_k, key, 1), (&s, 1, keys), (q_rows, q_step, 1), 1.0, true);
            }
        }
        found
    });
    let found: Vec<[Vec<f32>; 3]> = tasks.collect();
    // Heads side by side again.
    let joined = |n: usize, width: usize| -> Vec<f32> {
        let row = |row: usize| {
            let (number, token) = (row / chunk, row % chunk);
            let heads = &found[number * kv_heads..][..kv_heads];
            heads.iter().flat_map(move |found| &found[n][token * width..][..width])
        };
        (0..chunks * chunk).flat_map(row).copied().collect()
    };
    [joined(0, group * key), joined(1, key), joined(2, value)]
}
