// Q3_K: two sub-blocks.
//#include shared/blocks.wgsl
const PARTS: u32 = 8u;

fn unpack(part: u32) {
    let s = part % 8u;
    let bytes = part / 8u * 110u;
    let d = scale_at(bytes + 108u);
    //#unroll
    for (var w = 0u; w < 8u; w++) {
        let sub = 2u * s + w / 4u;
        let low = (byte_at(bytes + 96u + sub % 8u) >> (sub / 8u * 4u)) & 15u;
        let high = (byte_at(bytes + 104u + sub % 4u) >> (sub / 4u * 2u)) & 3u;
        let scale = d * (f32(low | (high << 4u)) - 32.0);
        let low_bits = (word_at(bytes + 32u + s / 4u * 32u + 4u * w) >> (2u * (s % 4u))) & 0x03030303u;
        let high_bits = (word_at(bytes + 4u * w) >> s) & 0x01010101u;
        put(w, scale * (vec4f(unpack4xU8(low_bits | (high_bits << 2u))) - 4.0));
    }
}
