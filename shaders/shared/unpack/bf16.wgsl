// BF16: 32 weights are 16 words.
const PARTS: u32 = 1u;

fn unpack(part: u32) {
    //#unroll
    for (var w = 0u; w < 8u; w++) {
        let at = part * 16u + 2u * w;
        let words = vec2u(input[at], input[at + 1u]);
        let low = words << vec2u(16u);
        let high = words & vec2u(0xffff0000u);
        put(w, bitcast<vec4f>(vec4u(low.x, high.x, low.y, high.y)));
    }
}
