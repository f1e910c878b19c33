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

struct Block {
    d: u32,
    qs: array<u32, 8>,
}

fn quantize(block: u32) -> Block {
    var x: array<f32, 32>;
    var most = 0.0;
    for (var i = 0u; i < 16u; i++) {
        let pair = weights(block * 16u + i);
        x[2u * i] = pair.x;
        x[2u * i + 1u] = pair.y;
        most = max(most, max(abs(pair.x), abs(pair.y)));
    }
    let d = most / 127.0;
    var result: Block;
    result.d = f16_encode_scale(d);
    let scale = select(0.0, inverse(min(d, 65504.0)), f16_decode(result.d) > 0.0);
    for (var w = 0u; w < 8u; w++) {
        var word = 0u;
        for (var i = 0u; i < 4u; i++) {
            let code = round_half_away(clamp(x[4u * w + i] * scale, -127.0, 127.0));
            word |= (u32(i32(code)) & 0xffu) << (8u * i);
        }
        result.qs[w] = word;
    }
    return result;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let first = 2u * number(id, groups);
    if first >= params.blocks {
        return;
    }
    let at = first / 2u * 17u;
    let a = quantize(first);
    var carry = a.d;
    for (var w = 0u; w < 8u; w++) {
        output[at + w] = carry | (a.qs[w] << 16u);
        carry = a.qs[w] >> 16u;
    }
    if first + 1u >= params.blocks {
        output[at + 8u] = carry;
        return;
    }
    let b = quantize(first + 1u);
    output[at + 8u] = carry | (b.d << 16u);
    for (var w = 0u; w < 8u; w++) {
        output[at + 9u + w] = b.qs[w];
    }
}
