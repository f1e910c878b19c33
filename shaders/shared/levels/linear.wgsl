// Levels that are whole numbers.
fn nearest_level(v: vec4f) -> vec4f {
    return round(clamp(v, vec4f(f32(LEVEL_LOW)), vec4f(f32(LEVEL_HIGH))));
}

fn level_code(level: f32) -> u32 {
    return u32(i32(level) + LEVEL_BIAS);
}
