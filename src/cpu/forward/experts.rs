//! MLPs of experts: each token goes to the few that its router chose.

use super::linear::Product;
use super::vector::{exp, largest, sum};
use super::{Matrices, Observe, rows};
use crate::forward::{Experts, Gating};
use rayon::prelude::*;

/// The least sum that shares are divided by, as llama.cpp has it: the least number of F16 with all its digits.
const LEAST_SUM: f32 = 6.103_515_6e-5;

/// From rows and the router's logits. Experts take their tokens one after another, so that the order of sums is fixed.
pub(super) fn experts(
    how: &Experts,
    matrices: &Matrices,
    [x, logits]: [&[f32]; 2],
    product: &mut Product,
    to: &mut [f32],
    observe: Observe<'_>,
) {
    let [gate, up, down] = how.matrices.each_ref().map(|name| &matrices[name]);
    let (hidden, inner) = (gate.shape[0] as usize, gate.shape[1] as usize);
    let biases = how.biases.each_ref().map(|name| name.as_ref().map(|name| matrices[name].floats()));
    let bias = |n: usize, expert: usize, width: usize| biases[n].as_ref().map(|b| &b[expert * width..][..width]);
    let chosen: Vec<Vec<(usize, f32)>> =
        logits.par_chunks(how.count).map(|logits| choose(how, logits, matrices)).collect();
    to.fill(0.0);
    for expert in 0..how.count {
        let of_token = |(token, chosen): (usize, &Vec<(usize, f32)>)| {
            chosen.iter().find(|(number, _)| *number == expert).map(|(_, share)| (token, *share))
        };
        let tokens: Vec<(usize, f32)> = chosen.iter().enumerate().filter_map(of_token).collect();
        if tokens.is_empty() {
            continue;
        }
        let seen: Vec<f32> = tokens.iter().flat_map(|(token, _)| &x[token * hidden..][..hidden]).copied().collect();
        let mut halves = [vec![0.0; tokens.len() * inner], vec![0.0; tokens.len() * inner]];
        for (n, matrix) in [gate, up].into_iter().enumerate() {
            observe(&how.matrices[n], expert, &seen);
            product.linear(&seen, matrix, expert, bias(n, expert, inner), &mut halves[n]);
        }
        let mut middle = vec![0.0; tokens.len() * inner];
        rows::gate(&mut middle, &halves[0], &halves[1], how.activation);
        observe(&how.matrices[2], expert, &middle);
        let mut out = vec![0.0; tokens.len() * hidden];
        product.linear(&middle, down, expert, bias(2, expert, hidden), &mut out);
        for ((token, share), out) in tokens.iter().zip(out.chunks_exact(hidden)) {
            to[token * hidden..][..hidden].iter_mut().zip(out).for_each(|(to, out)| *to += share * out);
        }
    }
}

/// The experts of a token and their shares.
fn choose(how: &Experts, logits: &[f32], matrices: &Matrices) -> Vec<(usize, f32)> {
    let shares: Vec<f32> = match how.gating {
        Gating::Softmax => softmax(logits),
        Gating::Sigmoid => logits.iter().map(|logit| 1.0 / (1.0 + exp(-logit))).collect(),
        Gating::SoftmaxOfChosen => logits.to_vec(),
    };
    let mut wanted = shares.clone();
    if let Some(bias) = &how.bias {
        wanted.iter_mut().zip(matrices[bias].floats()).for_each(|(wanted, bias)| *wanted += bias);
    }
    let [groups, looked_at] = how.groups;
    if groups > 1 {
        let size = how.count / groups;
        let score = |group: usize| {
            let group = &wanted[group * size..][..size];
            best(group, 2).map(|expert| group[expert]).sum::<f32>()
        };
        let scores: Vec<f32> = (0..groups).map(score).collect();
        let kept: Vec<usize> = best(&scores, looked_at).collect();
        for expert in (0..how.count).filter(|expert| !kept.contains(&(expert / size))) {
            wanted[expert] = f32::NEG_INFINITY;
        }
    }
    let experts: Vec<usize> = best(&wanted, how.used).collect();
    let mut shares: Vec<f32> = experts.iter().map(|expert| shares[*expert]).collect();
    if how.gating == Gating::SoftmaxOfChosen {
        shares = softmax(&shares);
    }
    let sum = if how.normed { shares.iter().sum::<f32>().max(LEAST_SUM) } else { 1.0 };
    experts.into_iter().zip(shares.into_iter().map(|share| share / sum * how.scale)).collect()
}

/// The places of the `count` largest numbers, the largest first.
fn best(numbers: &[f32], count: usize) -> impl Iterator<Item = usize> {
    let mut places: Vec<usize> = (0..numbers.len()).collect();
    places.sort_by(|a, b| numbers[*b].total_cmp(&numbers[*a]));
    places.into_iter().take(count)
}

fn softmax(logits: &[f32]) -> Vec<f32> {
    let most = largest(logits);
    let powers: Vec<f32> = logits.iter().map(|logit| exp(logit - most)).collect();
    let all = sum(&powers, |power| power);
    powers.into_iter().map(|power| power / all).collect()
}
