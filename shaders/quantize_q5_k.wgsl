// Q5_K: a super-block an invocation, 44 words.
//#include shared/convert.wgsl
//#include shared/source.wgsl
//#include shared/pack.wgsl
//#include shared/affine_super.wgsl

const TOP: f32 = 31.0;

// Two sub-blocks share 32 bytes of low bits: the first the low nibbles, the second the high ones. Before them are 32
// bytes of fifth bits: bit s of a byte is sub-block s's.
fn put_codes(block: u32, s: u32, inverse_scale: f32, low: f32) {
    let high_at = block * 44u + 4u;
    let low_at = high_at + 8u + s / 2u * 8u;
    for (var w = 0u; w < 8u; w++) {
        let codes = affine_word(w, inverse_scale, low);
        let high_bits = ((codes >> 4u) & 0x01010101u) << s;
        let low_bits = (codes & 0x0f0f0f0fu) << (4u * (s & 1u));
        output[high_at + w] = select(output[high_at + w], 0u, s == 0u) | high_bits;
        output[low_at + w] = select(output[low_at + w], 0u, (s & 1u) == 0u) | low_bits;
    }
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let block = number(id, groups);
    if block >= params.blocks {
        return;
    }
    var stored = quantize(block);
    at = block * 44u;
    put_scales(&stored);
}
