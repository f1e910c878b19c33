// MXFP4 to F32: a block an invocation.
//#include shared/convert.wgsl
//#include shared/blocks.wgsl
//#include shared/fp4_levels.wgsl

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let block = number(id, groups);
    if block >= params.blocks {
        return;
    }
    let bytes = block * 17u;
    // Half of 2^(e - 127), for the levels are doubled.
    let e = byte_at(bytes);
    let d = bitcast<f32>(select((e - 1u) << 23u, 0x00200000u << e, e < 2u));
    for (var i = 0u; i < 16u; i++) {
        let byte = byte_at(bytes + 1u + i);
        write(block * 32u + i, d * LEVELS[byte & 15u]);
        write(block * 32u + i + 16u, d * LEVELS[byte >> 4u]);
    }
}
