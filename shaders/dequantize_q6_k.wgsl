// Q6_K to F32: 32 weights an invocation.
//#include shared/convert.wgsl
//#include shared/blocks.wgsl

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let sub_block = number(id, groups);
    let block = sub_block / 8u;
    if block >= params.blocks {
        return;
    }
    let s = sub_block % 8u;
    let bytes = block * 210u;
    let d = scale_at(bytes + 208u);
    // Of each half's 128 weights, 32 are this invocation's: a nibble of 32 bytes, two bits of 32 others.
    let half = s / 4u;
    let quarter = s % 4u;
    let low_at = bytes + half * 64u + (quarter & 1u) * 32u;
    let high_at = bytes + 128u + half * 32u;
    for (var w = 0u; w < 8u; w++) {
        let low = (word_at(low_at + 4u * w) >> (4u * (quarter >> 1u))) & 0x0f0f0f0fu;
        let high = (word_at(high_at + 4u * w) >> (2u * quarter)) & 0x03030303u;
        let codes = low | (high << 4u);
        let scales = half_at(bytes + 192u + 2u * s);
        let scale = d * f32(unpack4xI8(scales)[w / 4u]);
        for (var i = 0u; i < 4u; i++) {
            write(sub_block * 32u + 4u * w + i, scale * (f32(byte_of(codes, i)) - 32.0));
        }
    }
}
