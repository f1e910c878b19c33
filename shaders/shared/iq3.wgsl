// What the IQ3 types share; see src/quant/grids.rs and shared/lattice.wgsl.
const LEVELS: u32 = 8u;
const WEIGHTS: u32 = 4u;
const BITS: u32 = 3u;
const FIRSTS: u32 = 64u;
const SETS: u32 = 1u;
const TOP: f32 = 15.0;
