// Q5_0: two blocks an invocation, which are eleven words.
//#include shared/convert.wgsl
//#include shared/weights32.wgsl
//#include shared/pack.wgsl
//#include shared/symmetric.wgsl

const HALF: f32 = 16.0;
const QUADS: u32 = 8u;

fn quantize(block: u32) {
    load(block);
    let sums = symmetric();
    let scale = f16_encode_scale(sums.xl * inverse(sums.ll));
    let inverse_scale = inverse(f16_decode(scale));
    var codes: array<u32, 8>;
    var high = 0u;
    for (var w = 0u; w < 8u; w++) {
        codes[w] = symmetric_word(w, inverse_scale);
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
