// Q8_0: two blocks an invocation, which are 17 words.
//#include shared/convert.wgsl
//#include shared/weights32.wgsl
//#include shared/pack.wgsl

// C's roundf: nearest, halves away from zero.
fn round_half_away(v: vec4f) -> vec4f {
    let even = round(v);
    let rest = v - even;
    let up = (rest == vec4f(0.5)) & (v > vec4f(0.0));
    let down = (rest == vec4f(-0.5)) & (v < vec4f(0.0));
    return even + select(vec4f(0.0), vec4f(1.0), up) - select(vec4f(0.0), vec4f(1.0), down);
}

fn quantize(block: u32) {
    load(block);
    var most = 0.0;
    for (var w = 0u; w < 8u; w++) {
        let size = abs(x[w]);
        most = max(most, max(max(size.x, size.y), max(size.z, size.w)));
    }
    let d = min(quotient(most, 127.0), 65504.0);
    let stored = f16_encode(bitcast<u32>(d));
    put_half(stored);
    // The codes follow the unrounded scale; one that is stored as 0 has only codes 0, one that overflows stays at
    // the largest.
    let scale = select(0.0, inverse(d), f16_decode(stored) > 0.0);
    for (var w = 0u; w < 8u; w++) {
        let codes = round_half_away(clamp(x[w] * scale, vec4f(-127.0), vec4f(127.0)));
        // Flipping the top bit takes 128 off a byte.
        put(pack4(codes + 128.0) ^ 0x80808080u);
    }
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let first = 2u * number(id, groups);
    at = first / 2u * 17u;
    for (var block = first; block < min(first + 2u, params.blocks); block++) {
        quantize(block);
    }
    finish();
}
