// Q5_1: a block an invocation, six words.
//#include shared/convert.wgsl
//#include shared/pack.wgsl
//#include shared/affine_block.wgsl

const TOP: f32 = 31.0;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let block = number(id, groups);
    if block >= params.blocks {
        return;
    }
    at = block * 6u;
    let fit = put_fit(block);
    var codes: array<u32, 8>;
    var high = 0u;
    for (var w = 0u; w < 8u; w++) {
        codes[w] = affine_word(w, fit.x, fit.y);
        high |= gather_bits(codes[w] >> 4u) << (4u * w);
    }
    put(high);
    for (var w = 0u; w < 4u; w++) {
        put((codes[w] & 0x0f0f0f0fu) | ((codes[w + 4u] & 0x0f0f0f0fu) << 4u));
    }
}
