// IQ2_XS to F32: 32 weights an invocation.
//#include shared/convert.wgsl
//#include shared/blocks.wgsl
//#include shared/iq2.wgsl
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
    let bytes = block * 74u;
    let d = scale_at(bytes);
    let scales = byte_at(bytes + 66u + s);
    for (var i = 0u; i < 32u; i++) {
        let j = i / 8u;
        let scale = d * (0.5 + f32((scales >> (j / 2u * 4u)) & 15u)) * 0.25;
        let both = half_at(bytes + 2u + 8u * s + 2u * j);
        let point = both & 511u;
        let signs = eight_signs(both >> 9u);
        write_weight(part * 32u + i, scale, point, i % 8u, signs);
    }
}
