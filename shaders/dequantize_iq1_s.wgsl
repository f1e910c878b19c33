// IQ1_S to F32: 32 weights an invocation.
//#include shared/convert.wgsl
//#include shared/blocks.wgsl
//#include shared/iq1.wgsl
//#include shared/points.wgsl
//#include shared/write_point.wgsl

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let part = number(id, groups);
    let block = part / 8u;
    if block >= params.blocks {
        return;
    }
    let s = part % 8u;
    let bytes = block * 50u;
    let bits = half_at(bytes + 34u + 2u * s);
    let scale = scale_at(bytes) * (2.0 * f32((bits >> 12u) & 7u) + 1.0);
    for (var i = 0u; i < 32u; i++) {
        let j = i / 8u;
        let index = byte_at(bytes + 2u + 4u * s + j) | (((bits >> (3u * j)) & 7u) << 8u);
        let point = index | ((bits >> 15u) << 16u);
        let signs = 0u;
        write_weight(part * 32u + i, scale, point, i % 8u, signs);
    }
}
