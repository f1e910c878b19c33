//! What depends on a token's position, which counts from the end of the past in each chunk.

use super::Place;
use crate::forward::{Pairs, Rope};
use rayon::prelude::*;

/// Which way heads rotate.
#[derive(Clone, Copy)]
pub(super) enum Way {
    Forward,
    /// As the adjoint does.
    Back,
}

/// Rotates the heads of each row.
pub(super) fn rotate(x: &mut [f32], rope: &Rope, way: Way, head: usize, width: usize, place: Place) {
    let sign = match way {
        Way::Forward => 1.0,
        Way::Back => -1.0,
    };
    let pairs = rope.frequencies.len();
    let turns: Vec<(f32, f32)> = (place.past..place.past + place.chunk)
        .flat_map(|position| rope.frequencies.iter().map(move |frequency| position as f32 * frequency))
        .map(|angle| (angle.cos() * rope.magnitude, sign * angle.sin() * rope.magnitude))
        .collect();
    x.par_chunks_mut(width).enumerate().for_each(|(token, row)| {
        let turns = &turns[token % place.chunk * pairs..][..pairs];
        for head in row.chunks_exact_mut(head) {
            for (i, &(cos, sin)) in turns.iter().enumerate() {
                let (a, b) = match rope.pairs {
                    Pairs::Neighbours => (2 * i, 2 * i + 1),
                    Pairs::Halves => (i, i + pairs),
                };
                (head[a], head[b]) = (head[a] * cos - head[b] * sin, head[a] * sin + head[b] * cos);
            }
        }
    });
}

/// Adds a row of a table.
pub(super) fn add_positions(x: &mut [f32], table: &[f32], width: usize, place: Place) {
    x.par_chunks_mut(width).enumerate().for_each(|(token, row)| {
        let own = &table[(place.past + token % place.chunk) * width..][..width];
        row.iter_mut().zip(own).for_each(|(x, own)| *x += own);
    });
}

/// Rows grow with their position.
pub(super) fn temperature(x: &mut [f32], scale: f32, every: usize, width: usize, place: Place) {
    x.par_chunks_mut(width).enumerate().for_each(|(token, row)| {
        let by = 1.0 + scale * (((place.past + token % place.chunk) / every + 1) as f32).ln();
        row.iter_mut().for_each(|x| *x *= by);
    });
}
