// F32: 32 weights are 32 words.
const PARTS: u32 = 1u;

fn unpack(part: u32) {
    //#unroll
    for (var w = 0u; w < 8u; w++) {
        let at = part * 32u + 4u * w;
        put(w, bitcast<vec4f>(vec4u(input[at], input[at + 1u], input[at + 2u], input[at + 3u])));
    }
}
