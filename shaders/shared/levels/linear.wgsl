// Levels that are whole numbers.
fn nearest_level(v: f32) -> f32 {
    return round(clamp(v, f32(LEVEL_LOW), f32(LEVEL_HIGH)));
}

fn level_code(level: f32) -> u32 {
    return u32(i32(level) + LEVEL_BIAS);
}
