// F16: 32 weights are 16 words.
const PARTS: u32 = 1u;

// By integers: what drivers make of unpack2x16float took more than twice the time of all else.
fn halves(low: vec4u) -> vec4f {
    let magnitude = low & vec4u(0x7fffu);
    let normal = (magnitude << vec4u(13u)) + select(vec4u(112u << 23u), vec4u(224u << 23u), magnitude >= vec4u(0x7c00u));
    let subnormal = bitcast<vec4u>(vec4f(magnitude) * (1.0 / 16777216.0));
    let value = select(normal, subnormal, magnitude < vec4u(0x400u));
    return bitcast<vec4f>(value | ((low & vec4u(0x8000u)) << vec4u(16u)));
}

fn unpack(part: u32) {
    //#unroll
    for (var w = 0u; w < 8u; w++) {
        let at = part * 16u + 2u * w;
        put(w, halves(vec4u(input[at], input[at] >> 16u, input[at + 1u], input[at + 1u] >> 16u)));
    }
}
