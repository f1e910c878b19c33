// The levels of the IQ2 types; see src/quant/grids.rs and shared/lattice.wgsl.
const LEVELS: u32 = 3u;
const WEIGHTS: u32 = 8u;
const BITS: u32 = 2u;
const FIRSTS: u32 = 81u;
const SETS: u32 = 1u;
const UNIT: f32 = 0.125;
const TOP: f32 = 15.0;
// Scales to try.
const TRIES: u32 = 2u;

fn value(kind: u32, level: u32) -> f32 {
    return select(select(43.0, 25.0, level == 1u), 8.0, level == 0u);
}
