fn level_of(byte: u32, place: u32) -> f32 {
    return whole_at(byte, place, LEVEL_BIAS, LEVEL_HIGH);
}
