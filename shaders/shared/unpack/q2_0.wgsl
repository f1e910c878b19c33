// Q2_0: half a block.
//#include shared/blocks.wgsl
const PARTS: u32 = 2u;

fn unpack(part: u32) {
    let bytes = part / 2u * 18u;
    let d = scale_at(bytes);
    //#unroll
    for (var w = 0u; w < 8u; w++) {
        let codes = byte_at(bytes + 2u + 8u * (part % 2u) + w);
        let levels = (vec4u(codes) >> vec4u(0u, 2u, 4u, 6u)) & vec4u(3u);
        put(w, (vec4f(levels) - 1.0) * d);
    }
}
