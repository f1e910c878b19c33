// NVFP4 to F32: 32 weights an invocation, two sub-blocks.
//#include shared/convert.wgsl
//#include shared/blocks.wgsl
//#include shared/fp4_levels.wgsl
//#include shared/ue4m3.wgsl

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let part = number(id, groups);
    let block = part / 2u;
    if block >= params.blocks {
        return;
    }
    let s = part % 2u;
    for (var i = 0u; i < 16u; i++) {
        let sub = 2u * s + i / 8u;
        let d = half_scale(byte_at(block * 36u + sub));
        let byte = byte_at(block * 36u + 4u + 8u * sub + i % 8u);
        let first = block * 64u + 16u * sub + i % 8u;
        write(first, d * LEVELS[byte & 15u]);
        write(first + 8u, d * LEVELS[byte >> 4u]);
    }
}
