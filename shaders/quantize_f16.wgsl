// F16 from any float format: eight weights an invocation; see quantize_f32.wgsl.
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
        output[first / 2u + i] = f16_encode(pair.x) | (f16_encode(pair.y) << 16u);
    }
}
