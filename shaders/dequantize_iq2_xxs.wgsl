// IQ2_XXS to F32: 32 weights an invocation.
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
    let bytes = block * 66u + 2u + 8u * s;
    let bits = word_at(bytes + 4u);
    let scale = scale_at(block * 66u) * (0.5 + f32(bits >> 28u)) * 0.25;
    for (var i = 0u; i < 32u; i++) {
        let j = i / 8u;
        let point = byte_at(bytes + j);
        let signs = eight_signs(bits >> (7u * j));
        write_weight(part * 32u + i, scale, point, i % 8u, signs);
    }
}
