//! MLPs of experts: each token goes to the few that its router chose.

use super::Multiply;
use super::device::{Device, Reads, View, Work};
use super::kernels::Variant;
use super::product::{Adds, Part, Rows, To, multiply};
use super::rows::{Arrange, Each, Place, arrange, each};
use super::sums::Sums;
use super::weights::Weights;
use crate::forward::Experts;
use crate::graph::RunError;

/// From rows and the router's logits. Which tokens an expert gets is read back, so that its rows can be multiplied at once.
pub(super) fn experts(
    device: &mut Device,
    multiplication: Multiply,
    how: &Experts,
    weights: &Weights,
    ([x, logits], tokens): ([&View; 2], u64),
    to: &View,
    mut sums: Option<&mut Sums>,
) -> Result<(), RunError> {
    let used = how.used as u64;
    let [gate, up, down] = how.matrices.each_ref().map(|name| weights.matrix(name));
    let (hidden, inner) = (gate.inputs, gate.outputs);
    let (order, shares, counts) = chosen(device, how, weights, logits, tokens)?;
    let rows = tokens * used;
    let take = |device: &mut Device, width: u64| device.take(4 * rows * width);
    let place = Place { chunk: rows, past: 0 };
    // The rows of the first expert, then those of the second.
    let list = device.upload("tokens of experts", bytemuck::cast_slice(&order));
    let shares = device.upload("shares of experts", bytemuck::cast_slice(&shares));
    let seen = take(device, hidden);
    arrange(device, Arrange::Gather { list: &list }, x, &seen, rows * hidden, hidden)?;
    let halves = [take(device, inner), take(device, inner)];
    let biases = how.biases.each_ref().map(|name| weights.vector(name));
    let mut each_expert = |device: &mut Device, n: usize, matrix, from: &View, to: &View, [width, out]: [u64; 2]| {
        let x = Rows::new(device, multiplication, from, rows, width)?;
        let mut row = 0;
        for (expert, count) in (0..).zip(&counts).filter(|(_, count)| **count > 0) {
            let part = Part { row, rows: *count, column: 0 };
            if let Some(sums) = sums.as_deref_mut() {
                sums.add(device, multiplication, (&how.matrices[n], expert), (from, part, width))?;
            }
            let bias = biases[n].map(|view| (view, expert * out));
            multiply(
                device,
                multiplication,
                (&x, part),
                (matrix, expert),
                bias,
                (To { view: to, first: 0, step: out }, Adds::Replace),
            )?;
            row += count;
        }
        x.free(device);
        Ok::<(), RunError>(())
    };
    each_expert(device, 0, gate, &seen, &halves[0], [hidden, inner])?;
    each_expert(device, 1, up, &seen, &halves[1], [hidden, inner])?;
    let [gated, up] = halves;
    let middle = take(device, inner);
    each(device, Each::Gate(how.activation, &up), Some(&gated), &middle, [rows, inner], place)?;
    let out = take(device, hidden);
    each_expert(device, 2, down, &middle, &out, [inner, hidden])?;
    let params = [tokens * hidden, hidden, used].map(|n| n as u32);
    let reads = Reads { input: Some(&out), third: Some(&shares), ..Reads::default() };
    device.call(Variant::of("mix"), reads, to, params, Work::Each(tokens * hidden, 8 * used))?;
    [list, shares, seen, gated, up, middle, out].into_iter().for_each(|view| device.give(view));
    Ok(())
}

/// The tokens of each expert, one after another; of each token the places of its rows among these and the bits of their
/// shares; how many tokens each expert has.
type Chosen = (Vec<u32>, Vec<[u32; 2]>, Vec<u64>);

fn chosen(
    device: &mut Device,
    how: &Experts,
    weights: &Weights,
    logits: &View,
    tokens: u64,
) -> Result<Chosen, RunError> {
    let (count, used) = (how.count as u64, how.used as u64);
    let all = device.take(4 * tokens * (2 * used + count));
    let bias = weights.vector(&how.bias);
    let flags = [how.groups[0] as u32, how.groups[1] as u32, u32::from(how.normed), u32::from(bias.is_some())];
    let [groups, groups_used, normed, biased] = flags;
    let params = [
        tokens as u32,
        count as u32,
        used as u32,
        how.gating as u32,
        groups,
        groups_used,
        normed,
        biased,
        how.scale.to_bits(),
    ];
    let reads = Reads { input: Some(logits), third: bias, ..Reads::default() };
    device.call(Variant::of("route"), reads, &all, params, Work::Each(tokens, 2 * count * used))?;
    let pairs: Vec<[u32; 2]> = device.read(&View { bytes: 8 * tokens * used, ..all.clone() })?;
    device.give(all);
    let mut counts = vec![0; how.count];
    pairs.iter().for_each(|[expert, _]| counts[*expert as usize] += 1);
    let mut next: Vec<usize> = Vec::with_capacity(how.count);
    let mut place = 0;
    for count in &counts {
        next.push(place);
        place += *count as usize;
    }
    let mut order = vec![0; pairs.len()];
    let mut shares = pairs;
    for (number, pair) in shares.iter_mut().enumerate() {
        let next = &mut next[pair[0] as usize];
        order[*next] = (number / how.used) as u32;
        pair[0] = *next as u32;
        *next += 1;
    }
    Ok((order, shares, counts))
}
