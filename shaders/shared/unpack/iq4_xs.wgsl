// IQ4_XS: a sub-block.
//#include shared/blocks.wgsl
//#include shared/iq4_levels.wgsl
const PARTS: u32 = 8u;

fn unpack(part: u32) {
    let s = part % 8u;
    let bytes = part / 8u * 136u;
    let low = (byte_at(bytes + 4u + s / 2u) >> (s % 2u * 4u)) & 15u;
    let high = (half_at(bytes + 2u) >> (2u * s)) & 3u;
    let scale = scale_at(bytes) * (f32(low | (high << 4u)) - 32.0);
    //#unroll
    for (var w = 0u; w < 4u; w++) {
        let codes = word_at(bytes + 8u + 16u * s + 4u * w);
        put(w, scale * level_weights(codes));
        put(w + 4u, scale * level_weights(codes >> 4u));
    }
}
