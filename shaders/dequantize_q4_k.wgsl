// Q4_K to F32: a sub-block of 32 weights an invocation.
//#include shared/convert.wgsl
//#include shared/blocks.wgsl
//#include shared/k_scales.wgsl

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let sub_block = number(id, groups);
    let block = sub_block / 8u;
    if block >= params.blocks {
        return;
    }
    let s = sub_block % 8u;
    let at = block * 36u;
    let scale = k_scale(at, s);
    for (var w = 0u; w < 8u; w++) {
        let codes = (input[at + 4u + s / 2u * 8u + w] >> (4u * (s & 1u))) & 0x0f0f0f0fu;
        for (var i = 0u; i < 4u; i++) {
            write(sub_block * 32u + 4u * w + i, scale.x * f32(byte_of(codes, i)) - scale.y);
        }
    }
}
