// IQ4_NL: a block.
//#include shared/blocks.wgsl
//#include shared/iq4_levels.wgsl
const PARTS: u32 = 1u;

fn unpack(part: u32) {
    let bytes = part * 18u;
    let d = scale_at(bytes);
    //#unroll
    for (var w = 0u; w < 4u; w++) {
        let codes = word_at(bytes + 2u + 4u * w);
        put(w, d * level_weights(codes));
        put(w + 4u, d * level_weights(codes >> 4u));
    }
}
