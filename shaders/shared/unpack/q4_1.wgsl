// Q4_1: a block.
//#include shared/blocks.wgsl
const PARTS: u32 = 1u;

fn unpack(part: u32) {
    let word = part * 5u;
    let d = f16_decode(input[word] & 0xffffu);
    let m = f16_decode(input[word] >> 16u);
    //#unroll
    for (var w = 0u; w < 4u; w++) {
        let codes = input[word + 1u + w];
        put(w, vec4f(unpack4xU8(codes & 0x0f0f0f0fu)) * d + m);
        put(w + 4u, vec4f(unpack4xU8((codes >> 4u) & 0x0f0f0f0fu)) * d + m);
    }
}
