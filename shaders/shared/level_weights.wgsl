// The levels of four codes: the low nibbles of a word's bytes. LEVELS lie in registers, by selections: an array that is indexed
// by codes lies in memory, which costs ten times as much.
fn level_weights(codes: u32) -> vec4f {
    let i = (vec4u(codes) >> vec4u(0u, 8u, 16u, 24u)) & vec4u(15u);
    let second = (i & vec4u(4u)) != vec4u();
    let low = select(vec4u(LEVELS.x), vec4u(LEVELS.y), second);
    let high = select(vec4u(LEVELS.z), vec4u(LEVELS.w), second);
    let bytes = select(low, high, i >= vec4u(8u));
    // The byte's sign goes to the word's.
    let first = bytes << (vec4u(24u) - 8u * (i & vec4u(3u)));
    return vec4f(bitcast<vec4i>(first) >> vec4u(24u));
}

// The level of one code.
fn code_level(code: u32) -> f32 {
    return level_weights(code).x;
}
