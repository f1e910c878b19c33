// IQ1_M: 32 weights of a block.
//#include shared/blocks.wgsl
//#include shared/iq1.wgsl
//#include shared/points.wgsl
//#include shared/point_weights.wgsl
const PARTS: u32 = 8u;

fn unpack(part: u32) {
    let s = part % 8u;
    let bytes = part / 8u * 56u;
    var bits = 0u;
    //#unroll
    for (var i = 0u; i < 4u; i++) {
        bits |= (half_at(bytes + 48u + 2u * i) >> 12u) << (4u * i);
    }
    let d = f16_decode(bits);
    let scales = half_at(bytes + 48u + s / 2u * 2u) >> (s % 2u * 6u);
    //#unroll
    for (var j = 0u; j < 4u; j++) {
        let scale = d * (2.0 * f32((scales >> (j / 2u * 3u)) & 7u) + 1.0);
        let nibble = byte_at(bytes + 32u + 2u * s + j / 2u) >> (j % 2u * 4u);
        let index = byte_at(bytes + 4u * s + j) | ((nibble & 7u) << 8u);
        let point = index | (((nibble >> 3u) & 1u) << 16u);
        put(2u * j, point_weights(scale, point, 0u, 0u));
        put(2u * j + 1u, point_weights(scale, point, 4u, 0u));
    }
}
