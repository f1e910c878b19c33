// Q8_0 to F32: a block an invocation.
//#include shared/convert.wgsl
//#include shared/blocks.wgsl

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let block = number(id, groups);
    if block >= params.blocks {
        return;
    }
    let at = block * 34u;
    let d = scale_at(at);
    for (var w = 0u; w < 8u; w++) {
        let codes = unpack4xI8(word_at(at + 2u + 4u * w));
        for (var i = 0u; i < 4u; i++) {
            write(block * 32u + 4u * w + i, f32(codes[i]) * d);
        }
    }
}
