// Q5_1 to F32: a block an invocation.
//#include shared/convert.wgsl
//#include shared/blocks.wgsl

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let block = number(id, groups);
    if block >= params.blocks {
        return;
    }
    let word = block * 6u;
    let d = f16_decode(input[word] & 0xffffu);
    let m = f16_decode(input[word] >> 16u);
    let high = input[word + 1u];
    for (var w = 0u; w < 4u; w++) {
        let codes = input[word + 2u + w];
        for (var i = 0u; i < 4u; i++) {
            let code = byte_of(codes, i);
            let j = 4u * w + i;
            write(block * 32u + j, f32((code & 15u) | (((high >> j) & 1u) << 4u)) * d + m);
            write(block * 32u + j + 16u, f32((code >> 4u) | (((high >> (j + 16u)) & 1u) << 4u)) * d + m);
        }
    }
}
