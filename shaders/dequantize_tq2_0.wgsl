// TQ2_0 to F32: 32 weights an invocation.
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
    let bytes = block * 66u;
    let d = scale_at(bytes + 64u);
    for (var w = 0u; w < 8u; w++) {
        let codes = word_at(bytes + s / 4u * 32u + 4u * w) >> (2u * (s % 4u));
        for (var i = 0u; i < 4u; i++) {
            write(part * 32u + 4u * w + i, d * (f32(byte_of(codes, i) & 3u) - 1.0));
        }
    }
}
