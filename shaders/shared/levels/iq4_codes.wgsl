//#include shared/iq4_levels.wgsl
fn level_of(byte: u32, place: u32) -> f32 {
    return code_level(code_at(byte, place));
}
