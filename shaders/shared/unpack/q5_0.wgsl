// Q5_0: a block.
//#include shared/blocks.wgsl
//#include shared/fifth_bits.wgsl
const PARTS: u32 = 1u;

fn unpack(part: u32) {
    let bytes = part * 22u;
    let d = scale_at(bytes);
    let high = word_at(bytes + 2u);
    //#unroll
    for (var w = 0u; w < 4u; w++) {
        let codes = word_at(bytes + 6u + 4u * w);
        put(w, (vec4f(low_codes(codes, high >> (4u * w))) - 16.0) * d);
        put(w + 4u, (vec4f(low_codes(codes >> 4u, high >> (4u * w + 16u))) - 16.0) * d);
    }
}
