// Q6_K: two sub-blocks.
//#include shared/blocks.wgsl
const PARTS: u32 = 8u;

fn unpack(part: u32) {
    let s = part % 8u;
    let bytes = part / 8u * 210u;
    let d = scale_at(bytes + 208u);
    // Of each half's 128 weights, 32 are this part's: a nibble of 32 bytes, two bits of 32 others.
    let half = s / 4u;
    let quarter = s % 4u;
    let low_at = bytes + half * 64u + (quarter & 1u) * 32u;
    let high_at = bytes + 128u + half * 32u;
    let scales = unpack4xI8(half_at(bytes + 192u + 2u * s));
    //#unroll
    for (var w = 0u; w < 8u; w++) {
        let low = (word_at(low_at + 4u * w) >> (4u * (quarter >> 1u))) & 0x0f0f0f0fu;
        let high = (word_at(high_at + 4u * w) >> (2u * quarter)) & 0x03030303u;
        let scale = d * f32(scales[w / 4u]);
        put(w, scale * (vec4f(unpack4xU8(low | (high << 4u))) - 32.0));
    }
}
