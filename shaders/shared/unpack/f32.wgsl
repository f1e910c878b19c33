// F32: 32 weights are 32 words, in fours.
const PARTS: u32 = 1u;

fn unpack(part: u32) {
    //#unroll
    for (var w = 0u; w < 8u; w++) {
        put(w, bitcast<vec4f>(input[part * 8u + w]));
    }
}
