// Q4_0: two blocks an invocation, which are nine words.
//#include shared/convert.wgsl
//#include shared/source.wgsl
//#include shared/pack.wgsl

fn quantize(block: u32) {
    var x: array<f32, 32>;
    var size = 0.0;
    var extreme = 0.0;
    for (var i = 0u; i < 16u; i++) {
        let pair = weights(block * 16u + i);
        x[2u * i] = pair.x;
        x[2u * i + 1u] = pair.y;
        extreme = select(extreme, pair.x, abs(pair.x) > size);
        size = max(size, abs(pair.x));
        extreme = select(extreme, pair.y, abs(pair.y) > size);
        size = max(size, abs(pair.y));
    }
    let d = clamp(extreme / -8.0, -65504.0, 65504.0);
    let stored = f16_encode(bitcast<u32>(d));
    put_half(stored);
    let scale = select(0.0, inverse(d), abs(f16_decode(stored)) > 0.0);
    for (var w = 0u; w < 4u; w++) {
        var word = 0u;
        for (var i = 0u; i < 4u; i++) {
            let low = floor(clamp(x[4u * w + i] * scale + 8.5, 0.0, 15.0));
            let high = floor(clamp(x[4u * w + i + 16u] * scale + 8.5, 0.0, 15.0));
            word |= (u32(i32(low)) | (u32(i32(high)) << 4u)) << (8u * i);
        }
        put(word);
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
