// IQ3_XXS to F32: 32 weights an invocation.
//#include shared/convert.wgsl
//#include shared/blocks.wgsl
//#include shared/iq3_xxs.wgsl
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
    let bytes = block * 98u;
    let bits = word_at(bytes + 66u + 4u * s);
    let scale = scale_at(bytes) * (0.5 + f32(bits >> 28u)) * 0.5;
    for (var i = 0u; i < 32u; i++) {
        let point = byte_at(bytes + 2u + 8u * s + i / 4u);
        let signs = eight_signs(bits >> (i / 8u * 7u)) >> (i & 4u);
        write_weight(part * 32u + i, scale, point, i % 4u, signs);
    }
}
