// The levels of four codes: the low nibbles of a word's bytes.
fn level_weights(codes: u32) -> vec4f {
    let i = unpack4xU8(codes & 0x0f0f0f0fu);
    return vec4f(LEVELS[i.x], LEVELS[i.y], LEVELS[i.z], LEVELS[i.w]);
}
