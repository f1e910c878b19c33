//! Ways in which the order of a tensor's weights changes, for [`Rule::arranged`](super::Rule::arranged).
//!
//! Each takes the view of a whole stored tensor, rows first, of which a bias has nothing else; stacks have a matrix
//! for each expert before them.

use super::{Hparams, View};
use std::ops::Range;

/// Hugging Face stores a rotating head's rows as two halves that rotate with each other; llama.cpp's older kind of rope
/// wants the rows of a pair side by side: row `2 j + t` of a head comes from row `t head / 2 + j`.
pub(super) fn rope_pairs(stored: View, hparams: &Hparams) -> Vec<View> {
    let head = hparams.key_head;
    let heads = stored.axes[0].count.checked_div(head).unwrap_or(0);
    vec![stored.split(0, &[heads, 2, head / 2]).swap(1, 2)]
}

/// Columns become rows. A bias stays.
pub(super) fn transposed(stored: View, _: &Hparams) -> Vec<View> {
    match stored.axes.len() {
        0 | 1 => vec![stored],
        axes => vec![stored.swap(axes - 2, axes - 1)],
    }
}

/// The first half of a matrix's rows.
pub(super) fn first_half(stored: View, _: &Hparams) -> Vec<View> {
    let (axis, rows) = rows(&stored);
    vec![stored.slice(axis, 0..rows / 2)]
}

/// The second half of a matrix's rows.
pub(super) fn second_half(stored: View, _: &Hparams) -> Vec<View> {
    let (axis, rows) = rows(&stored);
    vec![stored.slice(axis, rows / 2..rows)]
}

/// The axis of a matrix's rows, and how many there are.
fn rows(stored: &View) -> (usize, u64) {
    let axis = stored.axes.len().saturating_sub(2);
    (axis, stored.axes[axis].count)
}

/// Heads that each hold their query, key and value become all queries, all keys, all values.
pub(super) fn apart(stored: View, hparams: &Hparams) -> Vec<View> {
    let heads = stored.split(0, &[hparams.heads.first(), 3, hparams.key_head]);
    (0..3).map(|kind| heads.clone().slice(1, kind..kind + 1)).collect()
}

/// Groups that each hold their query heads, a key head and a value head become all queries, all keys, all values.
pub(super) fn ungrouped(stored: View, hparams: &Hparams) -> Vec<View> {
    let [queries, key, value] = kinds(hparams);
    let groups = groups(stored, hparams);
    [queries, key, value].map(|heads| groups.clone().slice(1, heads)).into()
}

/// The queries of such groups, in pairs.
pub(super) fn grouped_queries(stored: View, hparams: &Hparams) -> Vec<View> {
    let [queries, ..] = kinds(hparams);
    in_pairs(groups(stored, hparams).slice(1, queries), hparams)
}

/// The keys of such groups, in pairs.
pub(super) fn grouped_keys(stored: View, hparams: &Hparams) -> Vec<View> {
    let [_, key, _] = kinds(hparams);
    in_pairs(groups(stored, hparams).slice(1, key), hparams)
}

/// The values of such groups.
pub(super) fn grouped_values(stored: View, hparams: &Hparams) -> Vec<View> {
    let [.., value] = kinds(hparams);
    vec![groups(stored, hparams).slice(1, value)]
}

/// Rows as groups, heads of a group, and rows of a head.
fn groups(stored: View, hparams: &Hparams) -> View {
    let [.., value] = kinds(hparams);
    stored.split(0, &[hparams.kv_heads.first(), value.end, hparams.key_head])
}

/// Which heads of a group are queries, key and value.
fn kinds(hparams: &Hparams) -> [Range<u64>; 3] {
    let queries = hparams.heads.first().checked_div(hparams.kv_heads.first()).unwrap_or(0);
    [0..queries, queries..queries + 1, queries + 1..queries + 2]
}

fn in_pairs(groups: View, hparams: &Hparams) -> Vec<View> {
    vec![groups.split(2, &[2, hparams.key_head / 2]).swap(2, 3)]
}

/// As many rows as the context has positions, from the end: the first are of positions that never occur.
pub(super) fn last_rows(stored: View, hparams: &Hparams) -> Vec<View> {
    let rows = stored.axes[0].count;
    vec![stored.slice(0, rows.saturating_sub(hparams.context)..rows)]
}

/// The first, third, fifth... of a matrix's rows.
pub(super) fn even_rows(stored: View, _: &Hparams) -> Vec<View> {
    let (axis, _) = rows(&stored);
    vec![stored.every(axis, 2, 0)]
}

/// The second, fourth, sixth... of a matrix's rows.
pub(super) fn odd_rows(stored: View, _: &Hparams) -> Vec<View> {
    let (axis, _) = rows(&stored);
    vec![stored.every(axis, 2, 1)]
}
