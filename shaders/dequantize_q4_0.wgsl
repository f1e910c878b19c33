// Q4_0 to F32: a block an invocation.
//#include shared/convert.wgsl
//#include shared/blocks.wgsl

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let block = number(id, groups);
    if block >= params.blocks {
        return;
    }
    let bytes = block * 18u;
    let d = scale_at(bytes);
    for (var w = 0u; w < 4u; w++) {
        let codes = word_at(bytes + 2u + 4u * w);
        for (var i = 0u; i < 4u; i++) {
            let code = byte_of(codes, i);
            let weight = block * 32u + 4u * w + i;
            write(weight, (f32(code & 15u) - 8.0) * d);
            write(weight + 16u, (f32(code >> 4u) - 8.0) * d);
        }
    }
}
