// Q4_K: a super-block an invocation, 36 words.
//#include shared/convert.wgsl
//#include shared/source.wgsl
//#include shared/pack.wgsl
//#include shared/affine_super.wgsl

const TOP: f32 = 15.0;

// Two sub-blocks share 32 bytes: the first the low nibbles, the second the high ones.
fn put_codes(block: u32, s: u32, inverse_scale: f32, low: f32) {
    let codes_at = block * 36u + 4u + s / 2u * 8u;
    for (var w = 0u; w < 8u; w++) {
        let codes = affine_word(w, inverse_scale, low);
        if (s & 1u) == 0u {
            output[codes_at + w] = codes;
        } else {
            output[codes_at + w] |= codes << 4u;
        }
    }
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let block = number(id, groups);
    if block >= params.blocks {
        return;
    }
    var stored = quantize(block);
    at = block * 36u;
    put_scales(&stored);
}
