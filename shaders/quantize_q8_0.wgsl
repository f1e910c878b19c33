// Q8_0: two blocks an invocation, which are 17 words.
//#include shared/convert.wgsl
//#include shared/source.wgsl
//#include shared/pack.wgsl

// C's roundf: nearest, halves away from zero.
fn round_half_away(v: f32) -> f32 {
    let even = round(v);
    let rest = v - even;
    return even + select(0.0, 1.0, rest == 0.5 && v > 0.0) - select(0.0, 1.0, rest == -0.5 && v < 0.0);
}

fn quantize(block: u32) {
    var x: array<f32, 32>;
    var most = 0.0;
    for (var i = 0u; i < 16u; i++) {
        let pair = weights(block * 16u + i);
        x[2u * i] = pair.x;
        x[2u * i + 1u] = pair.y;
        most = max(most, max(abs(pair.x), abs(pair.y)));
    }
    let d = min(most / 127.0, 65504.0);
    let stored = f16_encode(bitcast<u32>(d));
    put_half(stored);
    // The codes follow the unrounded scale; one that is stored as 0 has only codes 0, one that overflows stays at
    // the largest.
    let scale = select(0.0, inverse(d), f16_decode(stored) > 0.0);
    for (var w = 0u; w < 8u; w++) {
        var word = 0u;
        for (var i = 0u; i < 4u; i++) {
            let code = round_half_away(clamp(x[4u * w + i] * scale, -127.0, 127.0));
            word |= (u32(i32(code)) & 0xffu) << (8u * i);
        }
        put(word);
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
