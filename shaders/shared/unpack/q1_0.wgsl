// Q1_0: a quarter of a block.
//#include shared/blocks.wgsl
const PARTS: u32 = 4u;

fn unpack(part: u32) {
    let bytes = part / 4u * 18u;
    let d = scale_at(bytes);
    let bits = word_at(bytes + 2u + 4u * (part % 4u));
    //#unroll
    for (var w = 0u; w < 8u; w++) {
        let own = (vec4u(bits >> (4u * w)) >> vec4u(0u, 1u, 2u, 3u)) & vec4u(1u);
        put(w, select(vec4f(-d), vec4f(d), own == vec4u(1u)));
    }
}
