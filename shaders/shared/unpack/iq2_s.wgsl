// IQ2_S: 32 weights of a block.
//#include shared/blocks.wgsl
//#include shared/iq2.wgsl
//#include shared/points.wgsl
//#include shared/point_weights.wgsl
const PARTS: u32 = 8u;

fn unpack(part: u32) {
    let s = part % 8u;
    let bytes = part / 8u * 82u;
    let d = scale_at(bytes);
    let scales = byte_at(bytes + 74u + s);
    let high = byte_at(bytes + 66u + s);
    //#unroll
    for (var j = 0u; j < 4u; j++) {
        let scale = d * (0.5 + f32((scales >> (j / 2u * 4u)) & 15u)) * 0.25;
        let point = byte_at(bytes + 2u + 4u * s + j) | (((high >> (2u * j)) & 3u) << 8u);
        let signs = byte_at(bytes + 34u + 4u * s + j);
        put(2u * j, point_weights(scale, point, 0u, signs));
        put(2u * j + 1u, point_weights(scale, point, 4u, signs));
    }
}
