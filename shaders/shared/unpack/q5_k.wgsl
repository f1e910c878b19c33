// Q5_K: a sub-block.
//#include shared/blocks.wgsl
//#include shared/k_scales.wgsl
const PARTS: u32 = 8u;

fn unpack(part: u32) {
    let s = part % 8u;
    let word = part / 8u * 44u;
    let scale = k_scale(word, s);
    //#unroll
    for (var w = 0u; w < 8u; w++) {
        let high = (input[word + 4u + w] >> s) & 0x01010101u;
        let codes = ((input[word + 12u + s / 2u * 8u + w] >> (4u * (s & 1u))) & 0x0f0f0f0fu) | (high << 4u);
        put(w, scale.x * vec4f(unpack4xU8(codes)) - scale.y);
    }
}
