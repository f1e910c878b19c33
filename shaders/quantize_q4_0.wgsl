// Q4_0: two blocks an invocation, which are nine words.
//#include shared/convert.wgsl
//#include shared/weights32.wgsl
//#include shared/pack.wgsl
//#include shared/scaled.wgsl

const STEPS: u32 = 8u;
var<private> steps: array<f32, 8> = array<f32, 8>(-6.55, -7.0, -7.4, -7.7, -8.0, -8.3, -8.7, -9.1);

fn nearest(v: vec4f) -> vec4f {
    return round(clamp(v, vec4f(-8.0), vec4f(7.0)));
}

// The codes of weights 4w..4w + 4: nearest where weights differ in importance, else as ggml rounds.
fn code_word(w: u32, inverse_scale: f32) -> u32 {
    if weighted {
        return pack4(nearest(exact4(x[w] * inverse_scale)) + 8.0);
    }
    return pack4(floor(clamp(exact4(x[w] * inverse_scale) + 8.5, vec4f(0.0), vec4f(15.0))));
}

fn quantize(block: u32) {
    load(block);
    var scale = clamp(extreme() / -8.0, -65504.0, 65504.0);
    // As ggml does, with the sign of a 0.
    var d = f16_encode(bitcast<u32>(scale));
    if weighted {
        d = f16_encode_scale(scale_of(best_fit(inverse(extreme()))));
        scale = f16_decode(d);
    }
    let inverse_scale = select(0.0, inverse(scale), abs(f16_decode(d)) > 0.0);
    put_half(d);
    for (var w = 0u; w < 4u; w++) {
        put(code_word(w, inverse_scale) | (code_word(w + 4u, inverse_scale) << 4u));
    }
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
