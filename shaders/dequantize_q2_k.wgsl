// Q2_K to F32: 32 weights an invocation, two sub-blocks.
//#include shared/convert.wgsl
//#include shared/blocks.wgsl

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let part = number(id, groups);
    let block = part / 8u;
    if block >= params.blocks {
        return;
    }
    let s = part % 8u;
    let bytes = block * 84u;
    let d = scale_at(bytes + 80u);
    let dmin = scale_at(bytes + 82u);
    let scales = half_at(bytes + 2u * s);
    for (var w = 0u; w < 8u; w++) {
        let scale = byte_of(scales, w / 4u);
        let codes = word_at(bytes + 16u + s / 4u * 32u + 4u * w) >> (2u * (s % 4u));
        for (var i = 0u; i < 4u; i++) {
            let code = byte_of(codes, i) & 3u;
            write(part * 32u + 4u * w + i, d * f32(scale & 15u) * f32(code) - dmin * f32(scale >> 4u));
        }
    }
}
