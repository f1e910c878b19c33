// IQ3_S: 32 weights of a block.
//#include shared/blocks.wgsl
//#include shared/iq3_s.wgsl
//#include shared/points.wgsl
//#include shared/point_weights.wgsl
const PARTS: u32 = 8u;

fn unpack(part: u32) {
    let s = part % 8u;
    let bytes = part / 8u * 110u;
    let scale = scale_at(bytes) * (1.0 + 2.0 * f32((byte_at(bytes + 106u + s / 2u) >> (s % 2u * 4u)) & 15u));
    let high = byte_at(bytes + 66u + s);
    //#unroll
    for (var w = 0u; w < 8u; w++) {
        let point = byte_at(bytes + 2u + 8u * s + w) | (((high >> w) & 1u) << 8u);
        let signs = byte_at(bytes + 74u + 4u * s + w / 2u) >> (w % 2u * 4u);
        put(w, point_weights(scale, point, 0u, signs));
    }
}
