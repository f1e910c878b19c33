// Q4_K: a super-block an invocation, 36 words.
//#include shared/convert.wgsl
//#include shared/source.wgsl
//#include shared/pack.wgsl
//#include shared/affine_super.wgsl

const TOP: f32 = 15.0;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let block = number(id, groups);
    if block >= params.blocks {
        return;
    }
    var found = search(block);
    let at = block * 36u;
    output[at] = found.d_bits | (found.dmin_bits << 16u);
    for (var w = 0u; w < 3u; w++) {
        output[at + 1u + w] = scale_word(&found, w);
    }
    var low: array<u32, 8>;
    for (var s = 0u; s < 8u; s++) {
        load(block * 8u + s);
        let stored = found.stored[s];
        let inverse_scale = inverse(found.d * stored.x);
        let minimum = -(found.dmin * stored.y);
        for (var w = 0u; w < 8u; w++) {
            let codes = affine_word(w, inverse_scale, minimum);
            if (s & 1u) == 0u {
                low[w] = codes;
            } else {
                output[at + 4u + s / 2u * 8u + w] = low[w] | (codes << 4u);
            }
        }
    }
}
