// Q4_0: a block.
//#include shared/blocks.wgsl
const PARTS: u32 = 1u;

fn unpack(part: u32) {
    let bytes = part * 18u;
    let d = scale_at(bytes);
    //#unroll
    for (var w = 0u; w < 4u; w++) {
        let codes = word_at(bytes + 2u + 4u * w);
        put(w, (vec4f(unpack4xU8(codes & 0x0f0f0f0fu)) - 8.0) * d);
        put(w + 4u, (vec4f(unpack4xU8((codes >> 4u) & 0x0f0f0f0fu)) - 8.0) * d);
    }
}
