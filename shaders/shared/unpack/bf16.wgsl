// BF16: 32 weights are 16 words, in fours.
const PARTS: u32 = 1u;

fn numbers(words: vec2u) -> vec4f {
    let low = words << vec2u(16u);
    let high = words & vec2u(0xffff0000u);
    return bitcast<vec4f>(vec4u(low.x, high.x, low.y, high.y));
}

fn unpack(part: u32) {
    //#unroll
    for (var w = 0u; w < 4u; w++) {
        let words = input[part * 4u + w];
        put(2u * w, numbers(words.xy));
        put(2u * w + 1u, numbers(words.zw));
    }
}
