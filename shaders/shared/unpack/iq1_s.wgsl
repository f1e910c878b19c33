// IQ1_S: 32 weights of a block.
//#include shared/blocks.wgsl
//#include shared/iq1.wgsl
//#include shared/points.wgsl
//#include shared/point_weights.wgsl
const PARTS: u32 = 8u;

fn unpack(part: u32) {
    let s = part % 8u;
    let bytes = part / 8u * 50u;
    let bits = half_at(bytes + 34u + 2u * s);
    let scale = scale_at(bytes) * (2.0 * f32((bits >> 12u) & 7u) + 1.0);
    //#unroll
    for (var j = 0u; j < 4u; j++) {
        let index = byte_at(bytes + 2u + 4u * s + j) | (((bits >> (3u * j)) & 7u) << 8u);
        let point = index | ((bits >> 15u) << 16u);
        put(2u * j, point_weights(scale, point, 0u, 0u));
        put(2u * j + 1u, point_weights(scale, point, 4u, 0u));
    }
}
