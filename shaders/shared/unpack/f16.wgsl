// F16: 32 weights are 16 words, in fours.
const PARTS: u32 = 1u;

// By integers: what a driver made of unpack2x16float took more than twice the time of BF16.
fn numbers(words: vec2u) -> vec4f {
    let halves = vec4u(words.x, words.x >> 16u, words.y, words.y >> 16u);
    let magnitude = halves & vec4u(0x7fffu);
    let bias = select(vec4u(112u << 23u), vec4u(224u << 23u), magnitude >= vec4u(0x7c00u));
    let normal = (magnitude << vec4u(13u)) + bias;
    let subnormal = bitcast<vec4u>(vec4f(magnitude) * (1.0 / 16777216.0));
    let value = select(normal, subnormal, magnitude < vec4u(0x400u));
    return bitcast<vec4f>(value | ((halves & vec4u(0x8000u)) << vec4u(16u)));
}

fn unpack(part: u32) {
    //#unroll
    for (var w = 0u; w < 4u; w++) {
        let words = input[part * 4u + w];
        put(2u * w, numbers(words.xy));
        put(2u * w + 1u, numbers(words.zw));
    }
}
