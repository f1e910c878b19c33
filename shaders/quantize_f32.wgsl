// F32 from any float format: eight weights an invocation, which are whole words of every float format and never
// reach past a range's padding.
//#include shared/convert.wgsl
//#include shared/source.wgsl

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let first = 8u * number(id, groups);
    if first >= params.blocks {
        return;
    }
    for (var i = 0u; i < 4u; i++) {
        let pair = weight_bits(first / 2u + i);
        output[first + 2u * i] = pair.x;
        output[first + 2u * i + 1u] = pair.y;
    }
}
