// IQ2_XS: 32 weights of a block.
//#include shared/blocks.wgsl
//#include shared/iq2.wgsl
//#include shared/points.wgsl
//#include shared/point_weights.wgsl
const PARTS: u32 = 8u;

fn unpack(part: u32) {
    let s = part % 8u;
    let bytes = part / 8u * 74u;
    let d = scale_at(bytes);
    let scales = byte_at(bytes + 66u + s);
    //#unroll
    for (var j = 0u; j < 4u; j++) {
        let scale = d * (0.5 + f32((scales >> (j / 2u * 4u)) & 15u)) * 0.25;
        let both = half_at(bytes + 2u + 8u * s + 2u * j);
        let signs = eight_signs(both >> 9u);
        put(2u * j, point_weights(scale, both & 511u, 0u, signs));
        put(2u * j + 1u, point_weights(scale, both & 511u, 4u, signs));
    }
}
