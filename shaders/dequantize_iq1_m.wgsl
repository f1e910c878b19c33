// IQ1_M to F32: 32 weights an invocation.
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
    let bytes = block * 56u;
    var bits = 0u;
    for (var i = 0u; i < 4u; i++) {
        bits |= (half_at(bytes + 48u + 2u * i) >> 12u) << (4u * i);
    }
    let d = f16_decode(bits);
    let scales = half_at(bytes + 48u + s / 2u * 2u) >> (s % 2u * 6u);
    for (var i = 0u; i < 32u; i++) {
        let j = i / 8u;
        let scale = d * (2.0 * f32((scales >> (j / 2u * 3u)) & 7u) + 1.0);
        let nibble = byte_at(bytes + 32u + 2u * s + j / 2u) >> (j % 2u * 4u);
        let index = byte_at(bytes + 4u * s + j) | ((nibble & 7u) << 8u);
        let point = index | (((nibble >> 3u) & 1u) << 16u);
        let signs = 0u;
        write_weight(part * 32u + i, scale, point, i % 8u, signs);
    }
}
