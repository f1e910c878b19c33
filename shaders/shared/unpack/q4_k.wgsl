// Q4_K: a sub-block.
//#include shared/blocks.wgsl
//#include shared/k_scales.wgsl
const PARTS: u32 = 8u;

fn unpack(part: u32) {
    let s = part % 8u;
    let at = part / 8u * 36u;
    let scale = k_scale(at, s);
    //#unroll
    for (var w = 0u; w < 8u; w++) {
        let codes = (input[at + 4u + s / 2u * 8u + w] >> (4u * (s & 1u))) & 0x0f0f0f0fu;
        put(w, scale.x * vec4f(unpack4xU8(codes)) - scale.y);
    }
}
