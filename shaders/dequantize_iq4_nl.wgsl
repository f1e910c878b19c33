// IQ4_NL to F32: a block an invocation.
//#include shared/convert.wgsl
//#include shared/blocks.wgsl
//#include shared/iq4_levels.wgsl

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let block = number(id, groups);
    if block >= params.blocks {
        return;
    }
    let d = scale_at(block * 18u);
    for (var w = 0u; w < 4u; w++) {
        let codes = word_at(block * 18u + 2u + 4u * w);
        for (var i = 0u; i < 4u; i++) {
            let byte = byte_of(codes, i);
            write(block * 32u + 4u * w + i, d * LEVELS[byte & 15u]);
            write(block * 32u + 4u * w + i + 16u, d * LEVELS[byte >> 4u]);
        }
    }
}
