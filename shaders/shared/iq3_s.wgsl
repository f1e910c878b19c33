// The levels of IQ3_S; see src/quant/grids.rs.
//#include shared/iq3.wgsl

// Scales to try.
const TRIES: u32 = 1u;

fn value(kind: u32, level: u32) -> f32 {
    return 2.0 * f32(level) + 1.0;
}
