//! Attention.

use super::device::{Device, Reads, View, Work};
use super::kernels::Variant;
use super::rows::Place;
use crate::forward::Attention;
use crate::graph::RunError;

/// Queries of a workgroup, and columns of the values: as in shaders/attention.wgsl.
const QUERIES: u64 = 32;
const COLUMNS: u64 = 128;

/// From rows of queries, keys and values, each the heads side by side. The keys and values of each chunk begin with those
/// of the past.
pub(super) fn attention(
    device: &mut Device,
    how: &Attention,
    [q, k, v]: [&View; 3],
    of_heads: Option<&View>,
    rows: u64,
    place: Place,
    to: &View,
) -> Result<(), RunError> {
    let Place { chunk, past } = place;
    let seen = (past + chunk).min(how.window.map_or(u64::MAX, |window| window as u64));
    let (blocks, parts) = (chunk.div_ceil(QUERIES), (how.value as u64).div_ceil(COLUMNS));
    let groups = rows / chunk * blocks * how.heads as u64 * parts;
    let numbers = [
        groups,
        how.heads as u64,
        how.kv_heads as u64,
        how.key as u64 / 4,
        how.value as u64 / 4,
        past,
        chunk,
        blocks,
        parts,
        how.window.map_or(u64::from(u32::MAX), |window| window as u64),
    ];
    let mut params = [0; 14];
    params[..10].copy_from_slice(&numbers.map(|n| n as u32));
    params[10] = how.scale.to_bits();
    params[11] = how.softcap.unwrap_or(0.0).to_bits();
    params[12] = u32::from(how.alibi.is_some());
    params[13] = u32::from(how.sinks.is_some());
    let reads = Reads { input: Some(q), third: Some(k), fourth: Some(v), fifth: of_heads };
    let cost = QUERIES * seen * (how.key as u64 + COLUMNS);
    device.call(Variant::of("attention"), reads, to, params, Work::Groups(groups, cost))
}

/// How much the scores of each head fall with each token of distance (Press and others 2022; heads beyond a power of two
/// lie between).
pub(super) fn slopes(how: &Attention) -> Vec<f32> {
    let power = 1 << how.heads.ilog2();
    let base = |of: f32| 2f32.powf(-of / power as f32);
    let slope = |head: usize| match how.alibi {
        None => 0.0,
        Some(most) if head < power => base(most).powi(head as i32 + 1),
        Some(most) => base(most / 2.0).powi(2 * (head - power) as i32 + 1),
    };
    (0..how.heads).map(slope).collect()
}
