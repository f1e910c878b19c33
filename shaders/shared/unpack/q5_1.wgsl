// Q5_1: a block.
//#include shared/blocks.wgsl
//#include shared/fifth_bits.wgsl
const PARTS: u32 = 1u;

fn unpack(part: u32) {
    let word = part * 6u;
    let d = f16_decode(input[word] & 0xffffu);
    let m = f16_decode(input[word] >> 16u);
    let high = input[word + 1u];
    //#unroll
    for (var w = 0u; w < 4u; w++) {
        let codes = input[word + 2u + w];
        put(w, vec4f(low_codes(codes, high >> (4u * w))) * d + m);
        put(w + 4u, vec4f(low_codes(codes >> 4u, high >> (4u * w + 16u))) * d + m);
    }
}
