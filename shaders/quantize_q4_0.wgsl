// Q4_0: two blocks an invocation, which are nine words.
//#include shared/convert.wgsl
//#include shared/weights32.wgsl
//#include shared/pack.wgsl

fn quantize(block: u32) {
    load(block);
    var size = 0.0;
    var extreme = 0.0;
    for (var w = 0u; w < 8u; w++) {
        for (var i = 0u; i < 4u; i++) {
            extreme = select(extreme, x[w][i], abs(x[w][i]) > size);
            size = max(size, abs(x[w][i]));
        }
    }
    let d = clamp(extreme / -8.0, -65504.0, 65504.0);
    let stored = f16_encode(bitcast<u32>(d));
    put_half(stored);
    let scale = select(0.0, inverse(d), abs(f16_decode(stored)) > 0.0);
    for (var w = 0u; w < 4u; w++) {
        put(code_word(w, scale) | (code_word(w + 4u, scale) << 4u));
    }
}

fn code_word(w: u32, scale: f32) -> u32 {
    return pack4(floor(clamp(x[w] * scale + 8.5, vec4f(0.0), vec4f(15.0))));
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let first = 2u * number(id, groups);
    at = first / 2u * 9u;
    for (var block = first; block < min(first + 2u, params.blocks); block++) {
        quantize(block);
    }
    finish();
}
