// IQ4_XS to F32: a sub-block of 32 weights an invocation.
//#include shared/convert.wgsl
//#include shared/blocks.wgsl
//#include shared/iq4_levels.wgsl

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let part = number(id, groups);
    let block = part / 8u;
    if block >= params.blocks {
        return;
    }
    let s = part % 8u;
    let bytes = block * 136u;
    let low = (byte_at(bytes + 4u + s / 2u) >> (s % 2u * 4u)) & 15u;
    let high = (half_at(bytes + 2u) >> (2u * s)) & 3u;
    let scale = scale_at(bytes) * (f32(low | (high << 4u)) - 32.0);
    for (var w = 0u; w < 4u; w++) {
        let codes = word_at(bytes + 8u + 16u * s + 4u * w);
        for (var i = 0u; i < 4u; i++) {
            let byte = byte_of(codes, i);
            write(part * 32u + 4u * w + i, scale * LEVELS[byte & 15u]);
            write(part * 32u + 4u * w + i + 16u, scale * LEVELS[byte >> 4u]);
        }
    }
}
