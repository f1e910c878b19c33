// Q2_0 to F32: 32 weights an invocation.
//#include shared/convert.wgsl
//#include shared/blocks.wgsl

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let part = number(id, groups);
    let block = part / 2u;
    if block >= params.blocks {
        return;
    }
    let s = part % 2u;
    let bytes = block * 18u;
    let d = scale_at(bytes);
    for (var w = 0u; w < 2u; w++) {
        let codes = word_at(bytes + 2u + 8u * s + 4u * w);
        for (var i = 0u; i < 16u; i++) {
            write(part * 32u + 16u * w + i, (f32((codes >> (2u * i)) & 3u) - 1.0) * d);
        }
    }
}
