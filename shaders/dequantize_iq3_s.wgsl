// IQ3_S to F32: 32 weights an invocation.
//#include shared/convert.wgsl
//#include shared/blocks.wgsl
//#include shared/iq3_s.wgsl
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
    let bytes = block * 110u;
    let scale = scale_at(bytes) * (1.0 + 2.0 * f32((byte_at(bytes + 106u + s / 2u) >> (s % 2u * 4u)) & 15u));
    let high = byte_at(bytes + 66u + s);
    for (var i = 0u; i < 32u; i++) {
        let point = byte_at(bytes + 2u + 8u * s + i / 4u) | (((high >> (i / 4u)) & 1u) << 8u);
        let signs = byte_at(bytes + 74u + 4u * s + i / 8u) >> (i & 4u);
        write_weight(part * 32u + i, scale, point, i % 4u, signs);
    }
}
