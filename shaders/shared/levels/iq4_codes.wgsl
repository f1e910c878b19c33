//#include shared/iq4_levels.wgsl
fn level_of(byte: u32, place: u32) -> f32 {
    return LEVELS[code_at(byte, place)];
}
