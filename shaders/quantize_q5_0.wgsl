// Q5_0: two blocks an invocation, which are eleven words.
//#include shared/convert.wgsl
//#include shared/weights32.wgsl
//#include shared/pack.wgsl
//#include shared/scaled.wgsl

const STEPS: u32 = 8u;
var<private> steps: array<f32, 8> = array<f32, 8>(-13.45, -13.95, -14.45, -14.95, -15.45, -15.95, -16.45, -16.95);

fn nearest(v: vec4f) -> vec4f {
    return round(clamp(v, vec4f(-16.0), vec4f(15.0)));
}

fn quantize(block: u32) {
    load(block);
    let scale = f16_encode_scale(scale_of(best_fit(inverse(extreme()))));
    let inverse_scale = inverse(f16_decode(scale));
    var codes: array<u32, 8>;
    var high = 0u;
    for (var w = 0u; w < 8u; w++) {
        codes[w] = pack4(nearest(exact4(x[w] * inverse_scale)) + 16.0);
        high |= gather_bits(codes[w] >> 4u) << (4u * w);
    }
    put_half(scale);
    put(high);
    for (var w = 0u; w < 4u; w++) {
        put((codes[w] & 0x0f0f0f0fu) | ((codes[w + 4u] & 0x0f0f0f0fu) << 4u));
    }
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let first = 2u * number(id, groups);
    at = first / 2u * 11u;
    for (var block = first; block < min(first + 2u, params.blocks); block++) {
        quantize(block);
    }
    finish();
}
