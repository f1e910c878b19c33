// BF16 from any float format: eight weights an invocation; see quantize_f32.wgsl.
//#include shared/convert.wgsl
//#include shared/source.wgsl

// Nearest bfloat16, ties to even; overflow to infinity, NaN stays a quiet NaN.
fn bf16_encode(bits: u32) -> u32 {
    let rounded = (bits + 0x7fffu + ((bits >> 16u) & 1u)) >> 16u;
    return select(rounded, (bits >> 16u) | 0x40u, (bits & 0x7fffffffu) > 0x7f800000u);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let first = 8u * number(id, groups);
    if first >= params.blocks {
        return;
    }
    for (var i = 0u; i < 4u; i++) {
        let pair = weight_bits(first / 2u + i);
        output[first / 2u + i] = bf16_encode(pair.x) | (bf16_encode(pair.y) << 16u);
    }
}
