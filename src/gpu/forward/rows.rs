//! Steps that take each row, or each number, by itself.

use super::device::{Device, Reads, View, Work};
use super::kernels::Variant;
use crate::forward::{Activation, Norm, Pairs, Rope};
use crate::graph::RunError;

/// What is done to each number: its number in shaders/elementwise.wgsl, and what else that asks for.
#[derive(Clone, Copy)]
pub(super) enum Each<'a> {
    Activate(Activation),
    Gate(Activation, &'a View),
    Add(&'a View),
    Weigh(&'a View),
    Scale(f32),
    Softcap(f32),
    Clamp(f32),
    Positions(&'a View),
    Temperature(f32, usize),
}

/// Where rows stand in their text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Rows that belong together.
    pub(super) chunk: u64,
    /// Tokens before the first of them.
    pub(super) past: u64,
}

/// `to = f(from)`, number by number; without `from` in place. `width` numbers are a row.
pub(super) fn each(
    device: &mut Device,
    what: Each<'_>,
    from: Option<&View>,
    to: &View,
    [rows, width]: [u64; 2],
    place: Place,
) -> Result<(), RunError> {
    let (number, other, by, every) = match what {
        Each::Activate(activation) => (0, None, 0.0, activation as u32),
        Each::Gate(activation, other) => (1, Some(other), 0.0, activation as u32),
        Each::Add(other) => (2, Some(other), 0.0, 1),
        Each::Weigh(other) => (3, Some(other), 0.0, 1),
        Each::Scale(by) => (4, None, by, 1),
        Each::Softcap(by) => (5, None, by, 1),
        Each::Clamp(by) => (6, None, by, 1),
        Each::Positions(other) => (7, Some(other), 0.0, 1),
        Each::Temperature(by, every) => (8, None, by, every as u32),
    };
    let count = rows * width;
    let params = [
        count as u32,
        number,
        u32::from(from.is_none()),
        width as u32,
        place.chunk as u32,
        place.past as u32,
        by.to_bits(),
        every,
    ];
    let reads = Reads { input: from, third: other, ..Reads::default() };
    device.call(Variant::of("elementwise"), reads, to, params, Work::Each(count, 16))
}

/// How numbers are taken elsewhere: `work` in shaders/arrange.wgsl.
#[derive(Clone, Copy)]
pub(super) enum Arrange<'a> {
    /// Of each group of so many columns some, from the first on.
    Columns { first: usize, group: u64 },
    /// Of each head so many numbers, then those of the other.
    Join { width: u64, other: &'a View },
    /// From this number of the output on.
    Append { at: u64 },
    /// The rows of these numbers.
    Gather { list: &'a View },
}

/// `count` numbers in rows, or groups, of `width`.
pub(super) fn arrange(
    device: &mut Device,
    how: Arrange<'_>,
    from: &View,
    to: &View,
    count: u64,
    width: u64,
) -> Result<(), RunError> {
    let (work, from_width, first, other) = match how {
        Arrange::Columns { first, group } => (0, group, first, None),
        Arrange::Join { width, other } => (1, width, 0, Some(other)),
        Arrange::Append { at } => (2, width, at as usize, None),
        Arrange::Gather { list } => (3, width, 0, Some(list)),
    };
    let params = [count as u32, work, width as u32, from_width as u32, first as u32];
    let reads = Reads { input: Some(from), third: other, ..Reads::default() };
    device.call(Variant::of("arrange"), reads, to, params, Work::Each(count, 16))
}

/// Groups of `width` of `count` numbers are normalised.
pub(super) fn norm(
    device: &mut Device,
    norm: Norm,
    [count, width]: [u64; 2],
    [weight, bias]: [Option<&View>; 2],
    from: &View,
    to: &View,
) -> Result<(), RunError> {
    let (centred, epsilon) = match norm {
        Norm::Rms { epsilon } => (0, epsilon),
        Norm::Layer { epsilon } => (1, epsilon),
    };
    let numbers = |view: Option<&View>| view.map_or(0, |view| view.bytes / 4) as u32;
    let groups = count / width;
    let params = [groups as u32, width as u32, numbers(weight), numbers(bias), centred, epsilon.to_bits()];
    let reads = Reads { input: Some(from), third: weight, fourth: bias, ..Reads::default() };
    device.call(Variant::of("norm"), reads, to, params, Work::Groups(groups, 256 * 8 + 4 * width))
}

/// Heads of `head` numbers are rotated, where `turns` has cosine and sine by position.
pub(super) fn rotate(
    device: &mut Device,
    rope: &Rope,
    head: usize,
    turns: &View,
    [rows, width]: [u64; 2],
    place: Place,
    to: &View,
) -> Result<(), RunError> {
    let (heads, pairs) = (width / head as u64, rope.frequencies.len() as u64);
    let count = rows * heads * pairs;
    let neighbours = rope.pairs == Pairs::Neighbours;
    let params = [count, head as u64, heads, pairs, place.chunk, place.past, u64::from(neighbours)];
    let reads = Reads { third: Some(turns), ..Reads::default() };
    device.call(Variant::of("rope"), reads, to, params.map(|n| n as u32), Work::Each(count, 32))
}

/// Cosine and sine of each pair at each position.
pub(super) fn turns(rope: &Rope, positions: u64) -> Vec<f32> {
    let angles = (0..positions).flat_map(|position| rope.frequencies.iter().map(move |f| position as f32 * f));
    angles.flat_map(|angle| [angle.cos() * rope.magnitude, angle.sin() * rope.magnitude]).collect()
}
