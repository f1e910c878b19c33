// F16: 32 weights are 16 words.
const PARTS: u32 = 1u;

fn unpack(part: u32) {
    //#unroll
    for (var w = 0u; w < 8u; w++) {
        let at = part * 16u + 2u * w;
        put(w, vec4f(unpack2x16float(input[at]), unpack2x16float(input[at + 1u])));
    }
}
