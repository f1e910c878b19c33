//! What is kept of a row while its blocks are chosen; laid out as in shaders/shared/record.wgsl.

use crate::feedback::BLOCK;
use crate::quant::{FormatRef, Parts};

/// The numbers of a row.
#[derive(Clone, Copy)]
pub(super) struct Record {
    /// Weights of the row. The errors of as many come first.
    pub(super) columns: u64,
    /// From row to row.
    pub(super) stride: u64,
}

impl Record {
    pub(super) fn new(format: FormatRef, columns: u64) -> Self {
        let numbers = Parts::of(format).map_or(0, |parts| {
            let (subs, blocks) = (columns / parts.sub as u64, columns / format.block_weights as u64);
            columns + 2 * subs + 2 * blocks
        });
        Self { columns, stride: (columns + BLOCK as u64 + 4 + numbers).next_multiple_of(64) }
    }

    /// Where the numbers begin that are worked on.
    pub(super) fn work(self) -> u64 {
        self.columns
    }
}

/// What a format chooses in the shaders.
pub(in crate::gpu) fn choices(format: FormatRef) -> Vec<(&'static str, String)> {
    let parts = Parts::of(format);
    let bounds = |field: Option<[i32; 3]>| field.unwrap_or_default();
    let scales = parts.and_then(|parts| parts.scales.as_ref());
    let mins = parts.and_then(|parts| parts.mins.as_ref());
    let has_dmin = parts.is_some_and(Parts::has_min);
    let fields = [
        (["level_low", "level_high", "level_bias"], bounds(parts.map(Parts::level_bounds))),
        (["scale_low", "scale_high", "scale_bias"], bounds(scales.map(|field| field.bounds()))),
        (["min_low", "min_high", "min_bias"], bounds(mins.map(|field| field.bounds()))),
    ];
    let numbers = fields.into_iter().flat_map(|(names, bounds)| names.into_iter().zip(bounds));
    let facts = [
        ("has_parts", parts.is_some()),
        ("has_scales", scales.is_some()),
        ("has_mins", mins.is_some()),
        ("has_dmin", has_dmin),
    ];
    let levels = if parts.is_some_and(Parts::has_table) { "iq4" } else { "linear" };
    [
        ("block", format.block_weights),
        ("bytes", format.block_bytes),
        ("sub", parts.map_or(format.block_weights, |parts| parts.sub)),
        ("kinds", 1 + usize::from(has_dmin)),
    ]
    .into_iter()
    .map(|(name, number)| (name, number.to_string()))
    .chain(numbers.map(|(name, number)| (name, number.to_string())))
    .chain(facts.map(|(name, fact)| (name, fact.to_string())))
    .chain([("levels", levels.to_owned())])
    .collect()
}
