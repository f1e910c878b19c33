// The grid of the IQ1 types; see src/quant/grids.rs and shared/lattice.wgsl.
const LEVELS: u32 = 3u;
const WEIGHTS: u32 = 8u;
const BITS: u32 = 2u;
const POINTS: u32 = 2048u;
const FIRSTS: u32 = 81u;
const SETS: u32 = 2u;
const SIGNS: u32 = 0u;
const UNIT: f32 = 1.0;
const TOP: f32 = 7.0;
// Scales to try.
const TRIES: u32 = 1u;

// An eighth is added to all of a block's weights, or taken off.
fn value(kind: u32, level: u32) -> f32 {
    return f32(level) - select(1.125, 0.875, kind == 0u);
}
