// The levels of IQ3_XXS; see src/quant/grids.rs.
//#include shared/iq3.wgsl

// Scales to try.
const TRIES: u32 = 3u;

fn value(kind: u32, level: u32) -> f32 {
    return select(8.0 * f32(level) + 4.0, 62.0, level == 7u);
}
