// The levels of IQ4_NL and IQ4_XS.
//#include shared/iq4_levels.wgsl

fn nearest_level(v: vec4f) -> vec4f {
    var level = vec4f(code_level(0u));
    //#unroll
    for (var i = 0u; i < 15u; i++) {
        level = select(level, vec4f(code_level(i + 1u)), v > vec4f((code_level(i) + code_level(i + 1u)) / 2.0));
    }
    return level;
}

fn level_code(level: f32) -> u32 {
    var code = 0u;
    //#unroll
    for (var i = 0u; i < 15u; i++) {
        code += u32(code_level(i) < level);
    }
    return code;
}
