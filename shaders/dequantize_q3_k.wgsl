// Q3_K to F32: 32 weights an invocation, two sub-blocks.
//#include shared/convert.wgsl
//#include shared/blocks.wgsl

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let part = number(id, groups);
    let block = part / 8u;
    if block >= params.blocks {
        return;
    }
    let s = part % 8u;
    let bytes = block * 110u;
    let d = scale_at(bytes + 108u);
    for (var w = 0u; w < 8u; w++) {
        let sub = 2u * s + w / 4u;
        let low = (byte_at(bytes + 96u + sub % 8u) >> (sub / 8u * 4u)) & 15u;
        let high = (byte_at(bytes + 104u + sub % 4u) >> (sub / 4u * 2u)) & 3u;
        let scale = d * (f32(low | (high << 4u)) - 32.0);
        let low_bits = (word_at(bytes + 32u + s / 4u * 32u + 4u * w) >> (2u * (s % 4u))) & 0x03030303u;
        let high_bits = (word_at(bytes + 4u * w) >> s) & 0x01010101u;
        let codes = low_bits | (high_bits << 2u);
        for (var i = 0u; i < 4u; i++) {
            write(part * 32u + 4u * w + i, scale * (f32(byte_of(codes, i)) - 4.0));
        }
    }
}
