// F16: 32 weights are 16 words.
//#include shared/f16.wgsl
const PARTS: u32 = 1u;

fn unpack(part: u32) {
    for (var w = 0u; w < 8u; w++) {
        let at = part * 16u + 2u * w;
        let words = vec2u(input[at], input[at + 1u]);
        let low = words & vec2u(0xffffu);
        let high = words >> vec2u(16u);
        put(w, vec4f(f16_decode(low.x), f16_decode(high.x), f16_decode(low.y), f16_decode(high.y)));
    }
}
