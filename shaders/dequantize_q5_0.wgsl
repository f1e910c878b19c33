// Q5_0 to F32: a block an invocation.
//#include shared/convert.wgsl
//#include shared/blocks.wgsl

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let block = number(id, groups);
    if block >= params.blocks {
        return;
    }
    let bytes = block * 22u;
    let d = scale_at(bytes);
    let high = word_at(bytes + 2u);
    for (var w = 0u; w < 4u; w++) {
        let codes = word_at(bytes + 6u + 4u * w);
        for (var i = 0u; i < 4u; i++) {
            let code = byte_of(codes, i);
            let j = 4u * w + i;
            write(block * 32u + j, (f32((code & 15u) | (((high >> j) & 1u) << 4u)) - 16.0) * d);
            write(block * 32u + j + 16u, (f32((code >> 4u) | (((high >> (j + 16u)) & 1u) << 4u)) - 16.0) * d);
        }
    }
}
